"""Why a rule holds or does not, in words and numbers, read from the rule itself: no threshold is written twice.

Cedar alone decides. This module walks the parsed rule beside the same facts and renders what decided it, for example
``confidence 82 % >= 60 %``. A rule is taken apart once, at loading, for every decision waits for its explanation.
What it cannot walk (a rule may use any Cedar) it leaves to the rule's own ``@reason``.
"""

import operator
from collections.abc import Callable, Iterable
from typing import NamedTuple, Never

from cedarpy import pst

from policies.facts import Fact, Facts

_COMPARE: dict[str, tuple[str, str, Callable[[int, int], bool]]] = {
    "less": ("<", ">=", operator.lt),
    "less_eq": ("<=", ">", operator.le),
    "greater": (">", "<=", operator.gt),
    "greater_eq": (">=", "<", operator.ge),
}
_UNITS = {"percent": " %"}


class Opaque(Exception):
    """A part of the rule language that is not walked here."""


Truth = bool | None
"""Whether a condition holds; None: it does not, for the rule is about another plan, service or environment."""


class Condition(NamedTuple):
    """One condition made ready once. Testing is cheap; words are made of the facts that decided alone."""

    test: Callable[[Facts], Truth]
    tell: Callable[[Facts], tuple[str, ...]]


class Walk(NamedTuple):
    """The conditions of a rule made ready once, all of which must hold. What cannot be walked raises ``Opaque``."""

    conditions: tuple[Condition, ...]

    def broken(self, facts: Facts) -> list[Condition] | None:
        """Return the conditions that do not hold; None where one shows that the rule is about another plan."""
        found = []
        for each in self.conditions:
            truth = each.test(facts)
            if truth is None:
                return None
            if not truth:
                found.append(each)
        return found

    def held(self, facts: Facts) -> tuple[str, ...]:
        """Return the facts that make a rule hold which holds."""
        return told(self.conditions, facts)


def told(conditions: Iterable[Condition], facts: Facts) -> tuple[str, ...]:
    """Return the facts of some conditions, each once."""
    return tuple(dict.fromkeys([atom for each in conditions for atom in each.tell(facts)]))


def walked(policy: pst.Template) -> Walk:
    """Make a rule's conditions ready to be walked many times. A part that cannot be walked raises when it is met."""
    clauses: list[pst.Expr] = [
        clause.expr if isinstance(clause, pst.When) else pst.UnaryOp("not", clause.expr) for clause in policy.clauses
    ]
    return Walk(tuple(_condition(part) for clause in clauses for part in _conjuncts(clause)))


def _condition(expr: pst.Expr) -> Condition:
    match expr:
        case pst.BinaryOp("and"):
            return _all([_condition(part) for part in _conjuncts(expr)])
        case pst.BinaryOp("or", left, right):
            return _either(_condition(left), _condition(right))
        case pst.UnaryOp("not", pst.BinaryOp("eq" | "not_eq" as op, left, right)):
            return _sameness("not_eq" if op == "eq" else "eq", left, right)
        case pst.UnaryOp("not", arg):
            test, tell = _condition(arg)
            return Condition(lambda facts: not test(facts), tell)
        case pst.BoolLit(value):
            return Condition(lambda _facts: value, lambda _facts: ())
        case pst.BinaryOp(op, left, right):
            return _relation(op, left, right)
        case _:
            return _flag(expr)


def _relation(op: str, left: pst.Expr, right: pst.Expr) -> Condition:
    if op in ("eq", "not_eq"):
        return _sameness(op, left, right)
    if op in _COMPARE:
        return _compare(op, left, right)
    return _membership(op, left, right) if op in ("contains", "contains_any", "contains_all") else _unknown(op)


def _unknown(op: str) -> Condition:
    def refuse(_facts: Facts) -> Never:
        raise Opaque(op)

    return Condition(refuse, refuse)


def _flag(expr: pst.Expr) -> Condition:
    value, label = _value(expr), _label(expr)
    yes, no = (f"{label}: yes",), (f"{label}: no",)

    def test(facts: Facts) -> bool:
        fact = value(facts)
        if not isinstance(fact, bool):
            raise Opaque(str(expr))
        return fact

    return Condition(test, lambda facts: yes if test(facts) else no)


def _conjuncts(expr: pst.Expr) -> tuple[pst.Expr, ...]:
    """Take a chain of ands apart, so that it is walked in one go."""
    match expr:
        case pst.BinaryOp("and", left, right):
            return *_conjuncts(left), *_conjuncts(right)
        case _:
            return (expr,)


def _all(conditions: list[Condition]) -> Condition:
    """Return a conjunction inside a condition: it is told by all that holds, else by what does not."""

    def test(facts: Facts) -> Truth:
        truths = [each.test(facts) for each in conditions]
        return None if None in truths else all(truths)

    def tell(facts: Facts) -> tuple[str, ...]:
        return told([each for each in conditions if not each.test(facts)] or conditions, facts)

    return Condition(test, tell)


def _either(left: Condition, right: Condition) -> Condition:
    """Return a disjunction: it is told by the side that holds, or by both."""

    def test(facts: Facts) -> Truth:
        one, other = left.test(facts), right.test(facts)
        if one or other:
            return True
        return None if one is None or other is None else False

    def tell(facts: Facts) -> tuple[str, ...]:
        if left.test(facts):
            return left.tell(facts)
        return right.tell(facts) if right.test(facts) else (*left.tell(facts), *right.tell(facts))

    return Condition(test, tell)


def _compare(op: str, left: pst.Expr, right: pst.Expr) -> Condition:
    one, other = _number(left), _number(right)
    shown, beside = _shower(left, right), _shower(right, left)
    sign, opposite, holds = _COMPARE[op]

    def tell(facts: Facts) -> tuple[str, ...]:
        this, that = one(facts), other(facts)
        return (f"{shown(this)} {sign if holds(this, that) else opposite} {beside(that)}",)

    if isinstance(right, pst.LongLit):  # as most do
        bound = right.value
        return Condition(lambda facts: holds(one(facts), bound), tell)
    return Condition(lambda facts: holds(one(facts), other(facts)), tell)


Shower = Callable[[Fact], str]


def _sameness(op: str, left: pst.Expr, right: pst.Expr) -> Condition:
    """Return whether two facts are the same; words that are not as a rule wants them are those of another plan."""
    one, other, wanted = _value(left), _value(right), op == "eq"
    shown, beside = _shower(left, right), _shower(right, left)

    def test(facts: Facts) -> Truth:
        this = one(facts)
        return True if (this == other(facts)) == wanted else None if isinstance(this, str) else False

    def tell(facts: Facts) -> tuple[str, ...]:
        this, that = one(facts), other(facts)
        return (f"{shown(this)} {'=' if this == that else 'is not'} {beside(that)}",)

    return Condition(test, tell)


def _membership(op: str, left: pst.Expr, right: pst.Expr) -> Condition:
    one, other, label = _value(left), _value(right), _label(left)
    among = isinstance(left, pst.Set)  # ["rollback", "failover"].contains(context.class): a fact among words

    def look(facts: Facts) -> tuple[bool, frozenset[str], frozenset[str]]:
        held, asked = _words(one(facts)), other(facts)
        wanted = frozenset(asked) if isinstance(asked, tuple) else frozenset([str(asked)])
        found = wanted & frozenset(held)
        return (wanted == found if op == "contains_all" else bool(found)), wanted, found

    def test(facts: Facts) -> Truth:
        return look(facts)[0] or (None if among else False)

    def tell(facts: Facts) -> tuple[str, ...]:
        holds, wanted, found = look(facts)
        words = ", ".join(sorted(found if holds else wanted))
        if among:
            return (f"{words} {'is' if holds else 'is not'} one of {', '.join(_words(one(facts)))}",)
        return (f"{label} {'with' if holds else 'without'} {words}",)

    return Condition(test, tell)


def _words(fact: Fact) -> tuple[str, ...]:
    if not isinstance(fact, tuple):
        raise Opaque(str(fact))
    return fact


Value = Callable[[Facts], Fact]


def _value(expr: pst.Expr) -> Value:
    match expr:
        case pst.LongLit(value) | pst.StringLit(value) | pst.BoolLit(value):
            return lambda _facts: value
        case pst.GetAttr(pst.Var(name), attr):
            return _fact(name, attr)
        case pst.Set(elements):
            items = [_value(element) for element in elements]
            return lambda facts: tuple(str(item(facts)) for item in items)
        case pst.UnaryOp("neg", arg):
            negated = _number(arg)
            return lambda facts: -negated(facts)
        case pst.BinaryOp("add" | "sub" | "mul" as op, left, right):
            reckon, one, other = getattr(operator, op), _number(left), _number(right)
            return lambda facts: int(reckon(one(facts), other(facts)))
        case _:
            return _opaque(str(expr))


def _fact(name: str, attr: str) -> Value:
    def read(facts: Facts) -> Fact:
        try:
            return facts[name][attr]
        except KeyError:
            raise Opaque(f"{name}.{attr}") from None

    return read


def _opaque(text: str) -> Value:
    def read(_facts: Facts) -> Never:
        raise Opaque(text)

    return read


def _number(expr: pst.Expr) -> Callable[[Facts], int]:
    if isinstance(expr, pst.LongLit):
        constant = expr.value
        return lambda _facts: constant
    value = _value(expr)

    def read(facts: Facts) -> int:
        found = value(facts)
        if not isinstance(found, int):
            raise Opaque(str(expr))
        return found

    return read


def _label(expr: pst.Expr) -> str:
    return _split(expr)[0]


def _split(expr: pst.Expr) -> tuple[str, str]:
    """Return the words and the unit of an expression: ``blast_percent`` is ("blast", "percent")."""
    match expr:
        case pst.GetAttr(_, attr):
            name, _, unit = attr.rpartition("_")
            return (name.replace("_", " "), unit) if unit in ("percent", "cents") else (attr.replace("_", " "), "")
        case pst.BinaryOp("add" | "sub" | "mul" as op, left, right):
            sign = {"add": "+", "sub": "-", "mul": "*"}[op]
            return f"{_label(left)} {sign} {_label(right)}", _split(left)[1] or _split(right)[1]
        case pst.LongLit(value):
            return str(value), ""
        case _:
            return "", ""


def _shower(expr: pst.Expr, beside: pst.Expr) -> Shower:
    """Return how the value of an expression is written: its name, the number, the unit of the comparison."""
    words, unit = _split(expr)
    unit = unit or _split(beside)[1]
    tail = _UNITS.get(unit, "")
    head = "" if isinstance(expr, pst.LongLit) or not words else f"{words} "
    if unit == "cents":
        return lambda value: f"{head}{value / 100:.2f}{tail}" if isinstance(value, int) else f"{head}{value}{tail}"
    if isinstance(expr, pst.LongLit):
        written = f"{head}{expr.value}{tail}"
        return lambda _value: written
    return lambda value: f"{head}{value}{tail}"
