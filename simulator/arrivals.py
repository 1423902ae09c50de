"""A month of faults: when, which and to whom, drawn from stated rates; the same for everybody who guards the fleet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from config.fleet import Fleet
from config.frozen import Frozen
from simulator.scenario import load_scenarios
from simulator.world.script import Mutation, Scenario
from simulator.world.streams import Streams

DAY = 86400.0
MONTH = 30 * DAY
QUIET = 2 * 3600.0  # at the start nothing happens: nobody knows yet what is usual
SURGE, SURGE_SECONDS = 1.5, 6 * 3600.0  # of a launch


class Rate(Frozen):
    """One kind of event: how often it comes to the whole fleet, and where that figure comes from."""

    kind: str
    per_month: float = Field(ge=0, description="mean arrivals in thirty days")
    source: str
    faults: tuple[str, ...] = Field(description="scenarios, each as likely; none: a launch")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event. ``numbers`` are its mutations' places in the scenario of the month."""

    kind: str
    scenario: str  # empty: a launch
    service: str
    at: float  # seconds after the start
    numbers: tuple[int, ...]


@cache
def shipped_rates() -> tuple[Rate, ...]:
    """Return the shipped rates."""
    raw = yaml.safe_load(Path(__file__).with_name("month.yaml").read_text(encoding="utf-8"))
    return tuple(Rate.model_validate(item) for item in raw)


def kind_of(fault: str) -> str:
    """Return which kind of event a fault is."""
    return next(rate.kind for rate in shipped_rates() if fault in rate.faults)


def month(fleet: Fleet, seed: int, days: float) -> tuple[Scenario, tuple[Arrival, ...]]:
    """Return the scenario of so many days, and what arrives in it, in order of time."""
    streams, found, mutations = Streams(seed), list[Arrival](), list[Mutation]()
    for at, kind, fault in sorted(_drawn(streams, days)):
        number = len(found)
        service = streams.choice(f"month/{number}/target", _targets(fleet, fault))
        made = tuple(_mutations(fault, service, at))
        found.append(Arrival(kind, fault, service, at, tuple(range(len(mutations), len(mutations) + len(made)))))
        mutations += made
    scenario = Scenario(
        id="month", layer="quiet", about="A month of a fleet.", onset=(0.0, 0.0), mutations=tuple(mutations)
    )
    return scenario, tuple(found)


def _drawn(streams: Streams, days: float) -> Iterator[tuple[float, str, str]]:
    """Yield (at, kind, fault) of every event: a Poisson process per kind, so that a longer run begins as a shorter."""
    for rate in shipped_rates():
        rng, at = streams.named(f"month/{rate.kind}"), QUIET
        while rate.per_month and at < days * DAY:
            at += float(rng.exponential(MONTH / rate.per_month))
            fault = rate.faults[int(rng.integers(len(rate.faults)))] if rate.faults else ""
            if at < days * DAY:
                yield at, rate.kind, fault


def _targets(fleet: Fleet, fault: str) -> tuple[str, ...]:
    """Return the services that an event may hit: every copy of those that its scenario names."""
    stems = load_scenarios()[fault].target if fault else ("chat", "code", "search", "fraud", "credit", "recommend")
    return tuple(service.name for service in fleet.services if service.name.rpartition("-")[0] in stems)


def _mutations(fault: str, service: str, at: float) -> Iterator[Mutation]:
    if not fault:
        params: Mapping[str, float] = {"factor": SURGE}
        surge = {"what": "traffic", "params": params, "target": (service,), "onset": "ramp", "ramp": 1800.0}
        yield Mutation.model_validate({**surge, "at": at, "duration": SURGE_SECONDS})
        return
    for mutation in load_scenarios()[fault].mutations:
        yield mutation.model_copy(update={"target": (service,), "at": mutation.at + at})


def counted(arrivals: Sequence[Arrival]) -> dict[str, int]:
    """Return how many events of each kind came."""
    return {rate.kind: sum(each.kind == rate.kind for each in arrivals) for rate in shipped_rates()}
