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
    """Join both by key and name every feature whose values differ.

    Rows without a partner are a fault of their own. So are those whose key was recomputed more than once: which row is
    meant is not known, and they are not compared.
    """
    place: dict[object, int] = {}
    repeated: set[object] = set()
    for at, key in enumerate(_values(again_keys)):
        if place.setdefault(key, at) != at:
            repeated.add(key)
    served = _values(keys)
    known = [(at, key) for at, key in enumerate(served) if key is not None and key in place]
    pairs = [(at, place[key]) for at, key in known if key not in repeated]
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    rows = max(len(served), 1)
    found = [
        *_lost("orphans", 1 - len(known) / rows, "cannot be recomputed: no such key"),
        *_lost(
            "duplicates", (len(known) - len(pairs)) / rows, "are not compared: their key was recomputed more than once"
        ),
    ]
    for name in logged:
        if name in again and len(left):
            found += _differing(name, logged[name], again[name], left, right)
    return tuple(sorted(found, key=lambda fault: (-fault.share, fault.column)))


def _lost(kind: str, share: float, words: str) -> list[Fault]:
    if share <= WORTH:
        return []
    return [Fault(column="(keys)", kind=kind, text=f"{share:.1%} of the logged rows {words}", share=share, sure=1.0)]


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
