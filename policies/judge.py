"""The judge: may this plan run now, alone or with a person's yes? Pure; Cedar decides, caps in code bound Cedar.

Two questions are asked about every plan. ``act`` allowed: ALLOW. Else ``propose`` allowed: ASK. Else DENY. Anything but
a clean Allow is a denial: Cedar skips a forbid that errs, so an answer with one error counts as no answer.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy
from cedarpy import pst

from playbooks.plan import Plan
from policies.caps import Caps, breaches
from policies.decision import Decision, Reason, Situation, Verdict
from policies.explain import Opaque, covers, explain
from policies.facts import Facts, facts_of

_NAMESPACE = "Prunella"
_PRINCIPAL = {"type": f"{_NAMESPACE}::Controller", "id": "prunella"}


@dataclass(frozen=True, slots=True)
class Rules:
    """A parsed, validated rule library. ``policies`` is by Cedar's own positional ids."""

    handle: cedarpy.PolicySet
    schema: cedarpy.Schema
    policies: Mapping[str, pst.Template]
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Cedar's answer to one question. ``rules`` are the permits that allowed, or the forbids that denied."""

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
    return Rules(handle, schema, policies, hashlib.sha256(content.encode()).hexdigest()[:16])


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
    return Decision(
        plan_digest=plan.digest(),
        policy_digest=rules.digest,
        incident=plan.incident,
        at=situation.at,
        verdict=verdict,
        reasons=reasons,
    )


def ask_cedar(service: str, class_: str, facts: Facts, rules: Rules) -> tuple[Answer, Answer]:
    """Put both questions to Cedar, with the schema, and return its answers: may she act, may she propose?"""
    service_uid = {"type": f"{_NAMESPACE}::Service", "id": service}
    context = json.dumps(facts["context"])
    requests: list[dict[str, Any]] = [
        {
            "principal": _PRINCIPAL,
            "action": {"type": f"{_NAMESPACE}::Action", "id": action},
            "resource": service_uid,
            "context": context,
        }
        for action in (class_, f"propose_{class_}")
    ]
    entities = [{"uid": service_uid, "attrs": dict(facts["resource"]), "parents": []}]
    act, propose = cedarpy.is_authorized_batch(requests, rules.handle, entities, schema=rules.schema)
    return _answer("act", act, rules), _answer("propose", propose, rules)


def _answer(question: str, result: cedarpy.AuthzResult, rules: Rules) -> Answer:
    diagnostics = result.diagnostics
    errors = tuple(str(error) for error in diagnostics.errors)
    named = [rules.policies[policy] for policy in diagnostics.reasons if policy in rules.policies]
    ordered = tuple(sorted(named, key=_name))
    return Answer(question, bool(result.allowed) and not errors, ordered, errors)


@dataclass(frozen=True, slots=True)
class _Account:
    """What is needed to explain an answer."""

    plan: Plan
    facts: Facts
    rules: Rules

    def allowed(self, answer: Answer) -> tuple[Reason, ...]:
        """Return one reason per fact of the permits that allowed."""
        return tuple(Reason(rule=_name(rule), text=atom) for rule in answer.rules for atom in _atoms(rule, self.facts))

    def blocked(self, answer: Answer) -> tuple[Reason, ...]:
        """Return the forbids that denied, and what the nearest permit lacked."""
        broken = [Reason(rule="error", text=f"the rules could not be evaluated: {error}") for error in answer.errors]
        head = "forbidden by" if answer.question == "propose" else "not alone, by"
        forbids = [
            Reason(
                rule=_name(rule),
                text=f"{head} {_name(rule)}: {rule.annotations['reason']} ({'; '.join(_atoms(rule, self.facts))})",
            )
            for rule in answer.rules
            if rule.effect == "forbid"
        ]
        said = (*broken, *forbids, *self._lacking(answer))
        return said or (Reason(rule="default-deny", text=f"no rule lets {self.plan.playbook} pass"),)

    def _lacking(self, answer: Answer) -> tuple[Reason, ...]:
        names = frozenset([self.plan.class_ if answer.question == "act" else f"propose_{self.plan.class_}"])
        names |= {answer.question}
        verb = "act alone" if answer.question == "act" else "be proposed"
        lacks = [
            (missing, rule)
            for rule in self.rules.policies.values()
            if rule.effect == "permit" and covers(rule, names, self.plan.service)
            if (missing := _missing(rule, self.facts)) is not None
        ]
        if not lacks:
            return (Reason(rule="default-deny", text=f"no rule lets {self.plan.playbook} {verb} here"),)
        missing, rule = min(lacks, key=lambda pair: (len(pair[0]), _name(pair[1])))
        return tuple(Reason(rule=_name(rule), text=f"too little to {verb}: {atom}") for atom in missing)


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
    return Verdict.DENY, _distinct([*account.blocked(propose), *account.blocked(act)])


def _distinct(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Keep the first word of every rule on every fact: a hard rule forbids both questions with the same facts."""
    kept: dict[tuple[str, str], Reason] = {}
    for reason in reasons:
        kept.setdefault((reason.rule, reason.text.partition(": ")[2] or reason.text), reason)
    return tuple(kept.values())


def _name(rule: pst.Template) -> str:
    return str(rule.annotations["id"])


def _atoms(rule: pst.Template, facts: Facts) -> tuple[str, ...]:
    try:
        return explain(rule, facts).atoms or (rule.annotations["reason"],)
    except Opaque:
        return (rule.annotations["reason"],)


def _missing(rule: pst.Template, facts: Facts) -> tuple[str, ...] | None:
    """Return what a permit lacks, nothing where it holds; None where it is about another playbook."""
    try:
        finding = explain(rule, facts)
    except Opaque:
        return (f"{_name(rule)} does not hold ({rule.annotations['reason']})",)
    if finding.holds:
        return ()
    return None if finding.elsewhere else finding.atoms
