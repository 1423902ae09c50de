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
from operator import attrgetter

import cedarpy
import orjson
from cedarpy import pst

from playbooks.plan import Plan
from policies.account import Account, Answer, Statement, statement_of
from policies.caps import Caps, breaches
from policies.decision import Decision, Reason, Situation, Verdict
from policies.facts import Fact, Facts, facts_of
from policies.slices import NAMESPACE, PRINCIPAL, Slice, known_rules, slice_of
from policies.vocabulary import Vocabulary, read_vocabulary

_name = attrgetter("name")


@dataclass(frozen=True, slots=True)
class Rules:
    """A parsed, validated rule library. ``policies`` is by Cedar's own positional ids."""

    handle: cedarpy.PolicySet
    schema: cedarpy.Schema
    policies: Mapping[str, pst.Template]
    digest: str
    vocabulary: Vocabulary
    statements: Mapping[str, Statement]  # by the same ids
    slices: Mapping[str, Slice]  # by class of playbook
    texts: tuple[str, ...]


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
    statements = {name: statement_of(policy) for name, policy in policies.items()}
    known = known_rules(policies, vocabulary)
    slices = {class_: slice_of(class_, policies, known, statements, vocabulary) for class_ in vocabulary.classes}
    return Rules(handle, schema, policies, digest, vocabulary, statements, slices, (whole,))


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
    account = Account(plan, facts, rules.slices[plan.class_].of)
    verdict, reasons = _weigh(over, act, propose, account)
    return Decision(
        plan_digest=plan.digest(),
        policy_digest=rules.digest,
        incident=plan.incident,
        at=situation.at,
        verdict=verdict,
        reasons=(*reasons, *_beside(situation)),
    )


def _beside(situation: Situation) -> Iterable[Reason]:
    """Return what people are told besides: arithmetic of facts that a rule sees as one number."""
    if situation.pause:
        yield Reason(rule="pause", text=situation.pause)
    if situation.freeze:
        yield Reason(rule="freeze-window", text=situation.freeze)
    if situation.capacity:
        yield Reason(rule="capacity-proof", text=situation.capacity)
    if situation.budget_cost:
        yield Reason(rule="error-budget", text=situation.budget_cost)


def ask_cedar(service: str, class_: str, facts: Facts, rules: Rules) -> tuple[Answer, Answer]:
    """Let Cedar evaluate the rules, and answer both questions: may she act, may she propose?

    The answer is Cedar's own: allowed where a permit holds and no forbid does. One error anywhere voids both.
    """
    if objection := rules.vocabulary.objection(facts):
        return _void("act", objection), _void("propose", objection)
    part, context = rules.slices[class_], facts["context"]
    entities = _entities(rules.schema, service, tuple(facts["resource"].items()))
    request = {
        "principal": PRINCIPAL,
        "action": {"type": f"{NAMESPACE}::Action", "id": class_},
        "resource": {"type": f"{NAMESPACE}::Service", "id": service},
        "context": orjson.dumps({name: context[name] for name in part.named}).decode(),
    }
    act = propose = cedarpy.is_authorized(request, part.handle, entities).diagnostics
    if part.twice:
        request["action"] = {"type": f"{NAMESPACE}::Action", "id": f"propose_{class_}"}
        propose = cedarpy.is_authorized(request, part.handle, entities).diagnostics
    errors, known = (*act.errors, *(propose.errors if part.twice else ())), part.table.held(facts)
    return _answer("act", (*known, *act.reasons), errors, part), _answer(
        "propose", (*known, *propose.reasons), errors, part
    )


@lru_cache(4096)
def _entities(schema: cedarpy.Schema, service: str, attributes: tuple[tuple[str, Fact], ...]) -> cedarpy.Entities:
    """Return a service and the actions with their groups, checked against the schema by Cedar; once per service."""
    uid = {"type": f"{NAMESPACE}::Service", "id": service}
    return cedarpy.Entities.from_json_str(json.dumps([{"uid": uid, "attrs": dict(attributes), "parents": []}]), schema)


def _void(question: str, objection: str) -> Answer:
    return Answer(question, False, (), (f"the facts do not fit the schema: {objection}",))


def _answer(question: str, holding: Iterable[str], errors: tuple[str, ...], part: Slice) -> Answer:
    covering = part.of[question]
    named = sorted([covering[name] for name in holding if name in covering], key=_name)
    forbids = [rule for rule in named if rule.forbids]
    return Answer(question, bool(named) and not forbids and not errors, tuple(forbids or named), errors)


def _weigh(over: tuple[Reason, ...], act: Answer, propose: Answer, account: Account) -> tuple[Verdict, list[Reason]]:
    broken = act.errors  # a rule that errs was skipped by Cedar: nothing it says may be trusted
    if over or broken:
        against = [answer for answer in (propose, act) if not answer.allowed]
        return Verdict.DENY, [*over, *(account.denied(*against) if against else ())]
    if act.allowed:
        return Verdict.ALLOW, account.allowed(act)
    if propose.allowed:
        return Verdict.ASK, [*account.denied(act), *account.allowed(propose)]
    # What may not even be proposed is not told what it lacks to be done alone, unless nothing else stands against it.
    return Verdict.DENY, account.denied(propose) if propose.rules else account.denied(propose, act)
