"""Values of rules as terms of the solver: truths, whole numbers, strings, entities and sets. Needs z3.

Every value carries the condition under which its evaluation does not err.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import z3

_LEAST, _MOST = -(2**63), 2**63 - 1
Json = Mapping[str, Any]


class Uncovered(ValueError):
    """A rule says something that is not translated."""


@dataclass(frozen=True, slots=True)
class Term:
    """A truth, whole number or string, and when its evaluation does not err."""

    of: Any
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of a known type; ``name`` is a string term."""

    type: str
    name: Any
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Members:
    """A set written out."""

    items: tuple["Term | Entity", ...]
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Fact:
    """A set that is a fact, known by its name."""

    name: str
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Either:
    """One of two sets."""

    choice: Any
    then: "Members | Fact | Either"
    other: "Members | Fact | Either"
    ok: Any


SetValue = Members | Fact | Either
Value = Term | Entity | SetValue


def string(text: str) -> Any:
    """Return a string as a term; a backslash would begin an escape."""
    if any(ord(letter) > 0x2FFFF for letter in text):
        raise Uncovered(f"{text!r}: characters above U+2FFFF are not translated")
    return z3.StringVal(text.replace("\\", "\\u{5c}"))


def literal(entity: Json) -> Entity:
    """Return an entity that is written out."""
    if set(entity) != {"type", "id"}:
        raise Uncovered(f"{json.dumps(entity)} is no plain entity")
    return Entity(str(entity["type"]), string(str(entity["id"])))


def of_sort(value: Value, test: Callable[[Any], bool], words: str) -> Term:
    """Return a value that is of a sort; ``Uncovered`` where it is of another."""
    if not isinstance(value, Term) or not test(value.of):
        raise Uncovered(f"a value is not {words}, as the schema would have it")
    return value


def both(left: Term, right: Term) -> Term:
    """Return a conjunction, the second part of which is evaluated only where the first holds."""
    return Term(z3.And(left.of, right.of), z3.And(left.ok, z3.Or(z3.Not(left.of), right.ok)))


def same(left: Value, right: Value) -> Term:
    """Return whether two values of one kind are equal."""
    match left, right:
        case Term(), Term() if left.of.sort() == right.of.sort():
            return Term(left.of == right.of)
        case Entity(), Entity():
            return Term(z3.And(z3.BoolVal(left.type == right.type), left.name == right.name))
    raise Uncovered("comparing two kinds of value is not translated")


def fits(number: Any) -> Any:
    """Return whether a whole number fits in 64 bits."""
    return z3.And(number >= _LEAST, number <= _MOST)


def pattern(part: Any) -> Any:
    """Return a part of a pattern of ``like`` as a regular expression."""
    match part:
        case "Wildcard":
            return z3.Full(z3.ReSort(z3.StringSort()))
        case {"Literal": str(letter)}:
            return z3.Re(string(letter))
    raise Uncovered(f"the pattern {json.dumps(part)} is not translated")
