"""Features served otherwise than training computes them, and what that costs, before one label of such rows is in.

A release brings it, or a change upstream. What was served and what is computed anew are both known at once. Labelled
rows of before are served as those of now, and the model answers them: where it surely breaks a promise that it kept on
them as they were, there is nothing to wait for. As with a version that was tried (``agent.tried``), that reading takes
the place of the answers' own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.apart import FEW, apart, differing
from agent.judged import QualityReading, wilson
from agent.shown import GROSS
from config.fleet import Service
from tools.errors import ToolError
from tools.ports import InferenceLog, Registry
from tools.records import InferenceWindow, Recomputed
from tools.topology import Topology

LATELY = timedelta(minutes=3)  # rows held beside the same computed anew
RELEASED = timedelta(minutes=20)  # after a release, for which every tick looks: it comes in within minutes
BEFORE = timedelta(hours=1)  # of labelled rows that are served as those of now
LEAST = 400  # of them
LOOKS = 2  # in a row that say the same: one may be a blip

Readings = Mapping[str, QualityReading]
Table = NDArray[np.float64]


@dataclass(slots=True)
class _Doubt:
    """What was seen of one service: in how many looks, since when, and what it makes of the model's answers."""

    looks: int
    since: datetime
    reading: QualityReading


class Skewed:
    """Looks at what models are served: every so often, and at every tick while a release is new or there is doubt."""

    def __init__(self, log: InferenceLog, registry: Registry, services: Sequence[Service], every: timedelta) -> None:
        self._log, self._registry, self._every = log, registry, every
        self._targets = {
            service: objective.target
            for service in services
            for objective in service.objectives
            if service.model and objective.signal == "accuracy"
        }
        self._looked_at: datetime | None = None
        self._revisions: dict[str, tuple[str, datetime | None]] = {}
        self._doubts: dict[str, _Doubt] = {}

    def instead(self, judged: Readings, topology: Topology, now: datetime) -> Readings:
        """Return the readings; where rows are surely served to a model's harm, what it makes of them now."""
        self._released(topology, now)
        every = self._looked_at is None or now - self._looked_at >= self._every
        if every:
            self._looked_at = now
        for service, target in self._targets.items():
            if every or service.name in self._doubts or self._is_new(service.name, now):
                self._examine(service, target, judged.get(service.name), now)
        return {**judged, **{name: doubt.reading for name, doubt in self._doubts.items() if doubt.looks >= LOOKS}}

    def _released(self, topology: Topology, now: datetime) -> None:
        """Note when another revision became current; the first one seen is no news."""
        for deployment in topology.deployments:
            known = self._revisions.get(deployment.service)
            if known is None or known[0] != deployment.current:
                self._revisions[deployment.service] = deployment.current, now if known else None

    def _is_new(self, service: str, now: datetime) -> bool:
        _, at = self._revisions.get(service, ("", None))
        return at is not None and now - at <= RELEASED

    def _examine(self, service: Service, target: float, reading: QualityReading | None, now: datetime) -> None:
        """Look at one service. What cannot be read just now leaves what is known as it is: NO DATA is no all-clear."""
        try:
            rows = self._log.recomputed(service.name, now - LATELY, now)
            found = self._foretold(service, target, rows, reading, now) if reading is not None else None
        except ToolError:
            return
        if found is None:
            self._doubts.pop(service.name, None)
            return
        doubt = self._doubts.setdefault(service.name, _Doubt(0, found.served_at or now, found))
        doubt.looks, doubt.reading = doubt.looks + 1, replace(found, served_at=doubt.since)

    def _foretold(
        self, service: Service, target: float, rows: Recomputed, reading: QualityReading, now: datetime
    ) -> QualityReading | None:
        """Return how right the model is on labelled rows of before, served as those of now; None where that is well."""
        worst = apart(rows)
        if worst.rows < FEW or worst.share < GROSS:
            return None
        since = datetime.fromtimestamp(float(rows.at[differing(rows).any(axis=1)][0]), now.tzinfo)
        until = min(since, now - LATELY)
        newest = min(reading.newest_at or until, until)
        past = self._log.window(service.name, newest - BEFORE, until, labelled=True)
        known = np.isfinite(past.labels)
        if int(known.sum()) < LEAST or past.names != rows.names:
            return None
        champion = self._registry.model(service.model).aliases.get("champion", "")
        then = self._registry.compare_on(champion, champion, past)
        now_ = self._registry.compare_on(champion, champion, served_as(past, rows))
        share = now_.accuracy[champion]
        low, high = wilson(share, now_.rows)
        if not high < target <= then.accuracy[champion]:
            return None
        return QualityReading(now, now_.rows, share, low, high, newest_at=reading.newest_at, served_at=since)


def served_as(past: InferenceWindow, now: Recomputed) -> InferenceWindow:
    """Return rows of before as they would be served now.

    Which of a row's columns are served otherwise is taken from a row of now, in their order. A value is then served as
    the nearest one of now that is: whatever is done to a column, shifted, scaled, cut or lost, is done to it too.
    """
    features, differs = past.features.copy(), differing(now)
    like = differs[np.resize(np.arange(len(now.at)), len(past.at))]
    for place in range(len(past.names)):
        mine, column = like[:, place] & np.isfinite(features[:, place]), now.again[:, place]
        given = np.flatnonzero(differs[:, place] & np.isfinite(column))
        if len(given) and mine.any():
            order = given[np.argsort(column[given], kind="stable")]
            features[mine, place] = now.served[order[_nearest(column[order], features[mine, place])], place]
    return replace(past, features=features)


def _nearest(rising: Table, values: Table) -> NDArray[np.intp]:
    """Return the places of the values that lie nearest to some, among rising ones.

    >>> _nearest(np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.6, 3.5, 9.0])).tolist()
    [0, 1, 2, 2]
    """
    right = np.clip(np.searchsorted(rising, values), 1, max(len(rising) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(rising) - 1)
    return np.where(values - rising[left] <= rising[right] - values, left, right)
