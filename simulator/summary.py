"""A drill's figures: each measure's mean with its 95 % interval, for whoever guarded the fleet. Pure.

Shares have Wilson's interval over all runs, means Student's, good requests Student's over seeds, rates of rare events
the exact one of Poisson's law.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

Episode = dict[str, Any]
Figure = dict[str, float]
SHARES = ("detected", "top1", "top3", "healed", "alone", "told")
MEANS = (
    *("steps_off", "detect_s", "heal_s", "asked", "called", "money", "money_acts", "money_incident", "tokens"),
    "false_incidents",
)
SUMS = ("unsafe", "collateral", "duplicates", "false_acted", "actions")
DAYS = 365.25  # of a year
FALSE_A_YEAR = 1.0  # false incidents that a service-year of health may bring
ENOUGH = 5  # seeds from which figures are worth a comparison


def summary(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Return the figures of one guardian's episodes; questions that do not arise in any are left out."""
    found: dict[str, Any] = {"episodes": len(episodes), "seeds": len({episode["seed"] for episode in episodes})}
    found |= {key: share(values) for key in SHARES if (values := _values(episodes, key))}
    found |= {key: mean(values) for key in MEANS if (values := _values(episodes, key))}
    found |= {key: sum(int(episode[key]) for episode in episodes) for key in SUMS}
    if nothing := [episode for episode in episodes if episode.get("felt") is False]:
        found["nothing_to_heal"] = len(nothing)
    if lived := _values(episodes, "service_years"):  # kept episodes of before may not say
        found["service_years"] = round(sum(lived), 4)
    return found | _healthy(episodes) | {"good_request_share": good_share(episodes)}


def quiet(episode: Mapping[str, Any]) -> bool:
    """Whether nothing was wrong in an episode, so that whatever was seen was false."""
    return episode["detected"] is None


def _healthy(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Return how often something was seen where nothing was, for a day and a year of one service in health."""
    healthy = [episode for episode in episodes if quiet(episode)]
    years = sum(_values(healthy, "service_years"))
    if not years:
        return {}
    false = sum(int(episode["false_incidents"]) for episode in healthy)
    return {
        "healthy_service_years": round(years, 4),
        "healthy_false_incidents": false,
        "false_per_service_day": rate(false, years * DAYS),
        "false_per_service_year": rate(false, years),
    }


def calm(found: Mapping[str, Any]) -> bool:
    """Whether health brought no more false incidents than ``FALSE_A_YEAR``; less than a year may bring none."""
    return int(found.get("healthy_false_incidents", 0)) <= FALSE_A_YEAR * float(found.get("healthy_service_years", 0.0))


def good_share(episodes: Sequence[Episode]) -> Figure | None:
    """Return the good ones of all requests, and Student's interval of that share over the seeds where there are two."""
    asked = sum(episode["requests"] for episode in episodes)
    if not asked:
        return None
    by_seed: dict[int, list[Episode]] = {}
    for episode in episodes:
        by_seed.setdefault(episode["seed"], []).append(episode)
    pooled = {"mean": round(sum(episode["good_requests"] for episode in episodes) / asked, 6)}
    sums = [(sum(e["good_requests"] for e in group), sum(e["requests"] for e in group)) for group in by_seed.values()]
    shares = [good / all_of_it for good, all_of_it in sums if all_of_it]
    if len(shares) < 2:
        return pooled
    middle, width = _student(shares)
    return pooled | {"low": round(max(middle - width, 0.0), 6), "high": round(min(middle + width, 1.0), 6)}


def _values(episodes: Sequence[Episode], key: str) -> list[float]:
    return [float(episode[key]) for episode in episodes if episode.get(key) is not None]


# -- intervals -------------------------------------------------------------------------------------------------------
def share(values: Sequence[float]) -> Figure:
    """Return the share of ones with Wilson's 95 % interval.

    >>> share([1, 1, 1, 1])
    {'mean': 1.0, 'low': 0.5101, 'high': 1.0}
    """
    n, p, z = len(values), sum(values) / len(values), 1.959964
    centre, width = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = max(0.0, (centre - width) / scale), min(1.0, (centre + width) / scale)
    return {"mean": round(p, 4), "low": round(low, 4), "high": round(high, 4)}


def mean(values: Sequence[float]) -> Figure:
    """Return the mean with Student's 95 % interval; a single value has none.

    What is never below nought, such as seconds, has no interval that reaches there.

    >>> mean([70.0, 280.0])
    {'mean': 175.0, 'low': 0.0, 'high': 1509.15}
    """
    if len(values) == 1:
        return {"mean": round(values[0], 2)}
    middle, width = _student(values)
    low = middle - width if min(values) < 0 else max(middle - width, 0.0)
    return {"mean": round(middle, 2), "low": round(low, 2), "high": round(middle + width, 2)}


def _student(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of two values or more, and half the width of its 95 % interval."""
    from scipy.stats import t

    n, middle = len(values), sum(values) / len(values)
    spread = sqrt(sum((value - middle) ** 2 for value in values) / (n - 1))
    return middle, float(t.ppf(0.975, n - 1)) * spread / sqrt(n)


def rate(count: int, exposure: float) -> Figure:
    """Return events a unit of exposure with the exact 95 % interval of Poisson's law (Garwood 1936).

    >>> rate(0, 100.0)
    {'mean': 0.0, 'low': 0.0, 'high': 0.036889}
    """
    from scipy.stats import chi2

    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return {name: round(value / exposure, 6) for name, value in (("mean", count), ("low", low), ("high", high))}
