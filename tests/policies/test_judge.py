import json
import random
import re
from itertools import product
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.plan import Plan
from policies.caps import Caps, breaches
from policies.decision import Decision, Situation, Verdict
from policies.examples import ACTIONS, Example, read_examples, try_out
from policies.explain import Opaque, walked
from policies.facts import facts_of
from policies.heads import covers
from policies.judge import Rules, ask_cedar, judge, load_rules
from policies.vocabulary import read_vocabulary
from tests.policies.builders import RULES_DIR, SCHEMA, TEXTS, plan, situation
from tests.policies.random_rules import Maker, PlainMaker

EXAMPLES = read_examples((RULES_DIR / "examples.yaml").read_text())
CAPS = Caps()
RANK = {Verdict.DENY: 0, Verdict.ASK: 1, Verdict.ALLOW: 2}
LIBRARY = load_rules(TEXTS, SCHEMA)
EMPTY = load_rules({}, SCHEMA)
PERMIT_ALL = '@id("all") @reason("anything goes") permit(principal, action, resource);'

flags = ("data_fresh", "storm", "frozen", "paused", "opted_out", "other_owner", "reversible")
situations = st.builds(
    situation,
    tier=st.sampled_from(["gold", "silver", "bronze"]),
    environment=st.sampled_from(["production", "staging"]),
    severity=st.sampled_from(["low", "medium", "high", "critical"]),
    confidence_percent=st.integers(0, 100),
    attempts=st.integers(0, 5),
    service_actions_last_hour=st.integers(0, 14),
    fleet_actions_last_hour=st.integers(0, 70),
    blast_percent=st.one_of(st.just(0), st.integers(0, 100)),
    floor_margin=st.integers(-3, 3),
    load_percent=st.integers(0, 200),
    money_per_hour=st.floats(-10, 10),
    **{flag: st.sampled_from([flag in ("data_fresh", "reversible")] * 4 + [True, False]) for flag in flags},
)
plans = st.sampled_from([plan(name) for name in sorted(ACTIONS)] + [plan("scale", playbook="scale_in")])
FORBIDS = [
    f'@id("extra-{number}") @reason("extra") forbid(principal, {action}, resource) {condition};'
    for number, (action, condition) in enumerate(
        (action, condition)
        for action in ("action", 'action in Prunella::Action::"act"', 'action == Prunella::Action::"propose_scale"')
        for condition in (
            "",
            "when { context.load_percent > 50 }",
            'unless { resource.environment == "staging" }',
            "when { context.money_cents * 2 > context.blast_percent + 1 }",
        )
    )
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.name))
def test_decides_as_the_examples_say(example: Example, rules: Rules) -> None:
    (tried,) = try_out([example], rules, CAPS)
    assert not tried.wrong, tried.decision.reasons


def test_a_decision_is_bound_to_plan_rules_and_incident(rules: Rules) -> None:
    asked = plan()
    decision = judge(asked, situation(), rules, CAPS)
    assert (decision.plan_digest, decision.policy_digest, decision.incident) == (asked.digest(), rules.digest, "inc-1")
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


@given(plans, situations)
def test_empty_rules_deny(asked: Plan, facts: Situation) -> None:
    decision = judge(asked, facts, EMPTY, CAPS)
    assert decision.verdict is Verdict.DENY
    assert decision.reasons


@pytest.mark.slow
@given(plans, situations, st.sampled_from(FORBIDS))
def test_adding_a_forbid_never_loosens(asked: Plan, facts: Situation, forbid: str) -> None:
    stricter = load_rules({**TEXTS, "zz.cedar": forbid}, SCHEMA)
    before, after = judge(asked, facts, LIBRARY, CAPS), judge(asked, facts, stricter, CAPS)
    assert RANK[after.verdict] <= RANK[before.verdict]


@pytest.mark.slow
@given(plans, situations, st.integers(0, 1000))
@settings(max_examples=60)
def test_the_order_of_rules_is_irrelevant(asked: Plan, facts: Situation, seed: int) -> None:
    ends = re.compile(r";\s*$", re.MULTILINE)  # of rules: people's words hold semicolons too
    pieces = [f"{piece};" for text in TEXTS.values() for piece in ends.split(_bare(text)) if piece.strip()]
    random.Random(seed).shuffle(pieces)
    shuffled = load_rules({f"{number:03}": piece for number, piece in enumerate(pieces)}, SCHEMA)
    one, other = judge(asked, facts, LIBRARY, CAPS), judge(asked, facts, shuffled, CAPS)
    assert one.verdict == other.verdict
    assert set(one.reasons) == set(other.reasons)


def _bare(text: str) -> str:
    return "\n".join(line.partition("//")[0] for line in text.splitlines())


@given(plans, situations, st.data())
def test_a_missing_or_broken_fact_never_allows(asked: Plan, facts: Situation, data: st.DataObject) -> None:
    permissive = load_rules(
        {"a": PERMIT_ALL, "b": '@id("f") @reason("f") forbid(principal, action, resource) when {context.paused};'},
        SCHEMA,
    )
    whole = facts_of(asked, facts)
    name = data.draw(st.sampled_from(sorted(whole["context"])))
    for context in (
        {key: value for key, value in whole["context"].items() if key != name},
        {**whole["context"], name: 1.5},
        {**whole["context"], "surprise": 1},
    ):
        for answer in ask_cedar(asked.service, asked.class_, {**whole, "context": context}, permissive):  # type: ignore[dict-item]
            assert not answer.allowed
            assert answer.errors


@given(plans, situations)
def test_no_rule_file_raises_a_cap(asked: Plan, facts: Situation) -> None:
    decision = judge(asked, facts, load_rules({"all": PERMIT_ALL}, SCHEMA), CAPS)
    assert (decision.verdict is Verdict.DENY) == bool(breaches(asked, facts, CAPS))


@given(plans, situations)
@settings(max_examples=300)
def test_the_explanation_agrees_with_cedar(asked: Plan, facts: Situation) -> None:
    """What is told to people is what was decided: for every rule of the library, our walk and Cedar say the same."""
    said = facts_of(asked, facts)
    for question, action in (("act", asked.class_), ("propose", f"propose_{asked.class_}")):
        holding = {
            (rule.annotations["id"], rule.effect)
            for rule in LIBRARY.policies.values()
            if covers(rule, frozenset([question, action]), asked.service) and walked(rule).broken(said) == []
        }
        forbids = {name for name, effect in holding if effect == "forbid"}
        permits = {name for name, effect in holding if effect == "permit"}
        answer = ask_cedar(asked.service, asked.class_, said, LIBRARY)[question == "propose"]
        assert {rule.name for rule in answer.rules} == (forbids or permits)


@given(plans, situations)
def test_every_verdict_but_allow_names_what_stands_against_acting_alone(asked: Plan, facts: Situation) -> None:
    decision = judge(asked, facts, LIBRARY, CAPS)
    words = ("forbidden by", "not alone, by", "too little to", "no rule lets", " > ", " < ", "never", "no verb")
    if decision.verdict is not Verdict.ALLOW:
        assert any(word in decision.reasons[0].text for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '@id("typo") @reason("r") forbid(principal, action, resource) when {context.blast_pc > 2};',
            "mine: rule typo: .*blast_pc",
        ),
        ('@id("half") @reason("r") forbid(principal, action, resource) when {', "mine: "),
        ('@id("mute") permit(principal, action, resource);', "rule mute lacks @id or @reason"),
        ('@reason("r") permit(principal, action, resource);', "lacks @id or @reason"),
        ('@id("t") @reason("r") permit(principal == ?principal, action, resource);', "templates are not supported"),
        (
            '@id("no-when-paused") @reason("r") forbid(principal, action, resource);',
            "two rules are called no-when-paused",
        ),
        ('@id("frac") @reason("r") permit(principal, action, resource) when {context.load_percent < 0.5};', "mine: "),
    ],
)
def test_refuses_to_start_on_bad_rules(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_rules({**TEXTS, "mine": text}, SCHEMA)


def test_refuses_a_bad_schema() -> None:
    with pytest.raises(ValueError, match="rule schema"):
        load_rules(TEXTS, "entity {")


@pytest.mark.parametrize(
    "head", ["action", *(f'action in Prunella::Action::"{group}"' for group in ("act", "propose"))]
)
def test_a_rule_that_errs_denies(rules: Rules, head: str) -> None:
    """Cedar skips a forbid that overflows, and would allow; one error makes every answer void."""
    text = (
        f'@id("big") @reason("r") forbid(principal, {head}, resource) '
        "when { context.load_percent * 9223372036854775807 > 0 };"
    )
    decision = judge(plan(), situation(), load_rules({**TEXTS, "mine": text}, SCHEMA), CAPS)
    assert judge(plan(), situation(), rules, CAPS).verdict is Verdict.ALLOW
    assert decision.verdict is Verdict.DENY
    assert "could not be evaluated" in decision.reasons[0].text


@pytest.mark.parametrize(("condition", "holds"), [("false", False), ("context.data_fresh", True)])
def test_what_is_ruled_out_by_name_leaves_the_rest_of_a_rule_to_decide(condition: str, holds: bool) -> None:
    """``unless another playbook`` holds for this one, and that alone is no ground to stop reading the rule."""
    text = (
        '@id("mine") @reason("r") permit(principal, action, resource) '
        f'when {{ !(context.playbook == "scale_in") && {condition} }};'
    )
    mine = load_rules({"mine": text}, SCHEMA)
    (rule,) = mine.policies.values()
    assert (walked(rule).broken(facts_of(plan(), situation())) == []) is holds
    assert (judge(plan(), situation(), mine, CAPS).verdict is Verdict.ALLOW) is holds


def test_an_opaque_rule_falls_back_to_its_reason() -> None:
    text = '@id("odd") @reason("it is odd") permit(principal, action, resource) when { context.playbook like "roll*" };'
    odd = load_rules({"mine": text}, SCHEMA)
    with pytest.raises(Opaque):
        walked(next(iter(odd.policies.values()))).broken(facts_of(plan(), situation()))
    decision = judge(plan(), situation(), odd, CAPS)
    assert (decision.verdict, decision.reasons[0].text) == (Verdict.ALLOW, "it is odd")
    assert judge(plan("scale"), situation(blast_percent=0), odd, CAPS).verdict is Verdict.DENY


def test_a_fact_that_is_too_large_for_the_rule_language_denies(rules: Rules) -> None:
    assert judge(plan(), situation(load_percent=2**70), rules, CAPS).verdict is Verdict.DENY


def test_the_digest_knows_every_text() -> None:
    assert load_rules(TEXTS, SCHEMA).digest == LIBRARY.digest
    assert load_rules({**TEXTS, "mine": PERMIT_ALL}, SCHEMA).digest != LIBRARY.digest


def test_staging_and_service_can_be_singled_out() -> None:
    text = (
        '@id("one") @reason("only chat in staging") permit(principal, action, resource == Prunella::Service::"chat") '
        'when { resource.environment == "staging" };'
    )
    only = load_rules({"mine": text}, SCHEMA)
    assert judge(plan(), situation(environment="staging"), only, CAPS).verdict is Verdict.ALLOW
    assert judge(plan(), situation(), only, CAPS).verdict is Verdict.DENY
    other = judge(plan(service="search"), situation(environment="staging"), only, CAPS)
    assert other.verdict is Verdict.DENY
    assert "no rule lets rollback" in other.reasons[0].text


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", [Maker, PlainMaker])
def test_the_answer_is_cedars_own(kind: type[Maker], seed: int) -> None:
    """Rules asked beforehand, slices, fewer facts and effects turned around change nothing: Cedar agrees."""
    maker = kind(seed, LIBRARY.vocabulary)
    odd = load_rules({"random": maker.rules()}, SCHEMA)
    for _ in range(10):
        action, service, facts = maker.request()
        class_ = action.removeprefix("propose_")
        answers = ask_cedar(service, class_, facts, odd)
        broken = any(answer.errors for answer in answers)
        erring = False
        for answer, name in zip(answers, (class_, f"propose_{class_}"), strict=True):
            whole = _in_full(name, service, facts, odd)
            clean = bool(whole.allowed and not whole.diagnostics.errors)
            assert answer.allowed == (clean and not broken)  # an error in the other question voids both
            erring = erring or bool(whole.diagnostics.errors)
        assert broken == erring or (broken and odd.slices[class_].twice)  # a rule may err where its head does not cover


@given(plans, situations)
@settings(max_examples=200)
def test_what_cedar_was_asked_beforehand_is_what_it_would_say_now(asked: Plan, facts: Situation) -> None:
    said = facts_of(asked, facts)
    whole = {part: dict(values) for part, values in said.items()}
    answers = ask_cedar(asked.service, asked.class_, said, LIBRARY)
    for answer, name in zip(answers, (asked.class_, f"propose_{asked.class_}"), strict=True):
        now = _in_full(name, asked.service, whole, LIBRARY)
        assert (answer.allowed, answer.errors) == (now.allowed, ())
        assert {rule.id for rule in answer.rules} == set(now.diagnostics.reasons)


def test_most_shipped_rules_are_known_beforehand() -> None:
    """Those that compare two facts with each other are asked about when a decision is made."""
    for part in LIBRARY.slices.values():
        left = part.handle.to_pst().static_policies
        assert len(left) <= 3 < len(part.table.rows)


CELLS = [
    ("context.load_percent > 7", {"load_percent": (7, 8)}),
    ("context.load_percent >= 7 || 9 < context.load_percent", {"load_percent": (6, 7, 8, 9, 10)}),
    ("7 >= context.load_percent && context.load_percent != 5", {"load_percent": (4, 5, 6, 7, 8)}),
    ('context.playbook == "a" || context.playbook != "b"', {"playbook": ("a", "b", "c", "", "xx", "x")}),
    ('["a", "b"].contains(context.playbook)', {"playbook": ("a", "b", "c", "ab")}),
    ('context.verbs.containsAll(["a", "b"])', {"verbs": ((), ("a",), ("a", "b"), ("a", "b", "c"))}),
    ('context.verbs.containsAny(["a", "b"]) && !context.verbs.contains("c")', {"verbs": ((), ("b", "c"), ("b", "d"))}),
    ('context.storm && resource.tier == "gold"', {"storm": (True, False), "tier": ("gold", "silver")}),
]


@pytest.mark.parametrize(("condition", "values"), CELLS, ids=[condition for condition, _ in CELLS])
def test_one_value_of_a_cell_speaks_for_all(condition: str, values: dict[str, tuple[Any, ...]]) -> None:
    text = f'@id("mine") @reason("r") permit(principal, action, resource) when {{ {condition} }};'
    mine = load_rules({"mine": text}, SCHEMA)
    assert not mine.slices["rollback"].handle.to_pst().static_policies
    for facts in (dict(zip(values, each, strict=True)) for each in product(*values.values())):
        base = {part: dict(known) for part, known in facts_of(plan(), situation()).items()}
        said = {part: known | {name: facts[name] for name in facts if name in known} for part, known in base.items()}
        assert ask_cedar("chat", "rollback", said, mine)[0].allowed == _in_full("rollback", "chat", said, mine).allowed


@pytest.mark.parametrize(
    "condition",
    [
        "context.load_percent > context.blast_percent",
        "context.load_percent + 1 > 7",
        f"context.load_percent > {2**63 - 1}",
        f"context.load_percent < -{2**63}",
        'context.playbook like "a*"',
        "principal == principal",
        "context.verbs == context.verbs",
        'action == Prunella::Action::"rollback"',
    ],
)
def test_a_rule_that_knows_more_is_asked_about_every_time(condition: str) -> None:
    text = f'@id("mine") @reason("r") permit(principal, action, resource) when {{ {condition} }};'
    part = load_rules({"mine": text}, SCHEMA).slices["rollback"]
    assert (part.table.rows, len(part.handle.to_pst().static_policies)) == ((), 1)


def _in_full(action: str, service: str, facts: dict[str, dict[str, Any]], rules: Rules) -> cedarpy.AuthzResult:
    uid = {"type": "Prunella::Service", "id": service}
    request = {
        "principal": {"type": "Prunella::Controller", "id": "prunella"},
        "action": {"type": "Prunella::Action", "id": action},
        "resource": uid,
        "context": json.dumps(facts["context"]),
    }
    entities = [{"uid": uid, "attrs": facts["resource"], "parents": []}]
    return cedarpy.is_authorized(request, rules.handle, entities, schema=rules.schema)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("storm: Bool", "storm?: Bool", "storm is optional"),
        ("storm: Bool", "storm: decimal", "storm is a decimal"),
        ("storm: Bool", "storm: {deep: Bool}", "storm is a {"),
        ("entity Controller;", "entity Controller; entity Robot in [Controller];", "in where ; is supported"),
        ("principal: Controller,", "principal: [Controller, Service],", "one principal and one resource"),
    ],
)
def test_a_schema_beyond_what_facts_can_say_is_refused(old: str, new: str, words: str) -> None:
    assert old in SCHEMA
    with pytest.raises(ValueError, match=words):
        read_vocabulary(SCHEMA.replace(old, new))
