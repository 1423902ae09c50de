"""Slices: the rules that can speak of one class of playbooks, made ready once, at loading.

Cedar would skip the rules of other classes one by one at every request. And most hard rules ask nothing but a yes-or-no
fact or two (``context.paused``): of those Cedar is asked beforehand, for every combination of their facts, so that
neither they nor the facts that only they see take part in a decision any more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from operator import itemgetter
from typing import Any, NamedTuple

import cedarpy
import orjson
from cedarpy import pst

from policies.account import Statement
from policies.facts import Fact
from policies.heads import action_covers, mentions
from policies.vocabulary import Vocabulary

Policies = Mapping[str, pst.Template]
NAMESPACE = "Prunella"
PRINCIPAL = {"type": f"{NAMESPACE}::Controller", "id": "prunella"}
_ANY = {"type": f"{NAMESPACE}::Service", "id": "any"}
_NOTHING = cedarpy.Entities.from_json_str("[]")
_MOST_FLAGS = 6  # so many combinations, two to that power, are asked beforehand


class Known(NamedTuple):
    """A rule that sees yes-or-no facts alone, and with which of them it holds: Cedar's answers, asked beforehand."""

    id: str
    read: Callable[[Mapping[str, Any]], Any]  # context -> those facts
    holding: frozenset[Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """The rules whose head can cover a class of playbooks, for both questions.

    Every effect is turned to permit and the action taken out of the head, so that one look of Cedar tells of each rule,
    by its id alone, whether it holds.
    """

    handle: cedarpy.PolicySet  # the rules that are not known beforehand
    named: tuple[str, ...]  # the facts that those can see
    known: tuple[Known, ...]
    of: Mapping[str, Mapping[str, Statement]]  # by question: the rules that cover it, by id
    twice: bool  # a condition asks which action it is, so that each question needs a look of its own

    def held(self, context: Mapping[str, Fact]) -> list[str]:
        """Return the rules known beforehand that hold."""
        return [id_ for id_, read, holding in self.known if read(context) in holding]


def questions(class_: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return both questions about a plan of a class, each with the action that it is asked about."""
    return ("act", class_), ("propose", f"propose_{class_}")


def slice_of(class_: str, policies: Policies, statements: Mapping[str, Statement], vocabulary: Vocabulary) -> Slice:
    """Make the rules of one class ready."""
    of = {
        question: {
            name: statements[name]
            for name, policy in policies.items()
            if action_covers(policy.action, vocabulary.actions[action])
        }
        for question, action in questions(class_)
    }
    covering = {
        name: replace(policies[name], effect="permit", action=pst.ScopeAny(), annotations={})
        for name in policies
        if any(name in names for names in of.values())
    }
    known = {name: found for name, policy in covering.items() if (found := _known(policy, vocabulary))}
    rest = {name: policy for name, policy in covering.items() if name not in known}
    every = frozenset(vocabulary.context)
    seen = [every if (facts := mentions(policy, "context")) is None else facts for policy in rest.values()]
    named = tuple(sorted(frozenset[str]().union(*seen)))
    twice = any(mentions(policy, "action") is None for policy in rest.values())
    return Slice(_handle(rest), named, tuple(known.values()), of, twice)


def _handle(policies: Policies) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=policies, template_links=()))


def _known(policy: pst.Template, vocabulary: Vocabulary) -> Known | None:
    """Ask Cedar about a rule with every combination of its facts; None where that cannot be done."""
    flags = _flags(policy, vocabulary)
    if not flags:
        return None
    moments = [dict(zip(flags, facts, strict=True)) for facts in product((False, True), repeat=len(flags))]
    asked = [
        {"principal": PRINCIPAL, "action": _ANY, "resource": _ANY, "context": orjson.dumps(moment).decode()}
        for moment in moments
    ]
    answers = cedarpy.is_authorized_batch(asked, _handle({policy.id: policy}), _NOTHING)
    if any(answer.diagnostics.errors for answer in answers):
        return None
    read = itemgetter(*flags)
    return Known(
        policy.id, read, frozenset(read(each) for each, to in zip(moments, answers, strict=True) if to.allowed)
    )


def _flags(policy: pst.Template, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the facts that a rule sees, where they are a few of yes or no and it looks at nothing else."""
    sees = mentions(policy, "context")
    alone = all(mentions(policy, variable) == frozenset() for variable in ("principal", "action", "resource"))
    if sees is None or not alone or not isinstance(policy.resource, pst.ScopeAny) or len(sees) > _MOST_FLAGS:
        return ()
    return tuple(sorted(sees)) if all(vocabulary.context[name] == "Bool" for name in sees) else ()
