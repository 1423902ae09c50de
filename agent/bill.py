"""The bill: what services cost in a period beside the one before, joined with what they did, and why it changed.

Money, GPUs and work are read from the same metrics as everything else (OpenCost's names). A service whose cost is not
measured for at least half of a period is left out: no data is not nought.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
from pydantic import Field

from agent.costs import Burn, CostChange, Spent, UnitCost, burn, cost_change, shares, unit_costs
from agent.money import BUSY
from config.fleet import Fleet
from config.frozen import Frozen
from tools.catalogue import GPUS, OWN_USE, named
from tools.journal import Journal
from tools.ports import Metrics
from tools.signal import SignalSpec

SUBJECT, COSTS = "costs", "COSTS"
STEP, FEW_STEPS, MOST_STEPS = 300.0, 12, 1000  # seconds between two readings, at most; readings of a period
KNOWN = 0.5  # share of the readings that must be there
IDLE = 10.0  # per cent of utilisation: a GPU beneath it stands idle
MONTH = timedelta(days=30)
READ = ("spend", "requests", "prompt_tokens", "generation_tokens", "gpu_utilisation")
Readings = dict[tuple[str, str], list[float]]  # by signal and entity
SIGNALS: tuple[SignalSpec, ...] = (GPUS, *(spec for name in READ for spec in named(name)))


class ServiceBill(Frozen):
    """One service: what it cost, per unit of work too, why that changed, and how its budget of a month stands."""

    unit: UnitCost
    team: str
    model: str = ""
    change: CostChange | None = None  # None: the period before is not known
    before: UnitCost | None = None
    budget: Burn | None = None  # None: none set

    @property
    def overrun(self) -> Burn | None:
        """The budget, where it will not do."""
        return self.budget if self.budget and self.budget.tier != "none" else None


class Bill(Frozen):
    """All services whose cost is known, dearest first; ``teams``, ``models``: the same by who pays and for what."""

    since: datetime
    until: datetime
    services: tuple[ServiceBill, ...]
    teams: dict[str, float]
    models: dict[str, float] = Field(default_factory=dict)
    unpriced: dict[str, float] = Field(default_factory=dict)  # GPU hours of services whose price is not known


def bill(metrics: Metrics, fleet: Fleet, since: datetime, until: datetime) -> Bill:
    """Read what was spent in [since, until) and in as long before; may raise ``ToolError``."""
    now = spending(metrics, fleet, since, until)
    before = {one.service: one for one in spending(metrics, fleet, since - (until - since), since)}
    units, past = unit_costs(now), {unit.service: unit for unit in unit_costs(tuple(before.values()))}
    spent, teams = {one.service: one for one in now}, {each.name: each.team for each in fleet.services if each.team}
    models = {each.name: each.model for each in fleet.services if each.model}
    budgets = _budgets(metrics, fleet, until)
    services = tuple(
        ServiceBill(
            unit=unit,
            team=teams.get(unit.service, ""),
            model=models.get(unit.service, ""),
            change=cost_change([before[unit.service]], [spent[unit.service]]) if unit.service in before else None,
            before=past.get(unit.service),
            budget=budgets.get(unit.service),
        )
        for unit in units
    )
    return Bill(
        since=since,
        until=until,
        services=services,
        teams=shares(units, teams),
        models=shares(units, models),
        unpriced=_unpriced(metrics, [each.name for each in fleet.services if each.name not in spent], since, until),
    )


def _unpriced(metrics: Metrics, names: list[str], start: datetime, end: datetime) -> dict[str, float]:
    """Return the GPU hours of services whose cost is not known: what nobody has a price for costs all the same."""
    read = _read(metrics, (GPUS,), _span(start, end)) if names else {}
    known = {name: np.array(read.get((GPUS.name, f"service/{name}"), ()), np.float64) for name in names}
    means = {name: float(np.nanmean(held)) for name, held in known.items() if np.isfinite(held).any()}
    return {name: mean * (end - start) / timedelta(hours=1) for name, mean in means.items() if mean > 0}


def spending(metrics: Metrics, fleet: Fleet, start: datetime, end: datetime) -> tuple[Spent, ...]:
    """Return what each service cost and did in [start, end), in the fleet's order."""
    hours, span = (end - start).total_seconds() / 3600, _span(start, end)
    read = _read(metrics, SIGNALS, span)
    if fleet.hosts:  # a GPU that batch work fills is not busy for its service
        own = _read(metrics, (OWN_USE,), span)
        read |= {key: own.get(key, []) for key in ((OWN_USE.name, f"service/{name}") for name in fleet.hosts)}
    least = KNOWN * hours * 3600 / span[2]
    found = (_spent(name, read, hours, least) for name in (service.name for service in fleet.services))
    return tuple(one for one in found if one is not None)


def measured(metrics: Metrics, start: datetime, end: datetime) -> timedelta:
    """Return for how long in [start, end) anybody's money is known."""
    step = (end - start).total_seconds() / MOST_STEPS
    last = end - timedelta(seconds=step)
    known = {frame.at for spec in named("spend") for frame in metrics.history(spec, start, last, step)}
    return timedelta(seconds=len(known) * step)


def _span(start: datetime, end: datetime) -> tuple[datetime, datetime, float]:
    """Return the first and last instant that are read, and the seconds between two."""
    length = (end - start).total_seconds()
    step = max(min(STEP, length / FEW_STEPS), length / MOST_STEPS)
    return start, end - timedelta(seconds=step), step


def _read(metrics: Metrics, specs: Iterable[SignalSpec], span: tuple[datetime, datetime, float]) -> Readings:
    read: Readings = {}
    for spec in specs:
        for frame in metrics.history(spec, *span):
            for key, value in zip(frame.keys, frame.values, strict=True):
                read.setdefault((spec.name, key.entity), []).append(float(value))
    return read


def _spent(service: str, read: Readings, hours: float, least: float) -> Spent | None:
    def mean(signal: str) -> float | None:
        values = np.array(read.get((signal, f"service/{service}"), ()), np.float64)
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) >= max(least, 1) else None

    cost = mean("spend")
    if cost is None:
        return None
    busy = np.array(read.get(("gpu_utilisation", f"service/{service}"), ()), np.float64)
    busy = busy[np.isfinite(busy)]
    tokens = (mean("prompt_tokens") or 0.0) + (mean("generation_tokens") or 0.0)
    return Spent(
        service=service,
        cost=cost * hours,
        gpu_hours=(mean("gpus") or 0.0) * hours,
        idle=float((busy < IDLE).mean()) if len(busy) else 0.0,
        spare=float(np.where(busy < IDLE, 0.0, np.maximum(1 - busy / BUSY, 0.0)).mean()) if len(busy) else 0.0,
        tokens=tokens * hours * 3600,
        predictions=(mean("requests") or 0.0) * hours * 3600,
    )


def _budgets(metrics: Metrics, fleet: Fleet, until: datetime) -> dict[str, Burn]:
    """Return how the budgets of a month stand, by what was spent in each hour since it began."""
    start = until.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    hours = int((until - start).total_seconds() // 3600)
    budgets = {each.name: each.hourly_budget for each in fleet.services if each.hourly_budget}
    if hours < 1 or not budgets:
        return {}
    spent = {name: np.full(hours, np.nan) for name in budgets}
    for spec in named("spend"):
        for frame in metrics.history(spec, start, until - timedelta(hours=1), 3600.0):
            at = round((frame.at - start).total_seconds() / 3600)
            for key, value in zip(frame.keys, frame.values, strict=True):
                name = key.entity.removeprefix("service/")
                if name in spent and 0 <= at < hours:
                    spent[name][at] = value
    return {
        name: burn(values.tolist(), budgets[name] * MONTH.total_seconds() / 3600, MONTH)
        for name, values in spent.items()
        if np.isfinite(values).any()
    }


def bill_of(journal: Journal, length: timedelta, until: datetime) -> Bill | None:
    """Return the bill of that length that was written down for a period ending then; None: there is none."""
    entries = journal.entries(subject=SUBJECT, kinds=(COSTS,))
    bills = [found for entry in entries if (found := Bill.model_validate(entry.body)).until == until]
    return next((found for found in reversed(bills) if found.until - found.since == length), None)
