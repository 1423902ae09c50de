"""Slices: the rules that can speak of one class of playbooks, made ready once, at loading.

Cedar would skip the rules of other classes one by one at every request, and read facts that none of the rest can see.
Nor does most of a hard rule matter on a calm day: so each slice is held twice, in full, and with the yes-or-no facts
written in as they are when nothing stands in the way, which the rules of that day are then free of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import cedarpy
from cedarpy import pst

from policies.domain import usual
from policies.facts import Fact
from policies.heads import action_covers, mentions
from policies.vocabulary import Vocabulary

Policies = Mapping[str, pst.Template]


@dataclass(frozen=True, slots=True)
class Look:
    """Rules that Cedar looks at, with every effect turned to permit and the action taken out of the head.

    So one look tells of each rule, by its id alone, whether it holds.
    """

    handle: cedarpy.PolicySet
    named: tuple[str, ...]  # the facts that they can see


@dataclass(frozen=True, slots=True)
class Slice:
    """The rules whose head can cover a class of playbooks, for both questions. ``of``: the ids that cover each."""

    full: Look
    calm: Look  # the same where every fact of ``at_rest`` is as it says
    at_rest: Mapping[str, bool]
    of: Mapping[str, frozenset[str]]
    twice: bool  # a condition asks which action it is, so that each question needs a look of its own

    def look(self, context: Mapping[str, Fact]) -> Look:
        """Return the rules that the facts have to be shown to."""
        return self.calm if [context[name] for name in self.at_rest] == [*self.at_rest.values()] else self.full


def questions(class_: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return both questions about a plan of a class, each with the action that it is asked about."""
    return ("act", class_), ("propose", f"propose_{class_}")


def slice_of(class_: str, policies: Policies, vocabulary: Vocabulary) -> Slice:
    """Make the rules of one class ready."""
    of = {
        question: frozenset(
            name for name, policy in policies.items() if action_covers(policy.action, vocabulary.actions[action])
        )
        for question, action in questions(class_)
    }
    covering = {
        name: replace(policies[name], effect="permit", action=pst.ScopeAny(), annotations={})
        for name in policies
        if any(name in names for names in of.values())
    }
    whole, full = any(mentions(policy, "context") is None for policy in covering.values()), _look(covering, vocabulary)
    rest = usual(class_, {name: vocabulary.context[name] for name in full.named if not whole})
    at_rest = {name: value for name, value in rest.items() if isinstance(value, bool)}
    settled = {name: written for name, policy in covering.items() if (written := _settled(policy, at_rest))}
    twice = any(mentions(policy, "action") is None for policy in covering.values())
    return Slice(full, _look(settled, vocabulary), at_rest, of, twice)


def _look(policies: Policies, vocabulary: Vocabulary) -> Look:
    handle = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=policies, template_links=()))
    seen = [mentions(policy, "context") for policy in policies.values()]
    every = frozenset(vocabulary.context)
    return Look(handle, tuple(sorted(frozenset[str]().union(*(every if names is None else names for names in seen)))))


def _settled(policy: pst.Template, facts: Mapping[str, bool]) -> pst.Template | None:
    """Write facts into a rule; None: with them its first clause never holds, so it is not even read."""
    clauses = tuple(replace(clause, expr=_written(clause.expr, facts)) for clause in policy.clauses)
    match clauses:
        case (pst.When(pst.BoolLit(False)) | pst.Unless(pst.BoolLit(True)), *_):
            return None
        case _:
            return replace(policy, clauses=clauses)


def _written(expr: Any, facts: Mapping[str, bool]) -> Any:
    """Return an expression with facts written in, and what they decide left out.

    Only the left side of an ``and`` or ``or`` is let decide: the right one is not evaluated by Cedar then either, so
    that even an error of the rule comes or stays away as before.
    """
    match expr:
        case pst.GetAttr(pst.Var("context"), attr) if attr in facts:
            return pst.BoolLit(facts[attr])
        case pst.UnaryOp("not", arg):
            return _negated(_written(arg, facts))
        case pst.BinaryOp("and" | "or", left, right):
            return _joined(expr, _written(left, facts), _written(right, facts))
        case _:
            return _rebuilt(expr, lambda part: _written(part, facts))


def _negated(expr: Any) -> Any:
    return pst.BoolLit(not expr.value) if isinstance(expr, pst.BoolLit) else pst.UnaryOp("not", expr)


def _joined(whole: pst.BinaryOp, left: Any, right: Any) -> Any:
    match left:
        case pst.BoolLit(value):
            return left if value == (whole.op == "or") else right
        case _:
            return replace(whole, left=left, right=right)


def _rebuilt(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a node with its parts changed."""
    match node:
        case tuple():
            return tuple(change(part) for part in node)
        case Mapping():
            return {name: change(part) for name, part in node.items()}
        case _ if is_dataclass(node) and not isinstance(node, type):
            return replace(node, **{each.name: change(getattr(node, each.name)) for each in fields(node)})
        case _:
            return node
