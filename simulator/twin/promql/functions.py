"""Functions of vectors and scalars that look at one step alone."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from simulator.twin.promql.samples import Bools, Floats, Labels, QueryError, Vector, nameless, some, stack, unique

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_DOLLAR = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_DAY_S = 86400.0


def _whole(unit: str) -> Callable[[Floats], Floats]:
    """Return a function from POSIX seconds to numbers of whole units since the epoch."""

    def convert(x: Floats) -> Floats:
        found: Floats = x.astype("datetime64[s]").astype(f"datetime64[{unit}]").astype(np.float64)
        return found

    return convert


def _first_day(x: Floats, unit: str) -> Floats:
    """Return the day since the epoch on which the month or year of ``x`` began."""
    start = x.astype("datetime64[s]").astype(f"datetime64[{unit}]")
    day: Floats = start.astype("datetime64[D]").astype(np.float64)
    return day


def _month_days(x: Floats) -> Floats:
    month = x.astype("datetime64[s]").astype("datetime64[M]")
    days: Floats = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.float64)
    return days


_days, _months, _years = _whole("D"), _whole("M"), _whole("Y")

ELEMENTWISE: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": lambda x: np.where(np.isnan(x), x, np.sign(x)),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "deg": lambda x: x * 180 / np.pi,
    "rad": lambda x: x * np.pi / 180,
}
CALENDAR: dict[str, Callable[[Floats], Floats]] = {
    "minute": lambda x: np.floor(x % 3600 / 60),
    "hour": lambda x: np.floor(x % _DAY_S / 3600),
    "day_of_week": lambda x: (_days(x) + 4) % 7,
    "day_of_month": lambda x: _days(x) - _first_day(x, "M") + 1,
    "day_of_year": lambda x: _days(x) - _first_day(x, "Y") + 1,
    "days_in_month": _month_days,
    "month": lambda x: _months(x) % 12 + 1,
    "year": lambda x: _years(x) + 1970,
}


def rounded(x: Floats, to: Floats) -> Floats:
    """Round to the nearest multiple of ``to`` (S,), halves up."""
    inverse = (1.0 / to)[:, None]
    out: Floats = np.floor(x * inverse + 0.5) / inverse
    return out


def clamped(vector: Vector, low: Floats, high: Floats) -> Vector:
    """Limit to [low, high], both (S,); a step where they are crossed has nothing."""
    held = np.maximum(low[:, None], np.minimum(high[:, None], vector.values))
    return Vector(vector.labels, vector.values, vector.has & ~(low > high)[:, None]).map(held)


def scalar(vector: Vector) -> Floats:
    """Return the value of the only series at each step, NaN where there is not exactly one."""
    if not vector.labels:
        return np.full(len(vector.values), np.nan)
    only = vector.values[np.arange(len(vector.values)), vector.has.argmax(axis=1)]
    return np.where(vector.has.sum(axis=1) == 1, only, np.nan)


def absent(vector: Vector, labels: Labels) -> Vector:
    """Return 1 where a vector has nothing."""
    return stack([(labels, np.ones(len(vector.values)), ~some(vector.has, 1))], len(vector.values))


def ordered(vector: Vector, *, down: bool) -> Vector:
    """Order the series of an instant by value; NaN comes last. A range keeps its order."""
    if len(vector.values) != 1:
        return vector
    x = vector.values[0]
    order = np.lexsort((np.nan_to_num(-x if down else x, posinf=np.inf, neginf=-np.inf), np.isnan(x)))
    return Vector(tuple(vector.labels[i] for i in order), vector.values[:, order], vector.has[:, order])


# -- labels --------------------------------------------------------------------------------------------------------
def label_replace(vector: Vector, target: str, replacement: str, source: str, expression: str) -> Vector:
    """Write a label from the parts of another that match wholly; what does not match stays."""
    pattern = _compiled(expression)
    _named(target)
    out = []
    for labels in vector.labels:
        match = pattern.fullmatch(labels.get(source, ""))
        out.append(dict(labels) if match is None else _with(labels, target, _expanded(replacement, match)))
    return unique(out, vector.values, vector.has)


def label_join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """Write a label from others, joined."""
    _named(target)
    out = [_with(each, target, separator.join(each.get(name, "") for name in sources)) for each in vector.labels]
    return unique(out, vector.values, vector.has)


def _named(label: str) -> None:
    if not _LABEL.fullmatch(label):
        raise QueryError(f"invalid destination label name {label!r}")


def _with(labels: Labels, name: str, value: str) -> Labels:
    rest = {k: v for k, v in labels.items() if k != name}
    return {**rest, name: value} if value else rest


def _compiled(expression: str) -> "re.Pattern[str]":
    try:
        return re.compile(expression)
    except re.error as error:
        raise QueryError(f"the regular expression {expression!r} cannot be read: {error}") from error


def _expanded(replacement: str, match: "re.Match[str]") -> str:
    """Fill in ``$1``, ``${1}`` and ``${name}``; what is not captured is empty."""

    def part(found: "re.Match[str]") -> str:
        if found[1]:
            return "$"
        name = found[2] or found[3]
        if name.isdigit():
            return (match[int(name)] or "") if int(name) <= (match.re.groups or 0) else ""
        return match.groupdict().get(name) or ""

    return _DOLLAR.sub(part, replacement)


# -- histograms ----------------------------------------------------------------------------------------------------
def histogram_quantile(q: Floats, vector: Vector) -> Vector:
    """Return quantiles ``q`` (S,) of classic histograms: series with ``le``, cumulative."""
    found: dict[tuple[tuple[str, str], ...], list[tuple[float, int]]] = {}
    for i, labels in enumerate(nameless(vector.labels)):
        edge = _edge(labels.get("le"))
        if edge is not None:
            rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le" and v))
            found.setdefault(rest, []).append((edge, i))
    parts = []
    for key, buckets in found.items():
        edges = np.array([edge for edge, _ in sorted(buckets)])
        columns = [i for _, i in sorted(buckets)]
        has = vector.has[:, columns]
        parts.append((dict(key), _patterned(q, edges, vector.values[:, columns], has), some(has, 1)))
    return stack(parts, len(vector.values))


def _edge(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _patterned(q: Floats, edges: Floats, counts: Floats, has: Bools) -> Floats:
    """Evaluate together the steps that have the same buckets."""
    out = np.full(len(counts), np.nan)
    patterns, which = np.unique(has, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        steps = np.flatnonzero(which.ravel() == number)
        if pattern.any():
            out[steps] = _quantiles(q[steps], edges[pattern], counts[np.ix_(steps, np.flatnonzero(pattern))])
    return out


def _quantiles(q: Floats, edges: Floats, counts: Floats) -> Floats:
    """Return quantiles of (S, B) cumulative counts; NaN without an infinite bucket, or without observations."""
    out = np.where(np.isnan(q), np.nan, np.where(q < 0, -np.inf, np.inf))
    inside = (q >= 0) & (q <= 1)
    bounds, starts = np.unique(edges, return_index=True)
    merged = np.maximum.accumulate(np.add.reduceat(counts, starts, axis=1), axis=1)
    if not np.isposinf(bounds[-1]) or len(bounds) < 2:
        return np.where(inside, np.nan, out)
    total = merged[:, -1]
    rank = q * total
    place = (merged[:, :-1] < rank[:, None]).sum(axis=1)
    rows, last = np.arange(len(q)), len(bounds) - 1
    inner = np.minimum(place, last - 1)
    low = np.where(inner > 0, merged[rows, inner - 1], 0.0)
    floor = np.where(inner > 0, bounds[inner - 1], 0.0)
    value = floor + (bounds[inner] - floor) * ((rank - low) / (merged[rows, inner] - low))
    value = np.where((inner == 0) & (bounds[0] <= 0), bounds[0], value)
    value = np.where(place == last, bounds[last - 1], value)
    return np.where(inside, np.where(total == 0, np.nan, value), out)
