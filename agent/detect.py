"""Detection: one path for everything that a tick brings, on arrays, with a state that survives a restart.

Promises (``agent.eyes.limits``): a reading beyond what was promised or is physically right, for longer than a blip.
Budgets (``agent.eyes.burn``): errors that come and go and spend a month's budget. Departures (``agent.eyes.engine``):
whatever leaves its own past, to a budget of false alerts. Creeping (``agent.eyes.trend``): what will break a promise in
some days. And what needs more than one series: engines that stand
still, labelled answers, idle money.
"""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.case import Anomaly
from agent.creeping import Creeping
from agent.departures import Burning, Departures
from agent.eyes.columns import State
from agent.eyes.limits import BAD_OF, SWIFT, Bounds, Limits
from agent.eyes.saved import named, pack, under, unpack
from agent.hardware import FATAL
from agent.judged import QualityReading
from agent.machines import Machines
from agent.money import Overrun, Overspent, graver
from agent.observe import Observation, Series
from agent.rollouts import LOOKS, rollout_alarms
from agent.spoiled import spoiled_inputs
from agent.working import has_work
from config.eyes import EyesSettings
from config.fleet import Cadence, Fleet, Objective, ServiceKind
from tools.signal import SeriesKey
from tools.topology import Replica

GROSS = 2  # a reading so many times beyond its target needs two bad ticks alone
LEAST_ROWS = 200  # labelled answers without which accuracy is NO DATA
FIRST_STEP = timedelta(minutes=2)  # that a new engine may take; one that has stepped gets none
FADED = timedelta(minutes=25)  # before accuracy is seen to be down, it was at least so long
STEADY, SILENT = timedelta(hours=1), timedelta(minutes=15)  # labels that came for so long are missed after so long
FORM = 1  # of the saved state


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to watch on one series: bad where ``sign * (value - limit) > 0``."""

    key: SeriesKey
    limit: float
    sign: float
    gross: float
    detector: str
    tier: str = "immediate"


class Promises:
    """The limits of every series that has one. What was promised stays promised: a lost series is NO DATA."""

    def __init__(self, fleet: Fleet) -> None:
        self._objectives = {s.name: {o.signal: o for o in s.objectives} for s in fleet.services}
        self._keys: tuple[SeriesKey, ...] | None = None
        self._rules: tuple[Rule, ...] = ()
        self._limits = Limits(0)
        self._places = np.empty(0, dtype=np.intp)
        self._bounds = _bounds(())

    def update(self, seen: Observation) -> list[Anomaly]:
        """Take one observation; return every alarm that stands, in the order in which they were raised."""
        if seen.frame.keys is not self._keys:
            self._compile(seen.frame.keys)
        values = np.append(seen.frame.values, np.nan)[self._places]
        self._limits.update(seen.at.timestamp(), values, self._bounds)
        return [self._told(row, seen.at) for row in self._limits.order()]

    def state(self) -> tuple[State, list[Any]]:
        """Return the arrays, and whose their rows are."""
        return self._limits.of, [[list(rule.key), *astuple(rule)[1:]] for rule in self._rules]

    def restore(self, arrays: Mapping[str, NDArray[Any]], rows: list[Any]) -> None:
        """Go on from ``state`` with the promises that are still made; ``ValueError`` when it does not fit."""
        rules = tuple(Rule(SeriesKey(*key), *rest) for key, *rest in rows)
        limits = Limits(len(rules))
        limits.restore(arrays)
        still = [row for row, rule in enumerate(rules) if rule in _rules_for(rule.key, self._objectives)]
        self._limits, self._rules = limits.taken(np.array(still, np.intp)), tuple(rules[row] for row in still)
        self._keys = None

    def _compile(self, keys: tuple[SeriesKey, ...]) -> None:
        """Find the rules of the series that are there; keep the memory of those that are known."""
        here = [(place, rule) for place, key in enumerate(keys) for rule in _rules_for(key, self._objectives)]
        there = {rule for _, rule in here}
        watched = self._limits.of["watched"]
        lost = [(-1, r) for row, r in enumerate(self._rules) if watched[row] and _outlives(r) and r not in there]
        before = {rule: row for row, rule in enumerate(self._rules)}
        limits, rules = Limits(len(here) + len(lost)), tuple(rule for _, rule in (*here, *lost))
        known = [(row, before[rule]) for row, rule in enumerate(rules) if rule in before]
        if known:
            new, old = np.array(known, np.intp).T
            limits.put(new, self._limits.taken(old))
        self._keys, self._rules, self._limits, self._bounds = keys, rules, limits, _bounds(rules)
        self._places = np.array([place for place, _ in (*here, *lost)], dtype=np.intp)

    def _told(self, row: int, now: datetime) -> Anomaly:
        of = self._limits.of
        since, at = (datetime.fromtimestamp(float(of[name][row]), now.tzinfo) for name in ("since", "at"))
        return _anomaly(self._rules[row], float(of["value"][row]), since, at)


def _outlives(rule: Rule) -> bool:
    return rule.detector != "hardware"  # a machine that left takes its alarm along


def _bounds(rules: tuple[Rule, ...]) -> Bounds:
    needed = [SWIFT if rule.detector == "hardware" else BAD_OF for rule in rules]
    limit, sign, gross = np.array([(rule.limit, rule.sign, rule.gross) for rule in rules], np.float64).reshape(-1, 3).T
    return Bounds(limit, sign, gross, np.array(needed, np.int8))


class Watch:
    """Sees everything once per tick; ``departed`` is what the newest tick brought that is unlike its past."""

    def __init__(self, fleet: Fleet, cadence: Cadence, eyes: EyesSettings | None = None) -> None:
        self._fleet, self._tick = fleet, cadence.tick
        self._promises, self._burning = Promises(fleet), Burning(fleet, cadence)
        self._departures, self._creeping = Departures(fleet, cadence, eyes or EyesSettings()), Creeping(fleet)
        self._accuracies = [
            (service.name, SeriesKey("accuracy", f"service/{service.name}"), objective.target)
            for service in fleet.services
            for objective in service.objectives
            if objective.signal == "accuracy"
        ]
        self._guarded = frozenset(service.name for service in fleet.services)
        self._looks: dict[str, int] = {}  # in a row at which a rollout stood still
        self._models = tuple(service.name for service in fleet.services if service.model)
        self._overspent = Overspent(fleet.services)
        self._overrun = Overrun(fleet.services, cadence.tick)
        self._machines = Machines(self._guarded - {batch.name for batch in fleet.batches})
        self._idle: dict[str, datetime] = {}
        self._lasting: dict[SeriesKey, Anomaly] = {}
        self._replicas: tuple[Replica, ...] | None = None  # that the engines below were found among
        self._engines, self._steps, self._names = tuple[Replica, ...](), Series(()), list[str]()
        self._stepped: set[str] = set()  # engines that made a step since they became ready
        self.departed: tuple[Anomaly, ...] = ()

    def update(self, seen: Observation) -> tuple[Anomaly, ...]:
        """Take one observation; return every alarm that stands."""
        standing = self._promises.update(seen)
        told = {(alarm.signal, alarm.entity) for alarm in standing}
        burning = [alarm for alarm in self._burning.update(seen) if (alarm.signal, alarm.entity) not in told]
        shown = spoiled_inputs(seen, self._models, self._idle)
        over = self._overspent.update(seen, self._idle, self._lasting)
        money = graver(over, self._overrun.update(seen, self._idle))
        lasting = (*self._stuck(seen), *self._quality(seen), *shown, *money)
        self._looks = {name: self._looks.get(name, 0) + 1 for name in seen.rollouts if name in self._guarded}
        still = {name: seen.rollouts[name] for name, looks in self._looks.items() if looks >= LOOKS}
        rolling = rollout_alarms(still, seen.at)
        self._lasting = {SeriesKey(alarm.signal, alarm.entity): alarm for alarm in lasting}
        self.departed = (*self._departures.update(seen), *self._creeping.update(seen))
        return (*standing, *burning, *lasting, *rolling, *self._machines.update(seen))

    def save(self) -> bytes:
        """Return everything that was learned, compact."""
        arrays: State = {}
        words: dict[str, Any] = {"form": FORM}
        for name, part in self._parts().items():
            of, words[name] = part.state()
            arrays |= named(name, of)
        of, words["purses"] = self._overrun.purses.state()
        arrays |= named("purses", of)
        words["idle"] = {name: at.isoformat() for name, at in self._idle.items()}
        words["lasting"] = [alarm.model_dump(mode="json") for alarm in self._lasting.values()]
        words["stepped"] = sorted(self._stepped)
        words["machines"] = self._machines.state()
        return pack(arrays, words)

    def restore(self, saved: bytes) -> None:
        """Go on from ``save`` as if nothing had been; ``ValueError`` when it is of another fleet, tick or version."""
        arrays, words = unpack(saved)
        if words.get("form") != FORM:
            raise ValueError("saved state does not fit: another version")
        for name, part in self._parts().items():
            part.restore(under(name, arrays), words[name])
        self._idle = {name: datetime.fromisoformat(at) for name, at in words["idle"].items()}
        alarms = [Anomaly.model_validate(alarm) for alarm in words["lasting"]]
        self._lasting = {SeriesKey(alarm.signal, alarm.entity): alarm for alarm in alarms}
        self._stepped = set(words["stepped"])
        if "purses" in words:  # a state of before this was learned has none
            self._overrun.purses.restore(under("purses", arrays), words["purses"])
        if "machines" in words:
            self._machines.restore(words["machines"])

    def _parts(self) -> "dict[str, Promises | Burning | Departures | Creeping]":
        return {
            "promises": self._promises,
            "burning": self._burning,
            "departures": self._departures,
            "creeping": self._creeping,
        }

    def _still(self, key: SeriesKey) -> list[Anomaly]:
        """Return the alarm that stood before its readings were lost."""
        return [self._lasting[key]] if key in self._lasting else []

    def _stuck(self, seen: Observation) -> list[Anomaly]:
        """An engine with work, or beside working peers, that makes no step."""
        found, stepped = [], set()
        if seen.topology.replicas is not self._replicas:
            self._list_engines(seen.topology.replicas)
        newest = self._steps.read(seen).tolist()
        for replica, key, name, steps in zip(self._engines, self._steps.keys, self._names, newest, strict=True):
            if replica.ready and (key.entity in self._stepped or abs(steps) > 0):  # NaN is not
                stepped.add(key.entity)
            if math.isnan(steps):
                found += self._still(key)
            elif steps == 0 and self._settled(replica, seen.at, key.entity in stepped) and has_work(seen, key.entity):
                onset = self._idle.setdefault(name, seen.at)
                if seen.at - onset >= self._tick:
                    found.append(_anomaly(Rule(key, 0.0, -1.0, 0.0, "stuck"), 0.0, onset, seen.at, expected=1.0))
            else:
                self._idle.pop(name, None)
        self._stepped = stepped
        return found

    @staticmethod
    def _settled(replica: Replica, now: datetime, stepped: bool) -> bool:
        """Whether an engine should be stepping: ready, and it has stepped or had its time."""
        return replica.ready and (stepped or now - replica.started_at > FIRST_STEP)

    def _list_engines(self, replicas: tuple[Replica, ...]) -> None:
        engines: dict[str, list[Replica]] = {s.name: [] for s in self._fleet.services if s.kind is ServiceKind.LANGUAGE}
        for replica in replicas:
            if replica.service in engines:
                engines[replica.service].append(replica)
        self._replicas, self._engines = replicas, tuple(chain.from_iterable(engines.values()))
        self._steps = Series(SeriesKey("engine_steps", f"replica/{r.service}/{r.name}") for r in self._engines)
        self._names = [f"{key}" for key in self._steps.keys]

    def _quality(self, seen: Observation) -> list[Anomaly]:
        found = []
        for service, key, target in self._accuracies:
            reading = seen.quality.get(service)
            found += self._labels(service, reading, seen.at)
            if reading is None or reading.rows < LEAST_ROWS:
                found += self._still(key)
                continue
            if not reading.misses(target):
                self._idle.pop(f"{key}", None)
                continue
            onset = self._idle.setdefault(f"{key}", reading.at)
            rule = Rule(key, target, -1.0, 0.0, "quality")
            faded = onset - max(FADED, reading.late)
            began = reading.promoted_at or reading.served_at or reading.stepped_at or reading.fell_at or faded
            found.append(_anomaly(rule, reading.accuracy, began, seen.at))
        return found

    def _labels(self, service: str, reading: QualityReading | None, now: datetime) -> list[Anomaly]:
        """Labels that came steadily and come no more, or that only repeat what was answered."""
        entity = f"service/{service}"
        first, last, lost = f"labels/{entity}", f"labelled/{entity}", f"unlabelled/{entity}"
        rule = Rule(SeriesKey("labels", entity), LEAST_ROWS, -1.0, 0.0, "quality")
        if reading is not None:
            self._idle.setdefault(first, reading.at)
            self._idle[last] = reading.at
            self._idle.pop(lost, None)
            return [_anomaly(rule, 0.0, reading.at, now)] if reading.echo else []
        if last not in self._idle or self._idle[last] - self._idle[first] < STEADY:
            return []
        since = self._idle.setdefault(lost, now)  # by looks, not by the clock: that may have jumped
        return [_anomaly(rule, 0.0, since, now)] if now - since >= SILENT else []


def _rules_for(key: SeriesKey, objectives: dict[str, dict[str, Objective]]) -> list[Rule]:
    kind, *rest = key.entity.split("/")
    if kind == "service" and (objective := objectives.get(rest[0], {}).get(key.signal)):
        sign = 1.0 if objective.bound == "below" else -1.0
        gross = 0.2 if key.signal == "error_ratio" else objective.target * (GROSS if sign > 0 else 1 / GROSS)
        return [Rule(key, objective.target, sign, gross, "objective")]
    if key.signal == "xid":
        return [Rule(key, 0.0, 1.0, 0.0, "hardware")]
    if key.signal == "hw_thermal":
        return [Rule(key, 0.0, 1.0, 0.0, "hardware")]
    if key.signal == "node_ready":
        return [Rule(key, 0.5, -1.0, 0.5, "hardware")]
    return []


def _anomaly(rule: Rule, value: float, since: datetime, at: datetime, expected: float | None = None) -> Anomaly:
    distance = abs(value - rule.limit) / (abs(rule.limit) or 1.0)
    return Anomaly(
        at=at,
        onset_at=since,
        signal=rule.key.signal,
        entity=rule.key.entity,
        value=value,
        expected=rule.limit if expected is None else expected,
        threshold=rule.limit,
        score=1.0 + distance,
        detector=rule.detector,
        tier="daily" if rule.tier == "daily" else "immediate",
    )


def is_fatal(anomaly: Anomaly) -> bool:
    """Whether an XID alarm is one that a machine may act on."""
    return anomaly.signal != "xid" or int(anomaly.value) in FATAL
