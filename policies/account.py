"""The account of an answer: which rules decided, by which facts, and what was lacking. Cedar decided before this.

Every decision waits for its words, so a rule is made ready to be told once, at loading, and a rule that Cedar found to
hold is not tested again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cedarpy import pst

from playbooks.plan import Plan
from policies.decision import Reason
from policies.explain import Condition, Opaque, Walk, told, walked
from policies.facts import Facts
from policies.heads import service_of


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule made ready to be told. ``id`` is Cedar's own positional one, ``name`` its ``@id``."""

    id: str
    name: str
    forbids: bool
    reason: str
    service: str  # the only one that it speaks of; empty: of all
    walk: Walk

    def held(self, facts: Facts) -> tuple[str, ...]:
        """Return what makes a rule hold that Cedar found to hold."""
        try:
            return self.walk.held(facts) or (self.reason,)
        except Opaque:
            return (self.reason,)

    def lacks(self, facts: Facts) -> list[Condition] | None:
        """Return the conditions that do not hold; None where the rule is about another plan."""
        try:
            return self.walk.broken(facts)
        except Opaque:
            text = f"{self.name} does not hold ({self.reason})"
            return [Condition(lambda _facts: False, lambda _facts: (text,))]


def statement_of(policy: pst.Template) -> Statement:
    """Make a rule ready to be told."""
    said = policy.annotations
    return Statement(
        id=policy.id,
        name=str(said["id"]),
        forbids=policy.effect == "forbid",
        reason=str(said["reason"]),
        service=service_of(policy.resource),
        walk=walked(policy),
    )


class Answer(NamedTuple):
    """The answer to one question. ``rules`` are the permits that allowed, or the forbids that denied, by name."""

    question: str  # "act" | "propose"
    allowed: bool
    rules: tuple[Statement, ...]
    errors: tuple[str, ...]


class Account(NamedTuple):
    """What is needed to put answers about a plan into words. ``covering``: the rules that speak of each question."""

    plan: Plan
    facts: Facts
    covering: Mapping[str, Mapping[str, Statement]]

    def allowed(self, answer: Answer) -> list[Reason]:
        """Return one reason per fact of the permits that allowed."""
        return [Reason(rule=rule.name, text=atom) for rule in answer.rules for atom in rule.held(self.facts)]

    def denied(self, *answers: Answer) -> list[Reason]:
        """Return what stands against each question in turn: the forbids that hold, and what the nearest permit lacks.

        A hard rule forbids both questions with the same facts, and is told once.
        """
        said = [Reason(rule="error", text=f"the rules could not be evaluated: {each}") for each in answers[0].errors]
        known: set[str] = set()
        for answer in answers:
            forbids = [rule for rule in answer.rules if rule.forbids]
            said += [self._forbidden(rule, answer.question) for rule in forbids if rule.name not in known]
            known.update([rule.name for rule in forbids])
            if not answer.errors and (answer.question == "act" or not forbids):
                said += self._lacking(answer.question)
        return said or [self._default("pass")]

    def _forbidden(self, rule: Statement, question: str) -> Reason:
        head = "forbidden by" if question == "propose" else "not alone, by"
        return Reason(rule=rule.name, text=f"{head} {rule.name}: {rule.reason} ({'; '.join(rule.held(self.facts))})")

    def _lacking(self, question: str) -> list[Reason]:
        """Return what the permit lacks that lacks least; nothing where one holds, for then a forbid decided."""
        verb, service = "act alone" if question == "act" else "be proposed", self.plan.service
        lacks = [
            (lack, rule)
            for rule in self.covering[question].values()
            if not rule.forbids and rule.service in ("", service)
            if (lack := rule.lacks(self.facts)) is not None
        ]
        if not lacks:
            return [self._default(f"{verb} here")]
        lack, rule = min(lacks, key=lambda pair: (len(pair[0]), pair[1].name))
        return [Reason(rule=rule.name, text=f"too little to {verb}: {atom}") for atom in told(lack, self.facts)]

    def _default(self, verb: str) -> Reason:
        return Reason(rule="default-deny", text=f"no rule lets {self.plan.playbook} {verb}")
