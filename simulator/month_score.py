"""Months compared: everybody's sums, how the others' downtime compares with ours, and how sure of it one can be."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulator.arrivals import kind_of, shipped_rates
from simulator.summary import share

US, FORESEEING = "prunella", "foreseeing"  # the same, and replicas follow the hours, and batch work fills GPUs
STATIC = "static"  # a person alone, beside the batch work that FORESEEING has, of which nobody makes more or less
SHARING = frozenset((FORESEEING, STATIC))
OURS = frozenset((US, FORESEEING))
NOBODY, PERSON = "nobody", "on_call"
RULES = ("restart_first", "undo_last_release", "runbook_by_alert")
EVERYBODY = (US, FORESEEING, PERSON, STATIC, *RULES, NOBODY)
ENOUGH = 3  # months from which an interval of a ratio is worth the name
Result = dict[str, Any]
Month = Mapping[str, Any]  # seed, and shifts: a result for everybody who guarded it

_SUMS = ("requests", "good_requests", "degraded_minutes", "degraded_minutes_of_models", "service_minutes", "faults")
_MORE = ("paged", "called", "answered", "money", "batch_gpu_hours", "actions")


def together(results: Sequence[Result]) -> Result:
    """Return several months of one guardian as one: sums, shares of the sums, mean use of GPUs."""
    sums = {name: round(sum(each.get(name, 0) for each in results), 2) for name in (*_SUMS, *_MORE)}
    calls = sum(each["good_requests"] / each["availability_of_calls"] for each in results)
    return sums | {
        "availability": round(sums["good_requests"] / sums["requests"], 7),
        "availability_of_calls": round(sums["good_requests"] / calls, 7),
        "utilisation": round(float(np.mean([each["utilisation"] for each in results])), 2),
        "paged_for": [name for each in results for name in each.get("paged_for", ())],
        "arrived": _added([each.get("arrived", {}) for each in results]),
    }


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {kind: sum(each[kind] for each in counts) for kind in (counts[0] if counts else {})}


def pooled(months: Sequence[Month]) -> Result:
    """Return how everybody compares over all months, each of which the same guardians played."""
    found = {who: together([month["shifts"][who] for month in months]) for who in months[0]["shifts"]}
    summary = {"months": len(months), **compared(found)}
    if US not in found:
        return summary
    ours = found[US]
    if ours["faults"]:
        summary["needing_a_person"] = share([1.0] * ours["paged"] + [0.0] * (ours["faults"] - ours["paged"]))
        summary["needing_a_person_by_rates"] = by_rates(ours)
    best = summary.get("best_baseline")
    if best and len(months) >= ENOUGH and summary["degraded_ratio"] is not None:
        summary["degraded_ratio"] = _ratio_with_interval(months, best, summary["degraded_ratio"])
    return summary


def by_rates(ours: Result) -> float | None:
    """Return the share of faults that need a person if each kind came exactly as often as it is stated to.

    What was drawn has more of one kind and less of another by chance; here each kind counts by its rate, and its share
    of persons is the one found. Kinds that never came are left out.
    """
    paged = [kind_of(name) for name in ours["paged_for"]]
    rates = {rate.kind: rate.per_month for rate in shipped_rates() if rate.faults and ours["arrived"].get(rate.kind)}
    if not rates:
        return None
    needing = sum(rate * paged.count(kind) / ours["arrived"][kind] for kind, rate in rates.items())
    return round(float(needing / sum(rates.values())), 4)


def _ratio_with_interval(months: Sequence[Month], best: str, ratio: float) -> dict[str, float]:
    """Return the ratio of degraded minutes with its 95 % interval: the months drawn again (bootstrap, percentiles)."""
    minutes = np.array([[month["shifts"][who]["degraded_minutes"] for who in (best, US)] for month in months])
    drawn = np.random.default_rng(0).integers(len(months), size=(2000, len(months)))
    sums = minutes[drawn].sum(axis=1)
    sums = sums[sums[:, 1] > 0]
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5))
    return {"mean": ratio, "low": round(float(low), 3), "high": round(float(high), 3)}


def compared(found: Mapping[str, Result]) -> Result:
    """Return how the others' downtime compares with ours; None where the question does not arise."""
    ours = found.get(US)
    others = {who: result for who, result in found.items() if who not in (*OURS, STATIC, NOBODY)}
    if ours is None or not others:
        return {}
    best = min(others, key=lambda who: float(others[who]["degraded_minutes"]))
    static = found.get(NOBODY, others[best])  # the same fleet with nobody who repairs it within the day
    return {
        "best_baseline": best,
        "bad_requests_ratio": _ratio(_lost(others[best]), _lost(ours)),
        "degraded_ratio": _ratio(others[best]["degraded_minutes"], ours["degraded_minutes"]),
        "degraded_models_ratio": _ratio(ours["degraded_minutes_of_models"], static["degraded_minutes_of_models"]),
        "needing_a_person": _ratio(ours["paged"], ours["faults"]),
        "utilisation_ratio": _ratio(ours["utilisation"], static["utilisation"]),
    } | _foreseen(found, static)


def _foreseen(found: Mapping[str, Result], static: Result) -> Result:
    """Return what it brings, and costs, that replicas follow the hours and batch work fills GPUs."""
    ours, ahead = found[US], found.get(FORESEEING)
    if ahead is None:
        return {}
    beside = found.get(STATIC, static)
    return {
        "foreseeing_utilisation_ratio": _ratio(ahead["utilisation"], static["utilisation"]),
        "foreseeing_utilisation_ratio_beside_batch": _ratio(ahead["utilisation"], beside["utilisation"]),
        "foreseeing_money_ratio": _ratio(ahead["money"], ours["money"]),
        "foreseeing_degraded_ratio": _ratio(ahead["degraded_minutes"], ours["degraded_minutes"]),
    }


def _lost(result: Result) -> float:
    return float(result["requests"]) - float(result["good_requests"])


def _ratio(above: float, below: float) -> float | None:
    return round(above / below, 3) if below else None
