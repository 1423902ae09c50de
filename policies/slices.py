"""Slices: the rules that can speak of one class of playbooks, made ready once, at loading.

Cedar would skip the rules of other classes one by one at every request. And most rules compare a few facts with fixed
numbers and words, so that finitely many moments are all that they know: of those Cedar is asked beforehand, and a
decision looks the answers up. What compares facts with each other is left to be asked when a decision is made.
"""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, product
from math import prod
from operator import itemgetter
from typing import Any, NamedTuple

import cedarpy
import orjson
from cedarpy import pst

from policies.account import Statement
from policies.cells import Cells, Name, Unbounded, cells_of, told_apart
from policies.facts import Fact, Facts
from policies.heads import action_covers, mentions
from policies.vocabulary import Vocabulary

Policies = Mapping[str, pst.Template]
NAMESPACE = "Prunella"
PRINCIPAL = {"type": f"{NAMESPACE}::Controller", "id": "prunella"}
_ANY = {"type": f"{NAMESPACE}::Service", "id": "any"}
_MOST = 512  # in so many moments a rule is asked about beforehand


class Known(NamedTuple):
    """A rule that knows finitely many moments, and those in which it holds: Cedar's answers, asked beforehand."""

    cells: Mapping[Name, Cells]
    holding: frozenset[tuple[Hashable, ...]]  # cells of those facts


class Table(NamedTuple):
    """The known rules of a slice. Where several tell a fact apart alike, it is looked at once."""

    cells: tuple[tuple[Name, Callable[[Any], Hashable]], ...]
    rows: tuple[tuple[str, Callable[[Sequence[Hashable]], Hashable], frozenset[Hashable]], ...]

    def held(self, facts: Facts) -> list[str]:
        """Return the rules that hold, by id."""
        cells = [of(facts[part][name]) for (part, name), of in self.cells]
        return [id_ for id_, pick, holding in self.rows if pick(cells) in holding]


@dataclass(frozen=True, slots=True)
class Slice:
    """The rules whose head can cover a class of playbooks, for both questions.

    Every effect is turned to permit and the action taken out of the head, so that one look of Cedar tells of each rule,
    by its id alone, whether it holds.
    """

    table: Table
    handle: cedarpy.PolicySet  # the rules that are not in the table
    named: tuple[str, ...]  # the facts that those can see
    of: Mapping[str, Mapping[str, Statement]]  # by question: the rules that cover it, by id
    twice: bool  # a condition asks which action it is, so that each question needs a look of its own


def questions(class_: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return both questions about a plan of a class, each with the action that it is asked about."""
    return ("act", class_), ("propose", f"propose_{class_}")


def known_rules(policies: Policies, vocabulary: Vocabulary) -> Mapping[str, Known]:
    """Ask Cedar beforehand about every rule that knows few enough moments."""
    return {name: known for name, policy in policies.items() if (known := _known(_bared(policy), vocabulary))}


def slice_of(
    class_: str,
    policies: Policies,
    known: Mapping[str, Known],
    statements: Mapping[str, Statement],
    vocabulary: Vocabulary,
) -> Slice:
    """Make the rules of one class ready."""
    of = {
        question: {
            name: statements[name]
            for name, policy in policies.items()
            if action_covers(policy.action, vocabulary.actions[action])
        }
        for question, action in questions(class_)
    }
    covering = [name for name in policies if any(name in names for names in of.values())]
    rest = {name: _bared(policies[name]) for name in covering if name not in known}
    every = frozenset(vocabulary.context)
    seen = [every if (facts := mentions(policy, "context")) is None else facts for policy in rest.values()]
    named = tuple(sorted(frozenset[str]().union(*seen)))
    twice = any(mentions(policy, "action") is None for policy in rest.values())
    return Slice(_table({name: known[name] for name in covering if name in known}), _handle(rest), named, of, twice)


def _bared(policy: pst.Template) -> pst.Template:
    return replace(policy, effect="permit", action=pst.ScopeAny(), annotations={})


def _handle(policies: Policies) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=policies, template_links=()))


def _known(policy: pst.Template, vocabulary: Vocabulary) -> Known | None:
    """Ask Cedar about a rule in every moment that it knows; None where those are not few, or it errs in one."""
    try:
        apart = told_apart(policy, vocabulary)
    except Unbounded:
        return None
    kinds = {"context": vocabulary.context, "resource": vocabulary.resource}
    cells = {
        (part, name): cells_of(kinds[part][name], marks) for (part, name), marks in sorted(apart.items(), reverse=True)
    }
    few = 1 < prod(len(each.samples) for each in cells.values()) <= _MOST
    if not few or not isinstance(policy.resource, pst.ScopeAny):
        return None
    moments = _moments(cells)
    answers = _asked(_handle({policy.id: policy}), moments)
    if any(answer.diagnostics.errors for answer in answers):
        return None
    holding = (moment for moment, answer in zip(moments, answers, strict=True) if answer.allowed)
    return Known(cells, frozenset(tuple(cells[name].of(moment[name]) for name in cells) for moment in holding))


def _moments(cells: Mapping[Name, Cells]) -> list[Mapping[Name, Fact]]:
    """Return every combination of cells, by one value of each."""
    return [dict(zip(cells, values, strict=True)) for values in product(*(each.samples for each in cells.values()))]


def _asked(handle: cedarpy.PolicySet, moments: Sequence[Mapping[Name, Fact]]) -> list[cedarpy.AuthzResult]:
    found = []
    for attributes, alike in groupby(moments, _attributes):
        contexts = ({name: fact for (part, name), fact in moment.items() if part == "context"} for moment in alike)
        asked = [
            {"principal": PRINCIPAL, "action": _ANY, "resource": _ANY, "context": orjson.dumps(context).decode()}
            for context in contexts
        ]
        found += cedarpy.is_authorized_batch(asked, handle, _service(attributes))
    return found


def _attributes(moment: Mapping[Name, Fact]) -> tuple[tuple[str, Fact], ...]:
    return tuple((name, fact) for (part, name), fact in moment.items() if part == "resource")


@lru_cache(64)
def _service(attributes: tuple[tuple[str, Fact], ...]) -> cedarpy.Entities:
    return cedarpy.Entities.from_json_str(json.dumps([{"uid": _ANY, "attrs": dict(attributes), "parents": []}]))


def _table(known: Mapping[str, Known]) -> Table:
    """Put rules together; ``cells`` that are alike by their samples are one."""
    places: dict[tuple[Name, tuple[Fact, ...]], int] = {}
    readers: list[tuple[Name, Callable[[Any], Hashable]]] = []
    rows = []
    for id_, rule in known.items():
        for name, cells in rule.cells.items():
            if (name, cells.samples) not in places:
                places[name, cells.samples] = len(readers)
                readers.append((name, cells.of))
        pick = itemgetter(*(places[name, cells.samples] for name, cells in rule.cells.items()))
        alone = len(rule.cells) == 1  # then what is picked is no tuple
        rows.append((id_, pick, frozenset(each[0] if alone else each for each in rule.holding)))
    return Table(tuple(readers), tuple(rows))
