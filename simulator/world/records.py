"""The Registry and InferenceLog ports: versions, aliases, promotions, and what the models answered."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from simulator.world.events import Changes
from simulator.world.rowlog import LoggedRows
from simulator.world.scorer import Scorer
from simulator.world.store import Floats
from tools.change import Change
from tools.errors import Absent
from tools.offline import compared
from tools.records import Comparison, InferenceWindow, ModelState, Recomputed

LABEL_DELAY = timedelta(minutes=20)


class WorldRegistry:
    """Reads versions, aliases and promotions."""

    answers_rows = True

    def __init__(self, scorers: Mapping[str, Scorer], log: "WorldLog", changes: Changes) -> None:
        self._by_model = {scorer.service.model: scorer for scorer in scorers.values()}
        self._scorers = scorers
        self._log = log
        self._changes = changes

    def model(self, name: str) -> ModelState:
        """Return versions and aliases; ``Absent`` when there is no such model."""
        if name not in self._by_model:
            raise Absent(f"no model {name}")
        scorer = self._by_model[name]
        return ModelState(model=name, versions=tuple(scorer.versions), aliases=dict(scorer.aliases))

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return promotions at or after ``since``, oldest first."""
        return self._changes.since(since, promotions=True)

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        """Score two versions offline on the labelled rows of the service in [start, end)."""
        scorer = self._scorers.get(service)
        if scorer is None:
            raise Absent(f"{service} serves no model")
        if missing := [version for version in (first, second) if version not in scorer.models]:
            raise Absent(f"model {scorer.service.model} has no version {missing[0]}")
        rows = self._log.window(service, start, end)
        known = np.isfinite(rows.labels)
        if known.sum() < 2:
            raise Absent(f"{service}: {int(known.sum())} labelled rows in the window")
        return _compare(scorer, (first, second), rows.features[known], rows.labels[known])

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        """Score two versions offline on rows that are handed in, those whose labels are known."""
        scorer, known = self._scorers.get(rows.service), np.isfinite(rows.labels)
        if scorer is None or not {first, second} <= scorer.models.keys() or known.sum() < 2:
            raise Absent(f"{rows.service}: no versions {first} and {second}, or {int(known.sum())} labelled rows")
        return _compare(scorer, (first, second), rows.features[known], rows.labels[known])


def _compare(scorer: Scorer, pair: tuple[str, str], features: Floats, labels: Floats) -> Comparison:
    first, second = (scorer.models[version].predict(features) for version in pair)
    return compared(scorer.service.model, pair, (first, second), labels)


class WorldLog:
    """Reads logged inferences; a label is seen only once it is old enough."""

    def __init__(self, scorers: Mapping[str, Scorer]) -> None:
        self._scorers = scorers
        self._until = dict.fromkeys(scorers, 0.0)  # POSIX seconds of the newest answer whose label has come
        self.late: Mapping[str, float] = {}  # factor on the delay of labels by service; of nobody: of all

    def tick(self, at: datetime) -> None:
        """Let labels come that are due; what has come stays known, however late the next ones are."""
        for service, until in self._until.items():
            delay = LABEL_DELAY * self.late.get(service, 1.0) * self.late.get("", 1.0)
            self._until[service] = max(until, (at - delay).timestamp())

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        """Return the rows logged in [start, end), with the labels that are known by now."""
        scorer = self._scorers.get(service)
        if scorer is None:
            raise Absent(f"{service} logs no inferences")
        known = float(np.nextafter(self._until[service], np.inf))
        last = min(end.timestamp(), known) if labelled else end.timestamp()
        rows = scorer.log.between(start.timestamp(), last, features=features)
        return _window(scorer, rows, self._until[service])

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        """Return the rows logged in [start, end) beside the same computed anew as training computes them."""
        scorer = self._scorers.get(service)
        if scorer is None:
            raise Absent(f"{service} logs no inferences")
        rows = scorer.log.between(start.timestamp(), end.timestamp())
        again = scorer.problem.recomputed(rows.features, rows.off)
        return Recomputed(service, scorer.problem.names, rows.at, rows.features, again)

    def texts(self, service: str, start: datetime, end: datetime) -> list[tuple[float, str]]:
        """Return (POSIX seconds, text) of the rows of [start, end) that are logged with their texts, oldest first."""
        low, high = start.timestamp(), end.timestamp()
        ticks = self._scorers[service].texts if service in self._scorers else ()
        pairs = ((float(at), text) for times, some in ticks for at, text in zip(times, some.texts(), strict=True))
        return [(at, text) for at, text in pairs if low <= at < high]

    def reference(self, service: str) -> InferenceWindow:
        """Return the rows that the champion was accepted on."""
        scorer = self._scorers.get(service)
        if scorer is None:
            raise Absent(f"{service} logs no inferences")
        return scorer.references[scorer.aliases["champion"]]


def _window(scorer: Scorer, rows: LoggedRows, labelled_until: float) -> InferenceWindow:
    names = np.array(scorer.names, dtype=np.str_)
    return InferenceWindow(
        service=scorer.service.name,
        names=scorer.problem.names[: rows.features.shape[1]],
        at=rows.at,
        features=rows.features,
        scores=rows.scores,
        labels=np.where(rows.at <= labelled_until, rows.truth, np.nan),
        version=names[rows.version],
    )
