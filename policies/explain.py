"""Why a rule holds or does not, in words and numbers, read from the rule itself: no threshold is written twice.

Cedar alone decides. This module walks the parsed rule beside the same facts and renders what decided it, for example
``confidence 82 % >= 60 %``. A rule is taken apart once, at loading, for every decision waits for its explanation.
What it cannot walk (a rule may use any Cedar) it leaves to the rule's own ``@reason``.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import NamedTuple

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


class Finding(NamedTuple):
    """Whether a condition holds, and the facts that make it so. ``elsewhere``: the rule is about another plan."""

    holds: bool
    atoms: tuple[str, ...]
    elsewhere: bool = False


_TRUE, _FALSE = Finding(True, ()), Finding(False, ())
Walk = Callable[[Facts], Finding]
"""A condition made ready once: facts in, finding out. May raise ``Opaque``."""


def explain(policy: pst.Template, facts: Facts) -> Finding:
    """Return whether the conditions of a rule hold, and why. Raises ``Opaque``."""
    return walked(policy)(facts)


def walked(policy: pst.Template) -> Walk:
    """Make a rule's conditions ready to be walked many times. A part that cannot be walked raises when it is met."""
    clauses: list[pst.Expr] = [
        clause.expr if isinstance(clause, pst.When) else pst.UnaryOp("not", clause.expr) for clause in policy.clauses
    ]
    return _all([_walk(part) for clause in clauses for part in _conjuncts(clause)])


def covers(policy: pst.Template, action: frozenset[str], service: str) -> bool:
    """Tell whether a rule's head speaks of an action (its name and groups) and a service."""
    return action_covers(policy.action, action) and resource_covers(policy.resource, service)


def action_covers(scope: pst.ActionConstraint, action: frozenset[str]) -> bool:
    """Tell whether the action part of a rule's head speaks of an action (its name and groups)."""
    match scope:
        case pst.ActionEq(entity):
            return entity.id in action
        case pst.ActionIn(entities):
            return any(entity.id in action for entity in entities)
        case _:
            return True


def resource_covers(scope: pst.PrincipalOrResourceConstraint, service: str) -> bool:
    """Tell whether the resource part of a rule's head speaks of a service."""
    match scope:
        case pst.ScopeEq(pst.EntityUid(_, name)):
            return name == service
        case _:
            return True


def _walk(expr: pst.Expr) -> Walk:
    match expr:
        case pst.BinaryOp("and"):
            return _all([_walk(part) for part in _conjuncts(expr)])
        case pst.BinaryOp("or", left, right):
            either, alternative = _walk(left), _walk(right)
            return lambda facts: _either(either(facts), alternative(facts))
        case pst.UnaryOp("not", pst.BinaryOp("eq" | "not_eq" as op, left, right)):
            return _compare("not_eq" if op == "eq" else "eq", left, right)
        case pst.UnaryOp("not", arg):
            inner = _walk(arg)
            return lambda facts: _opposite(inner(facts))
        case pst.BoolLit(value):
            return lambda _facts: _TRUE if value else _FALSE
        case pst.BinaryOp(op, left, right):
            return _compare(op, left, right)
        case _:
            return _flag(expr)


def _flag(expr: pst.Expr) -> Walk:
    value, label = _value(expr), _label(expr)
    yes, no = Finding(True, (f"{label}: yes",)), Finding(False, (f"{label}: no",))

    def walk(facts: Facts) -> Finding:
        fact = value(facts)
        if not isinstance(fact, bool):
            raise Opaque(str(expr))
        return yes if fact else no

    return walk


def _opposite(finding: Finding) -> Finding:
    return Finding(not finding.holds, finding.atoms)


def _conjuncts(expr: pst.Expr) -> tuple[pst.Expr, ...]:
    """Take a chain of ands apart, so that it is walked in one go."""
    match expr:
        case pst.BinaryOp("and", left, right):
            return *_conjuncts(left), *_conjuncts(right)
        case _:
            return (expr,)


def _all(walks: list[Walk]) -> Walk:
    """Return the walk of a conjunction: all that holds where it holds, else only what does not.

    Where one part shows that the rule is about another plan, service or environment, the rest does not matter.
    """

    def walk(facts: Facts) -> Finding:
        held: list[str] = []
        broken: list[str] = []
        holds = True
        for each in walks:
            finding = each(facts)
            if finding.elsewhere:
                return finding
            if finding.holds:
                held += finding.atoms
            else:
                holds = False
                broken += finding.atoms
        return Finding(holds, tuple(held if holds else broken))

    return walk


def _either(left: Finding, right: Finding) -> Finding:
    if left.holds or right.holds:
        return left if left.holds else right
    return _joined(False, [left, right])


def _joined(holds: bool, parts: list[Finding]) -> Finding:
    atoms = tuple([atom for part in parts for atom in part.atoms])
    return Finding(holds, atoms, True in [part.elsewhere for part in parts])


def _compare(op: str, left: pst.Expr, right: pst.Expr) -> Walk:
    one, other = _value(left), _value(right)
    shown, beside = _shower(left, right), _shower(right, left)
    if op in ("eq", "not_eq"):
        return lambda facts: _sameness(op == "eq", (one(facts), shown), (other(facts), beside))
    if op not in _COMPARE:
        membership = _membership(op, left)
        return lambda facts: membership(one(facts), other(facts))
    sign, opposite, test = _COMPARE[op]

    def walk(facts: Facts) -> Finding:
        this, that = one(facts), other(facts)
        if not (isinstance(this, int) and isinstance(that, int)):
            raise Opaque(op)
        holds = test(this, that)
        return Finding(holds, (f"{shown(this)} {sign if holds else opposite} {beside(that)}",))

    return walk


Shower = Callable[[Fact], str]


def _sameness(wanted: bool, left: tuple[Fact, Shower], right: tuple[Fact, Shower]) -> Finding:
    (one, shown), (other, beside) = left, right
    same = one == other
    holds = same == wanted
    text = f"{shown(one)} {'=' if same else 'is not'} {beside(other)}"
    return Finding(holds, (text,), elsewhere=not holds and isinstance(one, str))


def _membership(op: str, left: pst.Expr) -> Callable[[Fact, Fact], Finding]:
    label, literal = _label(left), isinstance(left, pst.Set)

    def look(one: Fact, other: Fact) -> Finding:
        if not isinstance(one, tuple) or op not in ("contains", "contains_any", "contains_all"):
            raise Opaque(op)
        held = frozenset(one)
        wanted = frozenset(other) if isinstance(other, tuple) else frozenset([str(other)])
        holds = wanted <= held if op == "contains_all" else bool(wanted & held)
        words = ", ".join(sorted(wanted & held if holds else wanted))
        if literal:  # ["rollback", "failover"].contains(context.class): a fact among words
            return Finding(holds, (f"{words} {'is' if holds else 'is not'} one of {', '.join(one)}",), not holds)
        return Finding(holds, (f"{label} {'with' if holds else 'without'} {words}",))

    return look


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
    def read(_facts: Facts) -> Fact:
        raise Opaque(text)

    return read


def _number(expr: pst.Expr) -> Callable[[Facts], int]:
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


def mentions(policy: pst.Template, variable: str) -> frozenset[str] | None:
    """Return the attributes of a variable that a rule can look at; None where it takes the variable as a whole."""
    found: set[str] = set()
    whole = any(_taken_whole(clause.expr, variable, found) for clause in policy.clauses)
    return None if whole else frozenset(found)


def _taken_whole(node: object, variable: str, found: set[str]) -> bool:
    """Collect the attributes of a variable under a node; True where it stands anywhere without one."""
    match node:
        case pst.GetAttr(pst.Var(name), attr) if name == variable:
            found.add(attr)
            return False
        case pst.Var(name):
            return name == variable
        case tuple():
            parts = list(node)
        case Mapping():
            parts = list(node.values())
        case _ if is_dataclass(node):
            parts = [getattr(node, each.name) for each in fields(node)]
        case _:
            return False
    return any(_taken_whole(part, variable, found) for part in parts)
