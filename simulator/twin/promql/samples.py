"""Samples of many series over one grid of scrape times."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Labels = dict[str, str]
NAME = "__name__"
ABSENT, SAMPLE, STALE = 0, 1, 2


class QueryError(ValueError):
    """The query cannot be evaluated; the text says why, in one line."""


class UnsupportedError(QueryError):
    """The query is PromQL, but of a part that is not supported here."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; ``op`` is ``=``, ``!=``, ``=~`` or ``!~``. A missing label reads as empty."""

    name: str
    op: str
    value: str

    def test(self) -> Callable[[str], bool]:
        """Return the condition as a function of the label's value."""
        if self.op in ("=", "!="):
            return (lambda text: text == self.value) if self.op == "=" else (lambda text: text != self.value)
        try:
            pattern = re.compile(self.value, re.DOTALL)
        except re.error as error:
            raise QueryError(f"the regular expression {self.value!r} cannot be read: {error}") from error
        wanted = self.op == "=~"
        return lambda text: (pattern.fullmatch(text) is not None) is wanted


@dataclass(frozen=True, slots=True)
class Samples:
    """``times`` (T,) in ms, rising; ``values`` (T, N); ``state`` (T, N) says absent, sample or stale marker."""

    labels: tuple[Labels, ...]
    times: Ints
    values: Floats
    state: NDArray[np.uint8]

    def pick(self, columns: Sequence[int] | NDArray[np.intp]) -> "Samples":
        """Return some of the series."""
        index = np.asarray(columns, dtype=np.intp)
        return Samples(tuple(self.labels[i] for i in index), self.times, self.values[:, index], self.state[:, index])

    def select(self, matchers: Sequence[Matcher]) -> "Samples":
        """Return the series that meet every condition, in the order of their labels."""
        return self.pick(columns_of(self.labels, matchers))


def columns_of(labels: Sequence[Labels], matchers: Sequence[Matcher]) -> list[int]:
    """Return the places of the label sets that meet every condition, ordered by their labels."""
    tests = [(matcher.name, matcher.test()) for matcher in matchers]
    kept = [i for i, each in enumerate(labels) if all(test(each.get(name, "")) for name, test in tests)]
    return sorted(kept, key=lambda i: sorted(labels[i].items()))


@dataclass(frozen=True, slots=True)
class Vector:
    """Series over the steps of a query: ``values`` and ``has``, both (S, N)."""

    labels: tuple[Labels, ...]
    values: Floats
    has: Bools

    def map(self, values: Floats, *, keep_name: bool = False) -> "Vector":
        """Return the same series with other values; without their name unless it is kept."""
        return unique(self.labels if keep_name else nameless(self.labels), values, self.has)


def some(has: Bools, axis: int) -> Bools:
    """Return whether anything is true along an axis."""
    found: Bools = np.any(has, axis=axis)
    return found


def empty(steps: int) -> Vector:
    """Return a vector without series."""
    return Vector((), np.empty((steps, 0)), np.empty((steps, 0), dtype=bool))


def nameless(labels: Sequence[Labels]) -> tuple[Labels, ...]:
    """Return label sets without the metric's name."""
    return tuple({k: v for k, v in each.items() if k != NAME} for each in labels)


def stack(parts: Sequence[tuple[Labels, Floats, Bools]], steps: int) -> Vector:
    """Put columns side by side; those of equal labels become one, an error where they meet."""
    if not parts:
        return empty(steps)
    values = np.stack([column for _, column, _ in parts], axis=1)
    return unique(tuple(labels for labels, _, _ in parts), values, np.stack([has for _, _, has in parts], axis=1))


def unique(labels: Sequence[Labels], values: Floats, has: Bools) -> Vector:
    """Join series of equal labels, as transformations of labels make them; an error where both have a sample."""
    places: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for i, each in enumerate(labels):
        places.setdefault(tuple(sorted((k, v) for k, v in each.items() if v)), []).append(i)
    if len(places) == len(labels):
        return Vector(tuple(labels), values, has)
    columns = [
        overlay(values[:, cols], has[:, cols], "vector cannot contain metrics with the same labelset")
        for cols in places.values()
    ]
    joined = np.stack([v for v, _ in columns], axis=1), np.stack([h for _, h in columns], axis=1)
    return Vector(tuple(labels[cols[0]] for cols in places.values()), *joined)


def overlay(values: Floats, has: Bools, complaint: str) -> tuple[Floats, Bools]:
    """Return one column out of several that never have a sample at the same step."""
    if (has.sum(axis=1) > 1).any():
        raise QueryError(complaint)
    first = has.argmax(axis=1)
    return values[np.arange(len(values)), first], some(has, 1)
