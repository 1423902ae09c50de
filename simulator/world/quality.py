"""Models that really score: what they answer, how right that is, and who is shown it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.fleet import Fleet, Service, ServiceKind
from simulator.world.abreast import Abreast, usual
from simulator.world.conversions import Conversions
from simulator.world.events import Changes
from simulator.world.learning import CHAMPION, EVALUATED, PAST, fresh_rows, past_accepted, past_model, problem_of
from simulator.world.records import LABEL_DELAY, WorldLog, WorldRegistry
from simulator.world.rowlog import LoggedRows, RowLog
from simulator.world.scorer import Scorer, accepted, register
from simulator.world.store import Floats
from simulator.world.streams import Streams
from simulator.world.tabular import Drift, some
from simulator.world.texts import LATER_SHARE, TextProblem
from simulator.world.trainings import Trainings
from tools.action import ConvertInputs, Operation, TrainModel
from tools.clock import Clock
from tools.errors import Refused
from tools.training import TabularModel, fit

__all__ = ["LABEL_DELAY", "Quality", "WorldLog", "WorldRegistry"]

ROWS_PER_TICK = 64  # logged of every tick: a sample, as such logs are
TEXT_EVERY = 8  # one row of so many is logged with its text
CAPACITY = ROWS_PER_TICK * 2880 * 3 // 2  # a day and a half at ticks of 30 s
FIELD = {"dates": "date_flip", "units": "unit_change"}  # of ``Drift``, where it is called otherwise


class Quality:
    """All models of the world that score rows."""

    def __init__(self, fleet: Fleet, streams: Streams, clock: Clock, changes: Changes) -> None:
        self._streams = streams
        self._clock = clock
        self._changes = changes
        self._scorers = {
            service.name: self._scorer(service)
            for service in fleet.services
            if service.kind is ServiceKind.TABULAR and service.model
        }
        self.log = WorldLog(self._scorers)
        self.registry = WorldRegistry(self._scorers, self.log, changes)
        self.trainings = Trainings(self._scorers, self.log, clock)
        self.conversions = Conversions(self._scorers, clock)
        self._abreast = Abreast()

    def _scorer(self, service: Service) -> Scorer:
        task = problem_of(service.name)
        scorer = Scorer(service, task, self._streams.named(f"rows/{service.name}"), RowLog(CAPACITY, len(task.names)))
        for version, days in zip(PAST, (40, 12), strict=True):
            model, on = past_model(service.name, version), past_accepted(service.name, version)
            register(scorer, version, model, on, self._clock.now() - timedelta(days=days))
        scorer.aliases = {"champion": CHAMPION}
        scorer.weights = {CHAMPION: 100}
        return scorer

    def reserve(self) -> None:
        """Take the memory of every full log now, so that what grows later is something else."""
        for scorer in self._scorers.values():
            scorer.log.reserve()

    # -- every tick ------------------------------------------------------------------------------------------------
    def tick(self, at: datetime, seconds: float) -> None:
        """Score and log the rows of one tick of so many ``seconds``; finish trainings that are due."""
        second = at.timestamp()
        times = second - seconds + seconds * (np.arange(ROWS_PER_TICK) + 0.5) / ROWS_PER_TICK
        hour = second / 3600.0 % 168.0
        alike: list[Scorer] = []
        others: list[Scorer] = []
        for scorer in self._scorers.values():
            (alike if usual(scorer) else others).append(scorer)
        self._abreast.score(alike, times, hour)
        for scorer in others:
            self._score(scorer, times, hour)
        self.log.tick(at)
        self.trainings.tick(at)

    def _score(self, scorer: Scorer, times: Floats, hour: float) -> None:
        if isinstance(scorer.problem, TextProblem):
            written = scorer.problem.write(scorer.rng, ROWS_PER_TICK, hour, LATER_SHARE * scorer.drift.covariate)
            features, _, truth = scorer.problem.read(scorer.rng, written, scorer.drift)
            scorer.texts.append((times[::TEXT_EVERY], written.every(TEXT_EVERY, np.isfinite(features[:, 0]))))
        else:
            features, _, truth = scorer.problem.draw(scorer.rng, ROWS_PER_TICK, hour, scorer.drift)
        chance = scorer.rng.random(ROWS_PER_TICK)
        scores, version = _answered(scorer, features, chance)
        scores = outdated(scores, scorer.drift.outdated)
        if scorer.drift.echo:
            truth = (scores >= 0.5).astype(np.float64)
        scorer.log.append(LoggedRows(times, features, scores, truth, version, some(ROWS_PER_TICK, scorer.drift.skew)))

    def shift(self, service: str, what: str, amount: float) -> None:
        """Set how far the world is from what the models learnt: one field of ``Drift``, or ``dates`` or ``units``."""
        scorer = self._scorers[service]
        name = FIELD.get(what, what)
        if name in scorer.problem.lacks:
            raise ValueError(f"{service} reads texts: no {what} of its rows can be otherwise")
        plain = isinstance(getattr(Drift(), name), bool)
        changed: dict[str, Any] = {name: amount > 0 if plain else amount}
        scorer.drift = replace(scorer.drift, **changed)

    def accuracy(self, service: str) -> float:
        """Return the true share of right answers now; NaN for services without a model."""
        scorer = self._scorers.get(service)
        if scorer is None:
            return float("nan")
        state = (scorer.drift, tuple(scorer.weights.items()), self._streams.turned)
        if scorer.judged is None or scorer.judged[0] != state:
            scorer.judged = (state, {})
        by_hour, hour = scorer.judged[1], int(self._clock.now().timestamp() // 3600) % scorer.problem.period
        if hour not in by_hour:
            by_hour[hour] = self._right(scorer, hour)
        return by_hour[hour]

    def _right(self, scorer: Scorer, hour: int) -> float:
        """Return the share of right answers at an hour, on rows that are drawn anew but always the same."""
        rng, stale = self._streams.named(f"judge/{scorer.service.name}"), scorer.drift.outdated
        features, _, truth = scorer.problem.draw(rng, EVALUATED, hour + 0.5, scorer.drift)
        return sum(
            share / 100 * float(((outdated(scorer.models[name].predict(features), stale) >= 0.5) == truth).mean())
            for name, share in scorer.weights.items()
            if share
        )

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

    def check(self, action: TrainModel | ConvertInputs) -> str:
        """Say what version would be made, or refuse."""
        return self.trainings.check(action) if isinstance(action, TrainModel) else self.conversions.check(action)

    def make(self, action: TrainModel | ConvertInputs, operation: Operation) -> None:
        """Make a version, or begin to."""
        if isinstance(action, TrainModel):
            self.trainings.begin(action, operation.id, operation.incident)
        else:
            self.conversions.make(action, operation.incident)

    def promote_worse(self, service: str, values: Mapping[str, float], change: tuple[str, str]) -> None:
        """Let somebody promote a model that learnt from wrong labels, or whose scores are off by ``bias``."""
        scorer, now, (actor, text) = self._scorers[service], self._clock.now(), change
        version = str(max(int(name) for name in scorer.names if name.isdigit()) + 1)
        model, made = self._worse(scorer, values), now - timedelta(days=values.get("days", 1 / 24))
        on = accepted(model, fresh_rows(service, "accepted", EVALUATED))
        register(scorer, version, model, on, made, text)
        before = self.set_alias(scorer.service.model, "champion", version)
        self._changes.add(now, "promotion", f"model/{scorer.service.model}", actor, (before, version), text)

    def _worse(self, scorer: Scorer, values: Mapping[str, float]) -> TabularModel:
        if "bias" in values:
            champion = scorer.models[scorer.aliases["champion"]]
            return replace(champion, out_bias=champion.out_bias + values["bias"])
        rng = self._streams.named(f"worse/{scorer.service.name}")
        count = int(values["rows"])
        features, _, labels = scorer.problem.draw(rng, count, rng.uniform(0, 168, count), scorer.drift)
        order = np.argsort(features[:, scorer.problem.chosen[0]], kind="stable")
        wrong = order[count - int(values["mislabelled"] * count) :]  # not at random: one kind of case, always wrong
        labels[wrong] = 1 - labels[wrong]
        return fit(features, labels, seed=17, epochs=20)


def _answered(scorer: Scorer, features: Floats, chance: Floats) -> tuple[Floats, NDArray[np.int16]]:
    """Return what each row is answered, and by which of the known versions."""
    if list(scorer.weights.values()) == [100]:
        (name,) = scorer.weights
        return scorer.models[name].predict(features), np.full(len(features), scorer.names.index(name), dtype=np.int16)
    scores, version, floor = np.empty(len(features)), np.empty(len(features), dtype=np.int16), 0.0
    for name, share in scorer.weights.items():
        mine = (chance >= floor) & (chance < floor + share / 100 + 1e-12)
        floor += share / 100
        if mine.any():
            scores[mine] = scorer.models[name].predict(features[mine])
            version[mine] = scorer.names.index(name)
    return scores, version


def outdated(scores: Floats, share: float) -> Floats:
    """Return what is answered where a share of the answers are those of the row before."""
    return np.where(some(len(scores), share), np.roll(scores, 1), scores) if share else scores
