"""The judge: may this plan run now, alone or with a person's yes? Pure; Cedar decides, caps in code bound Cedar.

Two questions are asked about every plan. ``act`` allowed: ALLOW. Else ``propose`` allowed: ASK. Else DENY. Anything but
a clean Allow is a denial: Cedar skips a forbid that errs, so an answer with one error counts as no answer.

What waits for a decision is an incident, so all that does not depend on it is done at loading: rules parsed and taken
apart, the schema read. Facts are checked against the schema here, once for both questions; Cedar is then handed those
facts that some rule names, for no rule can see the others.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cedarpy
import orjson
from cedarpy import pst

from playbooks.plan import Plan
from policies.caps import Caps, breaches
from policies.decision import Decision, Reason, Situation, Verdict
from policies.explain import Opaque, Walk, walked
from policies.facts import Fact, Facts, facts_of
from policies.heads import resource_covers
from policies.slices import Slice, slice_of
from policies.vocabulary import Vocabulary, read_vocabulary

_NAMESPACE = "Prunella"
_PRINCIPAL = {"type": f"{_NAMESPACE}::Controller", "id": "prunella"}


@dataclass(frozen=True, slots=True)
class Rules:
    """A parsed, validated rule library. ``policies`` is by Cedar's own positional ids."""

    handle: cedarpy.PolicySet
    schema: cedarpy.Schema
    policies: Mapping[str, pst.Template]
    digest: str
    vocabulary: Vocabulary
    walks: Mapping[str, Walk]  # by the same ids
    slices: Mapping[str, Slice]  # by class of playbook
    texts: tuple[str, ...]


class Answer(NamedTuple):
    """The answer to one question. ``rules`` are the permits that allowed, or the forbids that denied."""

    question: str  # "act" | "propose"
    allowed: bool
    rules: tuple[pst.Template, ...]
    errors: tuple[str, ...]


def load_rules(texts: Mapping[str, str], schema_text: str) -> Rules:
    """Parse and validate rule files (name -> text). ``ValueError`` names file and rule: refuse to start.

    Every rule bears a unique ``@id`` and a ``@reason``; templates are refused, for they would silently permit nothing.
    """
    schema = _schema(schema_text)
    for name in sorted(texts):
        _check_file(name, texts[name], schema)
    whole = "\n".join(texts[name] for name in sorted(texts))
    handle = cedarpy.PolicySet.from_str(whole)
    policies = dict(handle.to_pst().static_policies)
    _check_names(policies.values())
    content = json.dumps([schema_text, sorted(texts.items())])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    vocabulary = read_vocabulary(schema_text)
    walks = {name: walked(policy) for name, policy in policies.items()}
    slices = {class_: slice_of(class_, policies, vocabulary) for class_ in vocabulary.classes}
    return Rules(handle, schema, policies, digest, vocabulary, walks, slices, (whole,))


def _schema(text: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise ValueError(f"rule schema: {error}") from error


def _check_file(name: str, text: str, schema: cedarpy.Schema) -> None:
    try:
        policies = cedarpy.PolicySet.from_str(text).to_pst()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if policies.templates:
        raise ValueError(f"{name}: templates are not supported")
    for policy in policies.static_policies.values():
        if not (policy.annotations.get("id") and policy.annotations.get("reason")):
            raise ValueError(f"{name}: rule {policy.annotations.get('id') or policy.id} lacks @id or @reason")
    result = cedarpy.validate_policies(text, schema)
    if not result.validation_passed:
        first = result.errors[0]
        rule = result.id_annotations_by_policy_id.get(first.policy_id, first.policy_id)
        raise ValueError(f"{name}: rule {rule}: {first.error}")


def _check_names(policies: Iterable[pst.Template]) -> None:
    seen: set[str] = set()
    for policy in policies:
        name = policy.annotations["id"]
        if name in seen:
            raise ValueError(f"two rules are called {name}")
        seen.add(name)


def judge(plan: Plan, situation: Situation, rules: Rules, caps: Caps) -> Decision:
    """Decide about a plan. Every reason names its rule and the arithmetic of the facts that decided."""
    facts = facts_of(plan, situation)
    over = breaches(plan, situation, caps)
    act, propose = ask_cedar(plan.service, plan.class_, facts, rules)
    verdict, reasons = _weigh(over, act, propose, _Account(plan, facts, rules))
    if situation.pause:
        reasons = (*reasons, Reason(rule="pause", text=situation.pause))
    if situation.freeze:
        reasons = (*reasons, Reason(rule="freeze-window", text=situation.freeze))
    if situation.capacity:
        reasons = (*reasons, Reason(rule="capacity-proof", text=situation.capacity))
    if situation.budget_cost:
        reasons = (*reasons, Reason(rule="error-budget", text=situation.budget_cost))
    return Decision(
        plan_digest=plan.digest(),
        policy_digest=rules.digest,
        incident=plan.incident,
        at=situation.at,
        verdict=verdict,
        reasons=reasons,
    )


def ask_cedar(service: str, class_: str, facts: Facts, rules: Rules) -> tuple[Answer, Answer]:
    """Let Cedar evaluate the rules, and answer both questions: may she act, may she propose?

    The answer is Cedar's own: allowed where a permit holds and no forbid does. One error anywhere voids both.
    """
    if objection := rules.vocabulary.objection(facts):
        return _void("act", objection), _void("propose", objection)
    part, context = rules.slices[class_], facts["context"]
    look = part.look(context)
    entities = _entities(rules.schema, service, tuple(sorted(facts["resource"].items())))
    request = {
        "principal": _PRINCIPAL,
        "action": {"type": f"{_NAMESPACE}::Action", "id": class_},
        "resource": {"type": f"{_NAMESPACE}::Service", "id": service},
        "context": orjson.dumps({name: context[name] for name in look.named}).decode(),
    }
    act = propose = cedarpy.is_authorized(request, look.handle, entities).diagnostics
    if part.twice:
        request["action"] = {"type": f"{_NAMESPACE}::Action", "id": f"propose_{class_}"}
        propose = cedarpy.is_authorized(request, look.handle, entities).diagnostics
    errors = (*map(str, act.errors), *(map(str, propose.errors) if part.twice else ()))
    return _answer("act", act.reasons, errors, part, rules), _answer("propose", propose.reasons, errors, part, rules)


@lru_cache(4096)
def _entities(schema: cedarpy.Schema, service: str, attributes: tuple[tuple[str, Fact], ...]) -> cedarpy.Entities:
    """Return a service and the actions with their groups, checked against the schema by Cedar; once per service."""
    uid = {"type": f"{_NAMESPACE}::Service", "id": service}
    return cedarpy.Entities.from_json_str(json.dumps([{"uid": uid, "attrs": dict(attributes), "parents": []}]), schema)


def _void(question: str, objection: str) -> "Answer":
    return Answer(question, False, (), (f"the facts do not fit the schema: {objection}",))


def _answer(question: str, holding: Iterable[str], errors: tuple[str, ...], part: Slice, rules: Rules) -> Answer:
    covering = part.of[question]
    named = sorted([rules.policies[name] for name in holding if name in covering], key=_name)
    forbids = tuple([rule for rule in named if rule.effect == "forbid"])
    return Answer(question, bool(named) and not forbids and not errors, forbids or tuple(named), errors)


class _Account(NamedTuple):
    """What is needed to explain an answer."""

    plan: Plan
    facts: Facts
    rules: Rules

    def allowed(self, answer: Answer) -> tuple[Reason, ...]:
        """Return one reason per fact of the permits that allowed."""
        return tuple(Reason(rule=_name(rule), text=atom) for rule in answer.rules for atom in self._atoms(rule))

    def blocked(self, answer: Answer) -> tuple[Reason, ...]:
        """Return the forbids that denied, and what the nearest permit lacked."""
        broken = [Reason(rule="error", text=f"the rules could not be evaluated: {error}") for error in answer.errors]
        head = "forbidden by" if answer.question == "propose" else "not alone, by"
        forbids = [
            Reason(
                rule=_name(rule),
                text=f"{head} {_name(rule)}: {rule.annotations['reason']} ({'; '.join(self._atoms(rule))})",
            )
            for rule in answer.rules
            if rule.effect == "forbid"
        ]
        said = (*broken, *forbids, *(self._lacking(answer) if answer.question == "act" or not forbids else ()))
        return said or (Reason(rule="default-deny", text=f"no rule lets {self.plan.playbook} pass"),)

    def _lacking(self, answer: Answer) -> tuple[Reason, ...]:
        verb = "act alone" if answer.question == "act" else "be proposed"
        covering = self.rules.slices[self.plan.class_].of[answer.question]
        lacks = [
            (missing, rule)
            for rule in (self.rules.policies[name] for name in covering)
            if rule.effect == "permit" and resource_covers(rule.resource, self.plan.service)
            if (missing := self._missing(rule)) is not None
        ]
        if not lacks:
            return (Reason(rule="default-deny", text=f"no rule lets {self.plan.playbook} {verb} here"),)
        missing, rule = min(lacks, key=lambda pair: (len(pair[0]), _name(pair[1])))
        return tuple(Reason(rule=_name(rule), text=f"too little to {verb}: {atom}") for atom in missing)

    def _atoms(self, rule: pst.Template) -> tuple[str, ...]:
        try:
            return self.rules.walks[rule.id](self.facts).atoms or (rule.annotations["reason"],)
        except Opaque:
            return (rule.annotations["reason"],)

    def _missing(self, rule: pst.Template) -> tuple[str, ...] | None:
        """Return what a permit lacks, nothing where it holds; None where it is about another playbook."""
        try:
            finding = self.rules.walks[rule.id](self.facts)
        except Opaque:
            return (f"{_name(rule)} does not hold ({rule.annotations['reason']})",)
        if finding.holds:
            return ()
        return None if finding.elsewhere else finding.atoms


def _weigh(
    over: tuple[Reason, ...], act: Answer, propose: Answer, account: _Account
) -> tuple[Verdict, tuple[Reason, ...]]:
    broken = act.errors or propose.errors  # a rule that errs was skipped by Cedar: nothing it says may be trusted
    if over or broken:
        said = [*account.blocked(propose)] if not propose.allowed else []
        return Verdict.DENY, _distinct([*over, *said, *(account.blocked(act) if not act.allowed else ())])
    if act.allowed:
        return Verdict.ALLOW, _distinct(account.allowed(act))
    if propose.allowed:
        return Verdict.ASK, _distinct([*account.blocked(act), *account.allowed(propose)])
    # What may not even be proposed is not told what it lacks to be done alone, unless nothing else stands against it.
    return Verdict.DENY, _distinct(account.blocked(propose) if propose.rules else _both(account, propose, act))


def _both(account: _Account, propose: Answer, act: Answer) -> tuple[Reason, ...]:
    return (*account.blocked(propose), *account.blocked(act))


def _distinct(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Keep the first word of every rule on every fact: a hard rule forbids both questions with the same facts."""
    kept: dict[tuple[str, str], Reason] = {}
    for reason in reasons:
        kept.setdefault((reason.rule, reason.text.partition(": ")[2] or reason.text), reason)
    return tuple(kept.values())


def _name(rule: pst.Template) -> str:
    return str(rule.annotations["id"])
