"""Alarms about money: over budget for so long that it is no passing need. What is used is the analyst's matter."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from agent.case import Anomaly
from agent.observe import Observation, Series
from agent.purse import Purses, urgent
from config.fleet import Service
from tools.signal import SeriesKey

SPARE = 2  # replicas
BUSY = 60.0  # percent that a replica may well be busy
IDLE_FOR = timedelta(minutes=45)  # a budget must be overspent for so long
HOUR = timedelta(hours=1)
MONEY = "cost"  # name of the detector


class Overspent:
    """Who has cost more than its budget for so long that it is no passing need."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = [each for each in services if each.hourly_budget]
        self._spend = Series(SeriesKey("spend", f"service/{each.name}") for each in self._services)
        self._names = [f"spare/{key.entity}" for key in self._spend.keys]

    def update(
        self, seen: Observation, since: dict[str, datetime], standing: Mapping[SeriesKey, Anomaly]
    ) -> list[Anomaly]:
        """Return an alarm for every service over budget; one that stood stays where nothing is read.

        ``since`` keeps when each began, by name.
        """
        found, spent = [], self._spend.read(seen).tolist()
        for service, key, name, spend in zip(self._services, self._spend.keys, self._names, spent, strict=True):
            if math.isnan(spend):
                found += [standing[key]] if key in standing else []
            elif spend <= service.hourly_budget:
                since.pop(name, None)
            elif seen.at - since.setdefault(name, seen.at) >= IDLE_FOR:
                found.append(_alarm(key, spend, service.hourly_budget, since[name], seen.at))
        return found


class Overrun:
    """Whose month's money is gone within a day or so at the present pace: that does not wait for a digest."""

    def __init__(self, services: Iterable[Service], tick: timedelta) -> None:
        self._services = [each for each in services if each.hourly_budget and each.budget_gone_within]
        self._spend = Series(SeriesKey("spend", f"service/{each.name}") for each in self._services)
        self._names = [f"gone/{key.entity}" for key in self._spend.keys]
        self.purses = Purses([each.name for each in self._services], tick)
        self._budgets = np.array([each.hourly_budget for each in self._services], np.float64)
        self._within = np.array([each.budget_gone_within / HOUR for each in self._services], np.float64)

    def update(self, seen: Observation, since: dict[str, datetime]) -> list[Anomaly]:
        """Return an alarm for every service whose budget goes so fast; ``since`` keeps when each began, by name."""
        if not self._services:
            return []
        lasting, found = self.purses.update(seen.at, self._spend.read(seen) / self._budgets), []
        grave = urgent(lasting, seen.at, self._within).tolist()
        for place, (key, name) in enumerate(zip(self._spend.keys, self._names, strict=True)):
            if not grave[place]:
                since.pop(name, None)
                continue
            budget, pace, hours = float(self._budgets[place]), float(lasting.pace[place]), float(lasting.hours[place])
            alarm = _alarm(key, budget * pace, budget, since.setdefault(name, seen.at), seen.at)
            text = f"spends its budget {pace:.1f} times as fast as evenly: the month's money is gone in {hours:.0f} h"
            found.append(alarm.model_copy(update={"tier": "immediate", "reason": text}))
        return found


def graver(daily: Sequence[Anomaly], immediate: Sequence[Anomaly]) -> tuple[Anomaly, ...]:
    """Return alarms of which none says of a series what a graver one says too."""
    known = {(alarm.signal, alarm.entity) for alarm in immediate}
    return (*immediate, *(alarm for alarm in daily if (alarm.signal, alarm.entity) not in known))


def _alarm(key: SeriesKey, spend: float, budget: float, onset: datetime, at: datetime) -> Anomaly:
    return Anomaly(
        at=at,
        onset_at=onset,
        signal=key.signal,
        entity=key.entity,
        value=spend,
        expected=budget,
        threshold=budget,
        score=1.0 + (spend - budget) / budget,
        detector=MONEY,
        tier="daily",
    )


def spare(use_percent: float, replicas: float) -> int:
    """Return how many replicas the load leaves unused, were the others 60 % busy.

    >>> spare(20.0, 9.0)
    6
    """
    return int(replicas) - math.ceil(replicas * use_percent / BUSY)
