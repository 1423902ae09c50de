"""Cells: where a rule cannot tell two values of a fact apart, one of them speaks for both.

``confidence_percent >= 60`` knows two kinds of confidence, ``verbs.contains("set_split")`` two kinds of plans. A rule
that tells all its facts apart in such ways knows finitely many moments, and can be asked about each of them beforehand.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

from cedarpy import pst

from policies.facts import Fact
from policies.vocabulary import Kind, Vocabulary

Name = tuple[str, str]  # "context" | "resource", and which fact of it
Marks = frozenset[int] | frozenset[str]
"""What a rule compares a fact with: the least numbers of its cells, or words. Nothing: a fact of yes or no."""
_LONG = 2**63


class Unbounded(Exception):
    """A rule that knows more than finitely many moments, or that is not read here."""


class Cells(NamedTuple):
    """The cells of a fact. ``of``: value -> cell; ``samples``: one value of each."""

    of: Callable[[Any], Hashable]
    samples: tuple[Fact, ...]


def told_apart(policy: pst.Template, vocabulary: Vocabulary) -> Mapping[Name, Marks]:
    """Return the facts that the conditions of a rule look at, and what it compares each with. Raises ``Unbounded``."""
    found: dict[Name, set[Any]] = {}
    for clause in policy.clauses:
        for name, marks in _uses(clause.expr, vocabulary):
            found.setdefault(name, set()).update(marks)
    return {name: frozenset(marks) for name, marks in found.items()}


def cells_of(kind: Kind, marks: Marks) -> Cells:
    """Return the cells of a fact of a kind that is compared with ``marks``."""
    match kind:
        case "Bool":
            return Cells(bool, (False, True))
        case "Long":
            cuts = sorted(int(mark) for mark in marks)
            return Cells(partial(bisect_right, cuts), (cuts[0] - 1, *cuts))
        case "String":
            words = sorted(str(mark) for mark in marks)
            return Cells({word: word for word in words}.get, (*words, _other(words)))
        case _:
            words = sorted(str(mark) for mark in marks)
            parts = (part for size in range(len(words) + 1) for part in combinations(words, size))
            return Cells(frozenset(words).intersection, tuple(parts))


def _other(words: list[str]) -> str:
    return "x" * (1 + max(map(len, words)))


def _uses(expr: pst.Expr, vocabulary: Vocabulary) -> Iterator[tuple[Name, Marks]]:
    """Yield every use of a fact in an expression; ``Unbounded`` where it is used in any other way than these."""
    match expr:
        case pst.BoolLit():
            return
        case pst.GetAttr():
            yield _named(expr, "Bool", vocabulary), frozenset[int]()
        case pst.UnaryOp("not", arg):
            yield from _uses(arg, vocabulary)
        case pst.BinaryOp("and" | "or", left, right):
            yield from _uses(left, vocabulary)
            yield from _uses(right, vocabulary)
        case pst.BinaryOp(op, left, right):
            yield _compared(op, left, right, vocabulary)
        case _:
            raise Unbounded(str(expr))


def _compared(op: str, left: pst.Expr, right: pst.Expr, vocabulary: Vocabulary) -> tuple[Name, Marks]:
    match op, left, right:
        case _, pst.GetAttr(), pst.LongLit(value) if op in _CUTS:
            return _named(left, "Long", vocabulary), _cuts(op, value)
        case _, pst.LongLit(value), pst.GetAttr() if op in _CUTS:
            return _named(right, "Long", vocabulary), _cuts(_TURNED.get(op, op), value)
        case (("eq" | "not_eq"), pst.GetAttr(), pst.StringLit(word)):
            return _named(left, "String", vocabulary), frozenset([word])
        case (("eq" | "not_eq"), pst.StringLit(word), pst.GetAttr()):
            return _named(right, "String", vocabulary), frozenset([word])
        case "contains", pst.Set(elements), pst.GetAttr():
            return _named(right, "String", vocabulary), _words(elements)
        case "contains", pst.GetAttr(), pst.StringLit(word):
            return _named(left, "Set<String>", vocabulary), frozenset([word])
        case (("contains_any" | "contains_all"), pst.GetAttr(), pst.Set(elements)):
            return _named(left, "Set<String>", vocabulary), _words(elements)
        case _:
            raise Unbounded(op)


_CUTS: Mapping[str, tuple[int, ...]] = {  # where a new cell begins, from the number compared with
    "less": (0,),
    "greater_eq": (0,),
    "less_eq": (1,),
    "greater": (1,),
    "eq": (0, 1),
    "not_eq": (0, 1),
}
_TURNED = {"less": "greater", "greater": "less", "less_eq": "greater_eq", "greater_eq": "less_eq"}


def _cuts(op: str, value: int) -> Marks:
    cuts = frozenset(value + step for step in _CUTS[op])
    if not all(-_LONG < cut < _LONG for cut in cuts):
        raise Unbounded(f"{value} is at the end of the range")
    return cuts


def _words(elements: tuple[pst.Expr, ...]) -> Marks:
    words = frozenset(each.value for each in elements if isinstance(each, pst.StringLit))
    if not elements or len(words) < len(elements):
        raise Unbounded("not a set of words")
    return words


def _named(expr: pst.Expr, kind: Kind, vocabulary: Vocabulary) -> Name:
    """Return the fact that an expression is, which must be of a kind."""
    match expr:
        case pst.GetAttr(pst.Var("context"), name) if vocabulary.context.get(name) == kind:
            return "context", name
        case pst.GetAttr(pst.Var("resource"), name) if vocabulary.resource.get(name) == kind:
            return "resource", name
        case _:
            raise Unbounded(str(expr))
