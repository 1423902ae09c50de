"""Detection: which readings depart from what was promised or physically right, and since when.

All series of a tick are judged at once on arrays. A reading must be bad for several ticks of a short window, so that a
blip is no alarm; NO DATA neither raises nor clears anything.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.case import Anomaly
from agent.hardware import FATAL
from agent.observe import Observation
from config.fleet import Cadence, Fleet, Objective, ServiceKind
from tools.signal import SeriesKey

WINDOW = 5  # ticks looked at
BAD_OF = 3  # bad ones among them that raise an alarm
GROSS = 2  # a reading so many times beyond its target needs two bad ticks alone
HEALED = 4  # good ticks in a row that clear an alarm
SPARE = 2  # replicas
LEAST_ROWS = 200  # labelled answers without which accuracy is NO DATA
FIRST_STEP = timedelta(minutes=2)  # that a new engine may take; one that has stepped gets none
IDLE_FOR = timedelta(minutes=45)  # capacity must be spare for so long


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to watch on one series: bad where ``sign * (value - limit) > 0``."""

    key: SeriesKey
    limit: float
    sign: float
    gross: float
    detector: str
    tier: str = "immediate"
    patient: str = ""


class Watch:
    """Keeps a short memory of badness per rule; ``update`` returns the alarms that stand now."""

    def __init__(self, fleet: Fleet, cadence: Cadence) -> None:
        self._fleet, self._tick = fleet, cadence.tick
        self._keys: tuple[SeriesKey, ...] = ()
        self._rules: tuple[Rule, ...] = ()
        self._index = np.empty(0, dtype=np.intp)
        self._limit = self._sign = self._gross = np.empty(0)
        self._past: dict[Rule, NDArray[np.int8]] = {}
        self._since: dict[Rule, datetime] = {}
        self._alarms: dict[Rule, Anomaly] = {}
        self._idle: dict[str, datetime] = {}
        self._lasting: dict[SeriesKey, Anomaly] = {}
        self._stepped: set[str] = set()  # engines that made a step since they became ready
        self._marked: NDArray[np.bool_] = np.empty(0, dtype=bool)

    def update(self, seen: Observation) -> tuple[Anomaly, ...]:
        """Take one observation; return every alarm that stands."""
        if seen.frame.keys is not self._keys:
            self._compile(seen.frame.keys)
        values = seen.frame.values[self._index]
        with np.errstate(invalid="ignore"):
            over = self._sign * (values - self._limit)
            bad = np.where(np.isfinite(values), (over > 0).astype(np.int8), -1)
            gross = self._sign * (values - self._gross) > 0
        for place in np.flatnonzero((bad == 1) | self._marked):
            self._judge(self._rules[place], int(bad[place]), bool(gross[place]), float(values[place]), seen.at)
        self._marked = np.array([rule in self._past for rule in self._rules], dtype=bool)
        self._alarms = {rule: alarm for rule, alarm in self._alarms.items() if rule in self._past}
        lasting = (*self._stuck(seen), *self._quality(seen), *self._spare(seen))
        self._lasting = {SeriesKey(alarm.signal, alarm.entity): alarm for alarm in lasting}
        return (*self._alarms.values(), *lasting)

    def _still(self, key: SeriesKey) -> list[Anomaly]:
        """Return the alarm that stood before its readings were lost."""
        return [self._lasting[key]] if key in self._lasting else []

    def _compile(self, keys: tuple[SeriesKey, ...]) -> None:
        self._keys = keys
        objectives = {s.name: {o.signal: o for o in s.objectives} for s in self._fleet.services}
        rules = [(place, rule) for place, key in enumerate(keys) for rule in _rules_for(key, objectives)]
        self._rules = tuple(rule for _, rule in rules)
        self._index = np.array([place for place, _ in rules], dtype=np.intp)
        self._limit = np.array([rule.limit for rule in self._rules])
        self._sign = np.array([rule.sign for rule in self._rules])
        self._gross = np.array([rule.gross for rule in self._rules])
        alive = set(self._rules)
        gone = [rule for rule in self._past if rule.detector == "hardware" and rule not in alive]
        for rule in gone:  # a machine that left; what was promised stays promised, and a lost series is NO DATA
            del self._past[rule], self._since[rule]
        self._marked = np.array([rule in self._past for rule in self._rules], dtype=bool)

    def _judge(self, rule: Rule, bad: int, gross: bool, value: float, at: datetime) -> None:
        if bad < 0:
            return
        if rule not in self._past:
            self._past[rule], self._since[rule] = np.zeros(WINDOW, np.int8), at
        past = np.roll(self._past[rule], -1)
        past[-1] = (2 if gross else 1) if bad else 0
        self._past[rule] = past
        needed = 2 if int((past == 2).sum()) >= 2 or rule.detector == "hardware" else BAD_OF
        if int((past > 0).sum()) >= needed:
            if bad or rule not in self._alarms:  # a good reading does not stand for the alarm
                self._alarms[rule] = _anomaly(rule, value, self._since[rule], at)
        elif not past[-HEALED:].any():
            del self._past[rule], self._since[rule]

    def _stuck(self, seen: Observation) -> list[Anomaly]:
        """An engine with work, or beside working peers, that makes no step."""
        found, settled = [], self._settled(seen)
        for entity, ready in settled.items():
            key, steps = SeriesKey("engine_steps", entity), seen.value("engine_steps", entity)
            if steps is None:
                found += self._still(key)
            elif ready and steps == 0 and _has_work(seen, entity):
                onset = self._idle.setdefault(f"{key}", seen.at)
                if seen.at - onset >= self._tick:
                    found.append(_anomaly(Rule(key, 0.0, -1.0, 0.0, "stuck"), 0.0, onset, seen.at, expected=1.0))
            else:
                self._idle.pop(f"{key}", None)
        return found

    def _settled(self, seen: Observation) -> dict[str, bool]:
        """Return each engine replica, and whether it should be stepping: ready, and it has stepped or had its time."""
        found, stepped = {}, set()
        for service in self._fleet.services:
            if service.kind is not ServiceKind.LANGUAGE:
                continue
            for replica in seen.topology.of(service.name):
                entity = f"replica/{service.name}/{replica.name}"
                if replica.ready and (entity in self._stepped or seen.value("engine_steps", entity)):
                    stepped.add(entity)
                found[entity] = replica.ready and (entity in stepped or seen.at - replica.started_at > FIRST_STEP)
        self._stepped = stepped
        return found

    def _quality(self, seen: Observation) -> list[Anomaly]:
        found = []
        for service in self._fleet.services:
            reading = seen.quality.get(service.name)
            for objective in service.objectives:
                if objective.signal != "accuracy":
                    continue
                key = SeriesKey("accuracy", f"service/{service.name}")
                if reading is None or reading.rows < LEAST_ROWS:
                    found += self._still(key)
                    continue
                if reading.high >= objective.target:
                    self._idle.pop(f"{key}", None)
                    continue
                onset = self._idle.setdefault(f"{key}", reading.at)
                rule = Rule(key, objective.target, -1.0, 0.0, "quality")
                found.append(_anomaly(rule, reading.accuracy, onset - timedelta(minutes=25), seen.at))
        return found

    def _spare(self, seen: Observation) -> list[Anomaly]:
        """Money over budget, for so long that it is no passing need."""
        found = []
        for service in self._fleet.services:
            entity = f"service/{service.name}"
            spend, use = seen.value("spend", entity), seen.value("gpu_utilisation", entity)
            wanted = seen.value("replicas", entity)
            if not service.hourly_budget:
                continue
            if spend is None or use is None or wanted is None:
                found += self._still(SeriesKey("spend", entity))
                continue
            if spend > service.hourly_budget:
                onset = self._idle.setdefault(f"spare/{entity}", seen.at)
                if seen.at - onset >= IDLE_FOR:
                    rule = Rule(SeriesKey("spend", entity), service.hourly_budget, 1.0, np.inf, "cost", "daily")
                    found.append(_anomaly(rule, spend, onset, seen.at))
            else:
                self._idle.pop(f"spare/{entity}", None)
        return found


def _has_work(seen: Observation, entity: str) -> bool:
    held = (seen.value("replica_running", entity) or 0) + (seen.value("replica_waiting", entity) or 0)
    service = entity.split("/")[1]
    return held > 0 or (seen.value("requests", f"service/{service}") or 0) > 0.5


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


def spare(use_percent: float, replicas: float) -> int:
    """Return how many replicas the load leaves unused, were the others 60 % busy.

    >>> spare(20.0, 9.0)
    6
    """
    return int(replicas) - math.ceil(replicas * use_percent / 60.0)


def is_fatal(anomaly: Anomaly) -> bool:
    """Whether an XID alarm is one that a machine may act on."""
    return anomaly.signal != "xid" or int(anomaly.value) in FATAL
