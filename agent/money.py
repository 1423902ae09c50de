"""Alarms about money: over budget for so long that it is no passing need. What is used is the analyst's matter."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from agent.case import Anomaly
from agent.observe import Observation
from config.fleet import Service
from tools.signal import SeriesKey

SPARE = 2  # replicas
BUSY = 60.0  # percent that a replica may well be busy
IDLE_FOR = timedelta(minutes=45)  # a budget must be overspent for so long
MONEY = "cost"  # name of the detector


def overspent(
    seen: Observation, services: Iterable[Service], since: dict[str, datetime], standing: Mapping[SeriesKey, Anomaly]
) -> list[Anomaly]:
    """Return an alarm for every service that costs more than its budget; one that stood stays where nothing is read.

    ``since`` keeps when each began, by name.
    """
    found = []
    for service in services:
        key, name = SeriesKey("spend", f"service/{service.name}"), f"spare/service/{service.name}"
        spend = seen.value(*key)
        if not service.hourly_budget:
            continue
        if spend is None:
            found += [standing[key]] if key in standing else []
        elif spend <= service.hourly_budget:
            since.pop(name, None)
        elif seen.at - since.setdefault(name, seen.at) >= IDLE_FOR:
            found.append(_alarm(key, spend, service.hourly_budget, since[name], seen.at))
    return found


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
