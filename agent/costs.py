"""Money joined with work: unit costs, why they changed, and how fast a budget burns.

Allocation in OpenCost's terms (cost per window, GPU hours, share of it idle) meets tokens and predictions of the
service. Money is in the fleet's currency; a window is one hour unless said otherwise.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

import numpy as np

from config.frozen import Frozen


class Spent(Frozen):
    """What a service cost and did in one window."""

    service: str
    cost: float
    gpu_hours: float
    idle: float = 0.0  # share of the GPU hours, 0 to 1
    spare: float = 0.0  # share that the others could do without, were they as busy as is well; idle ones apart
    tokens: float = 0.0
    predictions: float = 0.0


class UnitCost(Frozen):
    """Money per unit of work; None where there was no work, which is not nought."""

    service: str
    cost: float
    per_thousand_tokens: float | None
    per_prediction: float | None
    wasted: float  # money for idle GPUs
    spare: float = 0.0  # money for GPUs that are in use but not needed


def unit_costs(windows: Sequence[Spent]) -> tuple[UnitCost, ...]:
    """Add up windows per service, dearest first."""
    found = [_unit(name, [one for one in windows if one.service == name]) for name in {one.service for one in windows}]
    return tuple(sorted(found, key=lambda unit: (-unit.cost, unit.service)))


def _unit(service: str, windows: Sequence[Spent]) -> UnitCost:
    cost, tokens = math.fsum(one.cost for one in windows), math.fsum(one.tokens for one in windows)
    predictions = math.fsum(one.predictions for one in windows)
    return UnitCost(
        service=service,
        cost=cost,
        per_thousand_tokens=1000 * cost / tokens if tokens > 0 else None,
        per_prediction=cost / predictions if predictions > 0 else None,
        wasted=math.fsum(one.cost * min(max(one.idle, 0.0), 1.0) for one in windows),
        spare=math.fsum(one.cost * min(max(one.spare, 0.0), 1.0) for one in windows),
    )


class CostChange(Frozen):
    """Why the cost of a service changed: factors that multiply to after / before."""

    service: str
    before: float
    after: float
    price: float  # money per GPU hour
    efficiency: float  # GPU hours per unit of work: > 1 is less efficient
    volume: float  # tokens; predictions where there are none
    cause: Literal["price", "efficiency", "volume", "nothing", "unknown"]


def cost_change(before: Sequence[Spent], after: Sequence[Spent], least: float = 0.05) -> CostChange:
    """Split the change of cost of one service between two equally long runs of windows."""
    service = after[0].service if after else before[0].service if before else ""
    tokens = any(one.tokens > 0 for one in (*before, *after))
    one, two = _totals(before, tokens=tokens), _totals(after, tokens=tokens)
    if min(*one, *two) <= 0:
        return CostChange(
            service=service, before=one[0], after=two[0], price=1, efficiency=1, volume=1, cause="unknown"
        )
    factors = {
        "price": (two[0] / two[1]) / (one[0] / one[1]),
        "efficiency": (two[1] / two[2]) / (one[1] / one[2]),
        "volume": two[2] / one[2],
    }
    cause = max(factors, key=lambda name: abs(math.log(factors[name])))
    small = abs(math.log(factors[cause])) < math.log1p(least)
    return CostChange.model_validate(
        {"service": service, "before": one[0], "after": two[0], **factors, "cause": "nothing" if small else cause}
    )


def _totals(windows: Sequence[Spent], *, tokens: bool) -> tuple[float, float, float]:
    """Return money, GPU hours and work: tokens where there are any, else predictions."""
    return (
        math.fsum(one.cost for one in windows),
        math.fsum(one.gpu_hours for one in windows),
        math.fsum(one.tokens if tokens else one.predictions for one in windows),
    )


class Burn(Frozen):
    """How a budget stands. ``forecast`` is what will be spent by its end, with a 95 % interval."""

    spent: float
    budget: float
    forecast: float
    forecast_low: float
    forecast_high: float
    runs_out_in: timedelta | None  # None: not before the end
    rate: float  # of burning, 1 = exactly on budget
    tier: Literal["immediate", "daily", "none"]


def burn(hourly: Sequence[float], budget: float, period: timedelta) -> Burn:
    """Say how a budget stands after hours of known cost (NaN: unknown, filled with the mean of the known).

    Fast: the last six hours burn at six times the allowed pace: somebody is told at once. Slow: the forecast is surely
    beyond the budget: a daily message.
    """
    cost = np.asarray(hourly, np.float64)
    known = cost[np.isfinite(cost)]
    mean = float(known.mean()) if len(known) else 0.0
    spent = float(np.where(np.isfinite(cost), cost, mean).sum())
    left = max(period.total_seconds() / 3600 - len(cost), 0.0)
    recent = known[-24:]
    pace = float(recent.mean()) if len(recent) else 0.0
    error = 1.96 * _error_of_mean(recent) * left
    allowed = budget / max(period.total_seconds() / 3600, 1e-9)
    forecast = spent + pace * left
    fast = len(known) >= 6 and allowed > 0 and float(known[-6:].mean()) >= 6 * allowed
    slow = forecast - error > budget
    hours = (budget - spent) / pace if pace > 0 else math.inf
    return Burn(
        spent=spent,
        budget=budget,
        forecast=forecast,
        forecast_low=max(forecast - error, spent),
        forecast_high=forecast + error,
        runs_out_in=timedelta(hours=max(hours, 0.0)) if hours < left else None,
        rate=pace / allowed if allowed > 0 else 0.0,
        tier="immediate" if fast else "daily" if slow else "none",
    )


def _error_of_mean(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float:
    """Standard error of a mean of hours that follow each other: neighbours alike count for less."""
    if len(values) < 3:
        return 0.0
    off = values - values.mean()
    power = float((off**2).sum())
    alike = float((off[1:] * off[:-1]).sum()) / power if power > 0 else 0.0
    alike = min(max(alike, 0.0), 0.9)
    return float(values.std(ddof=1) / np.sqrt(len(values)) * np.sqrt((1 + alike) / (1 - alike)))


def shares(units: Sequence[UnitCost], teams: Mapping[str, str]) -> dict[str, float]:
    """Add up cost per team or model, by service; a service of none is its own entry under ``(none)``."""
    found: dict[str, float] = {}
    for unit in units:
        team = teams.get(unit.service, "(none)")
        found[team] = found.get(team, 0.0) + unit.cost
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
