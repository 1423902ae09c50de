"""Cedar rules as formulas: what ``prove`` and ``check`` reason about. Needs the extra ``prove`` (z3).

The source is Cedar's own JSON form of the rules. Covered is everything that a rule can say in our schema: whole
numbers with Cedar's overflow, truths, strings with ``like``, sets, entities and groups of actions, short circuits and
errors. Anything else raises ``Uncovered``: a proof about half a rule would be worth nothing.

Every value carries the condition under which its evaluation does not err (``terms``). A request is one action, the
controller ``prunella``, a service with any name, and facts of the schema (``space``). The action is fixed, for there
are few; the rest is symbolic (``expressions``, ``sets``).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy
import z3

from policies.expressions import Walk
from policies.space import Space
from policies.terms import Json, Term, Uncovered, both
from policies.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Formula:
    """One rule for one action: when it holds, and when its evaluation errs."""

    name: str
    effect: str
    holds: Any
    errs: Any


def read_rules(texts: Sequence[str]) -> tuple[Json, ...]:
    """Return the rules of some texts in Cedar's JSON form, each with its ``@id``."""
    found = [json.loads(cedarpy.policies_to_json_str(text)) for text in texts]
    if any(each["templates"] or each["templateLinks"] for each in found):
        raise Uncovered("templates are not translated")
    return tuple(rule for each in found for rule in each["staticPolicies"].values())


def space_of(vocabulary: Vocabulary, *rules: Sequence[Json]) -> Space:
    """Return the space in which some sets of rules can be compared."""
    return Space(vocabulary, tuple(sorted({text for each in rules for text in _strings(each)})))


def translate(rules: Sequence[Json], action: str, space: Space) -> tuple[Formula, ...]:
    """Return the formulas of all rules for one action."""
    return tuple(_formula(rule, Walk(action, space)) for rule in rules)


def permitted(formulas: Sequence[Formula]) -> Any:
    """Return when a set of rules permits: a permit holds, no forbid does, and nothing errs."""
    permits = [each.holds for each in formulas if each.effect == "permit"]
    rest = [z3.Not(each.holds) for each in formulas if each.effect == "forbid"]
    return z3.And(z3.Or(permits), *rest, *(z3.Not(each.errs) for each in formulas))


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "Value" and isinstance(value, str):
                yield value
            elif key != "annotations":
                yield from _strings(value)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _strings(each)


def _formula(rule: Json, walk: Walk) -> Formula:
    known = {"effect", "principal", "action", "resource", "conditions", "annotations"}
    if unknown := set(rule) - known:
        raise Uncovered(f"{', '.join(sorted(unknown))} of a rule is not translated")
    whole = Term(z3.And([walk.scope(part, rule[part]) for part in ("principal", "action", "resource")]))
    for condition in rule["conditions"]:
        value = walk.truth(condition["body"])
        clause = value if condition["kind"] == "when" else Term(z3.Not(value.of), value.ok)
        whole = both(whole, clause)
    name = str(rule.get("annotations", {}).get("id", "a rule"))
    holds = z3.simplify(z3.And(whole.of, whole.ok))
    return Formula(name, str(rule["effect"]), holds, z3.simplify(z3.Not(whole.ok)))
