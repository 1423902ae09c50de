"""Binary operators between scalars (S,) and vectors, with Prometheus' rules of matching."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.twin.promql.samples import NAME, Bools, Floats, Labels, QueryError, Vector, overlay, some, stack, unique

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[Floats, Floats], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS = ("and", "or", "unless")
_NAMELESS = ARITHMETIC.keys() - {"atan2"}  # whose results lose the metric's name; that atan2 keeps it is 2.42's way
Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """How series of two sides find each other. ``many`` is the side of many: ``left``, ``right`` or none."""

    on: bool = False
    names: tuple[str, ...] = ()
    many: str = ""
    include: tuple[str, ...] = ()
    as_bool: bool = False

    def key(self, labels: Labels) -> Key:
        """Return what must be equal."""
        ignored = {*self.names, NAME}
        return tuple(
            sorted((k, v) for k, v in labels.items() if (k in self.names if self.on else k not in ignored) and v)
        )


def scalars(op: str, left: Floats, right: Floats) -> Floats:
    """Combine two scalars; a comparison gives 0 or 1."""
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right)
    return COMPARISON[op](left, right).astype(np.float64)


def with_scalar(op: str, vector: Vector, scalar: Floats, *, vector_left: bool, as_bool: bool) -> Vector:
    """Combine every series with a scalar."""
    other = scalar[:, None]
    sides = (vector.values, other) if vector_left else (other, vector.values)
    if op in ARITHMETIC:
        return vector.map(ARITHMETIC[op](*sides), keep_name=op not in _NAMELESS)
    holds = COMPARISON[op](*sides)
    if as_bool:
        return vector.map(holds.astype(np.float64))
    return Vector(vector.labels, vector.values, vector.has & holds)


def _by_key(vector: Vector, matching: Matching) -> dict[Key, list[int]]:
    found: dict[Key, list[int]] = {}
    for i, labels in enumerate(vector.labels):
        found.setdefault(matching.key(labels), []).append(i)
    return found


def sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Combine two vectors as sets: ``and``, ``or``, ``unless``."""
    if op == "or":
        kept = _without(right, left, matching)
        joined = np.hstack([left.values, right.values]), np.hstack([left.has, kept])
        return unique((*left.labels, *right.labels), *joined)
    without = _without(left, right, matching)
    return Vector(left.labels, left.values, without if op == "unless" else left.has & ~without)


def _without(these: Vector, those: Vector, matching: Matching) -> Bools:
    """Return where ``these`` have a sample and no match among ``those``."""
    has = these.has.copy()
    others = _by_key(those, matching)
    for key, columns in _by_key(these, matching).items():
        if key in others:
            has[:, columns] &= ~some(those.has[:, others[key]], 1)[:, None]
    return has


def vectors(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Combine matching series of two vectors."""
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    both = some(many.has, 1) & some(one.has, 1)
    ones = {key: _only(one, columns, both) for key, columns in _by_key(one, matching).items()}
    parts: list[tuple[Labels, Floats, Bools]] = []
    places: dict[Key, list[Bools]] = {}
    for i, labels in enumerate(many.labels):
        if (key := matching.key(labels)) not in ones:
            continue
        partner, values, there = ones[key]
        sides = (values, many.values[:, i]) if swapped else (many.values[:, i], values)
        result, has = _combine(op, sides, many.has[:, i] & there, matching.as_bool)
        parts += [(each, result, has & own) for each, own in _results(op, labels, partner, matching)]
        places.setdefault(key, []).append(has)
    if not matching.many and any((np.sum(found, axis=0) > 1).any() for found in places.values()):
        raise QueryError("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
    return _joined(parts, len(left.values), grouped=bool(matching.many))


def _joined(parts: list[tuple[Labels, Floats, Bools]], steps: int, *, grouped: bool) -> Vector:
    try:
        return stack(parts, steps)
    except QueryError as error:
        if not grouped:
            raise
        raise QueryError("multiple matches for labels: grouping labels must ensure unique matches") from error


Partner = list[tuple[Labels, Bools]]


def _only(one: Vector, columns: list[int], both: Bools) -> tuple[Partner, Floats, Bools]:
    """Return the one series of a key: whose labels it has when, its values, and where it has any."""
    has = one.has[:, columns] & both[:, None]
    values, there = overlay(
        one.values[:, columns], has, "found duplicate series for the match group; many-to-many matching not allowed"
    )
    return [(one.labels[c], has[:, i]) for i, c in enumerate(columns)], values, there


def _combine(op: str, sides: tuple[Floats, Floats], has: Bools, as_bool: bool) -> tuple[Floats, Bools]:
    if op in ARITHMETIC:
        return ARITHMETIC[op](*sides), has
    holds = COMPARISON[op](*sides)
    return (holds.astype(np.float64), has) if as_bool else (sides[0], has & holds)


def _results(op: str, labels: Labels, partner: Partner, matching: Matching) -> Partner:
    """Return the labels of a result and when they hold: those included come from the partner of the time."""
    base = dict(labels)
    if op in _NAMELESS or matching.as_bool:
        base.pop(NAME, None)
    if not matching.many:
        kept = {k: v for k, v in base.items() if (k in matching.names) is matching.on}
        return [(kept, np.logical_or.reduce([own for _, own in partner]))]
    rest = {k: v for k, v in base.items() if k not in matching.include}
    return [({**rest, **{k: o[k] for k in matching.include if o.get(k)}}, own) for o, own in partner]
