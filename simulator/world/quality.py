"""Models that really score, their registered versions, and the log of what they answered."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import sqrt
from typing import Any, Literal

import numpy as np

from config.fleet import Fleet, Service, ServiceKind
from simulator.world.events import Changes
from simulator.world.learning import CHAMPION, EVALUATED, PAST, fresh_rows, past_model, problem_of
from simulator.world.rowlog import LoggedRows, RowLog
from simulator.world.store import Floats
from simulator.world.streams import Streams
from simulator.world.tabular import Drift, TabularProblem
from tools.action import TrainModel
from tools.change import Change
from tools.clock import Clock
from tools.errors import Absent, Refused
from tools.records import Comparison, InferenceWindow, ModelState, ModelVersion
from tools.training import TabularModel, evaluate, fit, row_losses

ROWS_PER_TICK = 64  # logged of every tick: a sample, as such logs are
CAPACITY = ROWS_PER_TICK * 2880 * 3 // 2  # a day and a half at ticks of 30 s
LABEL_DELAY = timedelta(minutes=20)
LEAST_ROWS = 400  # labelled rows below which a training fails
TRAINING_SECONDS = (90.0, 0.004)  # simulated seconds: at least, and per row
State = Literal["done", "running", "failed"]


@dataclass
class Training:
    """One training job; its outcome is known here before the world may see it."""

    action: TrainModel
    ends_at: datetime
    state: State
    detail: str
    model: TabularModel | None = None
    held: tuple[Floats, Floats] | None = None  # the newest labelled rows, not trained on
    seen: bool = False


@dataclass
class Scorer:
    """One tabular service: its task, its models by version, and its log."""

    service: Service
    problem: TabularProblem
    rng: np.random.Generator
    log: RowLog
    drift: Drift = field(default_factory=Drift)
    versions: list[ModelVersion] = field(default_factory=list)
    models: dict[str, TabularModel] = field(default_factory=dict)
    references: dict[str, InferenceWindow] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)  # of versions, as the log indexes them
    judged: tuple[object, float] | None = None  # what the true accuracy was computed for, and it

    def register(self, version: ModelVersion, model: TabularModel, reference: InferenceWindow) -> None:
        """Add a version."""
        self.versions.append(version)
        self.models[version.version] = model
        self.references[version.version] = reference
        self.names.append(version.version)


class WorldRegistry:
    """Reads versions, aliases and promotions."""

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
        features, labels = rows.features[known], rows.labels[known]
        return _compare(scorer, (first, second), features, labels)


def _compare(scorer: Scorer, pair: tuple[str, str], features: Floats, labels: Floats) -> Comparison:
    models = [scorer.models[version] for version in pair]
    found = [evaluate(model, features, labels) for model in models]
    gains = row_losses(models[0], features, labels) - row_losses(models[1], features, labels)
    margin = 1.96 * float(gains.std(ddof=1)) / sqrt(len(labels))
    gain = float(gains.mean())
    return Comparison(
        model=scorer.service.model,
        rows=len(labels),
        accuracy={version: scores.accuracy for version, scores in zip(pair, found, strict=True)},
        log_loss={version: scores.log_loss for version, scores in zip(pair, found, strict=True)},
        gain=gain,
        gain_low=gain - margin,
        gain_high=gain + margin,
    )


class WorldLog:
    """Reads logged inferences; a label is seen only once it is old enough."""

    def __init__(self, scorers: Mapping[str, Scorer], clock: Clock) -> None:
        self._scorers = scorers
        self._clock = clock
        self.delay = LABEL_DELAY

    def window(self, service: str, start: datetime, end: datetime) -> InferenceWindow:
        """Return the rows logged in [start, end), with the labels that are known by now."""
        scorer = self._scorers.get(service)
        if scorer is None:
            raise Absent(f"{service} logs no inferences")
        rows = scorer.log.between(start.timestamp(), end.timestamp())
        return _window(scorer, rows, (self._clock.now() - self.delay).timestamp())

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
        names=scorer.problem.names,
        at=rows.at,
        features=rows.features,
        scores=rows.scores,
        labels=np.where(rows.at <= labelled_until, rows.truth, np.nan),
        version=names[rows.version],
    )


def _register(
    scorer: Scorer, version: str, model: TabularModel, accepted: tuple[Floats, Floats], at: datetime, why: str = ""
) -> None:
    """Register a version as of ``at``, with the labelled rows that it was accepted on."""
    features, labels = accepted
    found = evaluate(model, features, labels)
    name = scorer.service.model
    reference = InferenceWindow(
        service=scorer.service.name,
        names=scorer.problem.names,
        at=at.timestamp() - np.arange(len(labels), 0, -1.0),
        features=features,
        scores=model.predict(features),
        labels=labels,
        version=np.full(len(labels), version, dtype=np.str_),
    )
    metrics = {"accuracy": round(found.accuracy, 4), "log_loss": round(found.log_loss, 4)}
    named = ModelVersion(model=name, version=version, created_at=at, digest=model.digest, metrics=metrics, lineage=why)
    scorer.register(named, model, reference)


class Quality:
    """All tabular models of the world."""

    def __init__(self, fleet: Fleet, streams: Streams, clock: Clock, changes: Changes) -> None:
        self._streams = streams
        self._clock = clock
        self._changes = changes
        self._trainings: dict[str, Training] = {}
        self._scorers = {
            service.name: self._scorer(service)
            for service in fleet.services
            if service.kind is ServiceKind.TABULAR and service.model
        }
        self.log = WorldLog(self._scorers, clock)
        self.registry = WorldRegistry(self._scorers, self.log, changes)

    def _scorer(self, service: Service) -> Scorer:
        task = problem_of(service.name)
        scorer = Scorer(service, task, self._streams.named(f"rows/{service.name}"), RowLog(CAPACITY, len(task.names)))
        for version, days in zip(PAST, (40, 12), strict=True):
            accepted = fresh_rows(service.name, "accepted", EVALUATED)
            model = past_model(service.name, version)
            _register(scorer, version, model, accepted, self._clock.now() - timedelta(days=days))
        scorer.aliases = {"champion": CHAMPION}
        scorer.weights = {CHAMPION: 100}
        return scorer

    # -- every tick ------------------------------------------------------------------------------------------------
    def tick(self, at: datetime) -> None:
        """Score and log the rows of one tick; finish trainings that are due."""
        for scorer in self._scorers.values():
            self._score(scorer, at.timestamp())
        for training in self._trainings.values():
            if not training.seen and at >= training.ends_at:
                self._finish(training)

    def _score(self, scorer: Scorer, at: float) -> None:
        features, _, truth = scorer.problem.draw(scorer.rng, ROWS_PER_TICK, at / 3600.0 % 168.0, scorer.drift)
        chance = scorer.rng.random(ROWS_PER_TICK)
        scores = np.empty(ROWS_PER_TICK)
        version = np.empty(ROWS_PER_TICK, dtype=np.int16)
        floor = 0.0
        for name, share in scorer.weights.items():
            mine = (chance >= floor) & (chance < floor + share / 100 + 1e-12)
            floor += share / 100
            if mine.any():
                scores[mine] = scorer.models[name].predict(features[mine])
                version[mine] = scorer.names.index(name)
        times = at - 30.0 + 30.0 * (np.arange(ROWS_PER_TICK) + 0.5) / ROWS_PER_TICK
        scorer.log.append(LoggedRows(times, features, scores, truth, version))

    def shift(self, service: str, what: str, amount: float) -> None:
        """Set how far the world is from what the models learnt: one field of ``Drift``, or ``dates`` or ``units``."""
        scorer = self._scorers[service]
        name = {"dates": "date_flip", "units": "unit_change"}.get(what, what)
        plain = isinstance(getattr(Drift(), name), bool)
        changed: dict[str, Any] = {name: amount > 0 if plain else amount}
        scorer.drift = replace(scorer.drift, **changed)

    def accuracy(self, service: str) -> float:
        """Return the true share of right answers now; NaN for services without a model."""
        scorer = self._scorers.get(service)
        if scorer is None:
            return float("nan")
        hour = self._clock.now().hour
        state = (scorer.drift, tuple(scorer.weights.items()), hour)
        if scorer.judged is None or scorer.judged[0] != state:
            rng = self._streams.named(f"judge/{service}")
            features, _, truth = scorer.problem.draw(rng, EVALUATED, hour + 0.5, scorer.drift)
            right = sum(
                share / 100 * float(((scorer.models[name].predict(features) >= 0.5) == truth).mean())
                for name, share in scorer.weights.items()
                if share
            )
            scorer.judged = (state, right)
        return scorer.judged[1]

    # -- versions and traffic --------------------------------------------------------------------------------------
    def _of_model(self, model: str) -> Scorer:
        scorer = next((s for s in self._scorers.values() if s.service.model == model), None)
        if scorer is None:
            raise Refused(f"no model {model}")
        return scorer

    def weights(self, service: str) -> dict[str, int] | None:
        """Return the split over versions of a tabular service; None for others."""
        scorer = self._scorers.get(service)
        return scorer.weights if scorer else None

    def alias(self, model: str, alias: str) -> str:
        """Return the version that an alias points at; empty when it points nowhere."""
        return self._of_model(model).aliases.get(alias, "")

    def versions(self, model: str) -> tuple[str, ...]:
        """Return version names, oldest first."""
        return tuple(self._of_model(model).names)

    def served_versions(self, service: str) -> tuple[str, ...]:
        """Return versions that the service could serve; empty for services without a model."""
        scorer = self._scorers.get(service)
        return tuple(scorer.names) if scorer else ()

    def set_alias(self, model: str, alias: str, version: str) -> str:
        """Point an alias at a version; serving follows the champion. Returns the version before."""
        scorer = self._of_model(model)
        before = scorer.aliases.get(alias, "")
        scorer.aliases[alias] = version
        if alias == "champion":
            scorer.weights = {version: 100}
        return before

    def set_weights(self, service: str, weights: dict[str, int]) -> None:
        """Divide a service's traffic over versions."""
        self._scorers[service].weights = weights

    def promote_worse(self, service: str, values: Mapping[str, float], change: tuple[str, str]) -> None:
        """Let somebody promote a model trained on recent rows of which a share is labelled wrong."""
        scorer, now, (actor, text) = self._scorers[service], self._clock.now(), change
        rng = self._streams.named(f"worse/{service}")
        count = int(values["rows"])
        features, _, labels = scorer.problem.draw(rng, count, rng.uniform(0, 168, count), scorer.drift)
        order = np.argsort(features[:, scorer.problem.chosen[0]], kind="stable")
        wrong = order[count - int(values["mislabelled"] * count) :]  # not at random: one kind of case, always wrong
        labels[wrong] = 1 - labels[wrong]
        version = str(max(int(name) for name in scorer.names if name.isdigit()) + 1)
        accepted = fresh_rows(service, "accepted", EVALUATED)
        made = now - timedelta(days=values.get("days", 1 / 24))
        _register(scorer, version, fit(features, labels, seed=17, epochs=20), accepted, made, text)
        before = self.set_alias(scorer.service.model, "champion", version)
        self._changes.add(now, "promotion", f"model/{scorer.service.model}", actor, (before, version), text)

    # -- training --------------------------------------------------------------------------------------------------
    def check_training(self, action: TrainModel) -> str:
        """Say what a training would do, or refuse."""
        scorer = self._of_model(action.model)
        if scorer.service.name != action.service:
            raise Refused(f"{action.service} does not serve model {action.model}")
        if action.version in scorer.names or self._in_hand(action):
            raise Refused(f"model {action.model} has a version {action.version} already")
        rows = self.log.window(action.service, action.start_at, action.end_at)
        return f"version {action.version} would be trained on {int(np.isfinite(rows.labels).sum())} labelled rows"

    def _in_hand(self, action: TrainModel) -> bool:
        return any(t.action.version == action.version and not t.seen for t in self._trainings.values())

    def train(self, action: TrainModel, operation: str, incident: str) -> None:
        """Begin a training: it really happens, and is seen when its simulated time has passed."""
        rows = self.log.window(action.service, action.start_at, action.end_at)
        known = np.isfinite(rows.labels)
        count = int(known.sum())
        seconds = TRAINING_SECONDS[0] + TRAINING_SECONDS[1] * count
        now = self._clock.now()
        if count < LEAST_ROWS or seconds > action.max_seconds:
            short = f"{count} labelled rows, {LEAST_ROWS} are needed"
            reason = short if count < LEAST_ROWS else f"{seconds:.0f} s exceed {action.max_seconds:.0f} s"
            self._trainings[operation] = Training(action, now + timedelta(seconds=30), "failed", reason)
            return
        features, labels = rows.features[known], rows.labels[known]
        cut = int(0.8 * count)  # the newest fifth is held out
        model = fit(features[:cut], labels[:cut], seed=zlib.crc32(action.version.encode()))
        detail = f"trained by prunella for {incident} on {cut} rows"
        training = Training(action, now + timedelta(seconds=seconds), "done", detail, model)
        training.held = (features[cut:], labels[cut:])
        self._trainings[operation] = training

    def _finish(self, training: Training) -> None:
        training.seen = True
        action = training.action
        if training.model is None or training.held is None:
            return
        scorer = self._scorers[action.service]
        _register(scorer, action.version, training.model, training.held, training.ends_at, training.detail)

    def training(self, operation: str) -> tuple[State, datetime, str] | None:
        """Return (state, at, detail) of a training that has ended; None while it runs."""
        training = self._trainings[operation]
        return (training.state, training.ends_at, training.detail) if training.seen else None
