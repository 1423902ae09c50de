"""Training-serving skew: features as they were logged when served, beside the same recomputed from the source."""

from collections.abc import Mapping

import numpy as np

from agent.drift.finding import Fault
from tools.grid import Counts, Floats
from tools.tables import Column, Labels, Numbers

NEAR = 1e-6  # relative difference that rounding explains
WORTH = 0.001  # share of rows


def skew(
    keys: Column, logged: Mapping[str, Column], again_keys: Column, again: Mapping[str, Column]
) -> tuple[Fault, ...]:
    """Join both by key and name every feature whose values differ; rows without a partner are a fault of their own."""
    left, right, lost = _paired(keys, again_keys)
    found = []
    if lost > WORTH:
        text = f"{lost:.1%} of the logged rows cannot be recomputed: no such key"
        found.append(Fault(column="(keys)", kind="orphans", text=text, share=lost, sure=1.0))
    for name in logged:
        if name in again and len(left):
            found += _differing(name, logged[name], again[name], left, right)
    return tuple(sorted(found, key=lambda fault: (-fault.share, fault.column)))


def _paired(keys: Column, again: Column) -> tuple[Counts, Counts, float]:
    """Return places of partners on both sides, and the share of rows that have none. The first of equal keys counts."""
    place: dict[object, int] = {}
    for at, key in enumerate(_values(again)):
        place.setdefault(key, at)
    pairs = [(at, place[key]) for at, key in enumerate(_values(keys)) if key is not None and key in place]
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return left, right, 1 - len(pairs) / max(len(keys), 1)


def _values(column: Column) -> list[object]:
    if isinstance(column, Labels):
        return [column.names[code] if code >= 0 else None for code in column.codes]
    return [None if np.isnan(value) else float(value) for value in column.values]


def _differing(name: str, one: Column, two: Column, left: Counts, right: Counts) -> list[Fault]:
    if isinstance(one, Numbers) and isinstance(two, Numbers):
        a, b = one.values[left], two.values[right]
        both = np.isnan(a) & np.isnan(b)
        off = ~both & ~(np.abs(a - b) <= NEAR * np.maximum(np.abs(a), np.abs(b)))
        text = _words(a[off], b[off])
    else:
        first, second = _values(one), _values(two)
        pairs = [(first[i], second[j]) for i, j in zip(left, right, strict=True)]
        off = np.array([a != b for a, b in pairs], bool)
        text = next((f"{a!r} was served, {b!r} is right" for a, b in pairs if a != b), "")
    share = float(off.mean())
    if share <= WORTH:
        return []
    return [Fault(column=name, kind="skew", text=f"differs in {share:.1%} of the rows: {text}", share=share, sure=1.0)]


def _words(served: Floats, right: Floats) -> str:
    """Say how served values differ: null, by a factor, by an offset, or anyhow."""
    known = np.isfinite(served) & np.isfinite(right)
    if float(np.isnan(served).mean() if len(served) else 0) > 0.5:
        return "served as null"
    if not known.any():
        return "null once recomputed"
    a, b = served[known], right[known]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(b != 0, a / b, np.nan)
    for values, word in ((ratio, "times {:.4g}"), (a - b, "plus {:.4g}")):
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan
        if np.isfinite(middle) and float((np.abs(values - middle) <= 1e-3 * abs(middle)).mean()) > 0.9:
            return f"served is the right value {word.format(middle)}"
    return f"for example {a[0]:g} was served, {b[0]:g} is right"
