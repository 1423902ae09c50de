"""Why a rule holds or does not, in words and numbers, read from the rule itself: no threshold is written twice.

Cedar alone decides. This module walks the parsed rule beside the same facts and renders what decided it, for example
``confidence 82 % >= 60 %``. What it cannot walk (a rule may use any Cedar) it leaves to the rule's own ``@reason``.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

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


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a condition holds, and the facts that make it so. ``elsewhere``: the rule is about another plan."""

    holds: bool
    atoms: tuple[str, ...]
    elsewhere: bool = False


def explain(policy: pst.Template, facts: Facts) -> Finding:
    """Return whether the conditions of a rule hold, and why. Raises ``Opaque``."""
    clauses: list[pst.Expr] = [
        clause.expr if isinstance(clause, pst.When) else pst.UnaryOp("not", clause.expr) for clause in policy.clauses
    ]
    return reduce(_both, (_walk(clause, facts) for clause in clauses), Finding(True, ()))


def covers(policy: pst.Template, action: frozenset[str], service: str) -> bool:
    """Tell whether a rule's head speaks of an action (its name and groups) and a service."""
    return _action_covers(policy.action, action) and _resource_covers(policy.resource, service)


def _action_covers(scope: pst.ActionConstraint, action: frozenset[str]) -> bool:
    match scope:
        case pst.ActionEq(entity):
            return entity.id in action
        case pst.ActionIn(entities):
            return any(entity.id in action for entity in entities)
        case _:
            return True


def _resource_covers(scope: pst.PrincipalOrResourceConstraint, service: str) -> bool:
    match scope:
        case pst.ScopeEq(pst.EntityUid(_, name)):
            return name == service
        case _:
            return True


def _walk(expr: pst.Expr, facts: Facts) -> Finding:
    match expr:
        case pst.BinaryOp("and", left, right):
            return _both(_walk(left, facts), _walk(right, facts))
        case pst.BinaryOp("or", left, right):
            return _either(_walk(left, facts), _walk(right, facts))
        case pst.UnaryOp("not", arg):
            inner = _walk(arg, facts)
            return Finding(not inner.holds, inner.atoms, inner.elsewhere)
        case pst.BoolLit(value):
            return Finding(value, ())
        case pst.BinaryOp(op, left, right):
            return _compare(op, left, right, facts)
        case _:
            fact = _value(expr, facts)
            if not isinstance(fact, bool):
                raise Opaque(str(expr))
            return Finding(fact, (f"{_label(expr)}: {'yes' if fact else 'no'}",))


def _both(left: Finding, right: Finding) -> Finding:
    if left.holds and right.holds:
        return Finding(True, left.atoms + right.atoms)
    return _joined(False, [part for part in (left, right) if not part.holds])


def _either(left: Finding, right: Finding) -> Finding:
    if left.holds or right.holds:
        return left if left.holds else right
    return _joined(False, [left, right])


def _joined(holds: bool, parts: list[Finding]) -> Finding:
    atoms = tuple(atom for part in parts for atom in part.atoms)
    return Finding(holds, atoms, any(part.elsewhere for part in parts))


def _compare(op: str, left: pst.Expr, right: pst.Expr, facts: Facts) -> Finding:
    one, other = _value(left, facts), _value(right, facts)
    if op in ("eq", "not_eq"):
        same = one == other
        text = f"{_shown(left, one, right)} {'=' if same else 'is not'} {_shown(right, other, left)}"
        holds = same == (op == "eq")
        return Finding(holds, (text,), elsewhere=not holds and isinstance(one, str))
    if op in _COMPARE and isinstance(one, int) and isinstance(other, int):
        sign, opposite, test = _COMPARE[op]
        holds = test(one, other)
        text = f"{_shown(left, one, right)} {sign if holds else opposite} {_shown(right, other, left)}"
        return Finding(holds, (text,))
    return _membership(op, left, one, other)


def _membership(op: str, left: pst.Expr, one: Fact, other: Fact) -> Finding:
    held = frozenset(one) if isinstance(one, tuple) else frozenset[str]()
    wanted = frozenset(other) if isinstance(other, tuple) else frozenset([str(other)])
    if not isinstance(one, tuple) or op not in ("contains", "contains_any", "contains_all"):
        raise Opaque(op)
    holds = wanted <= held if op == "contains_all" else bool(wanted & held)
    words = ", ".join(sorted(wanted & held if holds else wanted))
    if isinstance(left, pst.Set):  # ["rollback", "failover"].contains(context.class): a fact among words
        return Finding(holds, (f"{words} {'is' if holds else 'is not'} one of {', '.join(one)}",), not holds)
    return Finding(holds, (f"{_label(left)} {'with' if holds else 'without'} {words}",))


def _value(expr: pst.Expr, facts: Facts) -> Fact:
    match expr:
        case pst.LongLit(value) | pst.StringLit(value) | pst.BoolLit(value):
            return value
        case pst.GetAttr(pst.Var(name), attr) if attr in facts.get(name, {}):
            return facts[name][attr]
        case pst.Set(elements):
            return tuple(str(_value(element, facts)) for element in elements)
        case pst.UnaryOp("neg", arg):
            return -_number(arg, facts)
        case pst.BinaryOp("add" | "sub" | "mul" as op, left, right):
            return int(getattr(operator, op)(_number(left, facts), _number(right, facts)))
        case _:
            raise Opaque(str(expr))


def _number(expr: pst.Expr, facts: Facts) -> int:
    value = _value(expr, facts)
    if not isinstance(value, int):
        raise Opaque(str(expr))
    return value


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


def _shown(expr: pst.Expr, value: Fact, beside: pst.Expr) -> str:
    words, unit = _split(expr)
    unit = unit or _split(beside)[1]
    number = f"{value / 100:.2f}" if unit == "cents" and isinstance(value, int) else str(value)
    name = "" if isinstance(expr, pst.LongLit) else words
    return f"{name} {number}{_UNITS.get(unit, '')}".strip()
