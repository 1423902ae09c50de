import json
import os
import random
from typing import Any

import cedarpy
import pytest
from hypothesis import given

from playbooks.plan import Plan
from policies.decision import Situation
from policies.domain import SETS, bounds, choices
from policies.facts import facts_of
from policies.judge import Rules, load_rules

pytest.importorskip("z3", reason="the extra prove is not installed")

from policies.prove import answer_to, findings, prove
from policies.terms import Uncovered
from policies.translate import read_rules, space_of, translate
from policies.words import counterexample
from tests.policies.builders import SCHEMA, TEXTS
from tests.policies.ground import Ground
from tests.policies.random_rules import Maker
from tests.policies.test_judge import LIBRARY, plans, situations

SEEDS = int(os.environ.get("PROVER_SEEDS", "40"))
EACH = 10  # requests per rule set
HANDLE = cedarpy.Schema.from_str(SCHEMA)


def cedar_says(
    rules: cedarpy.PolicySet, schema: cedarpy.Schema, action: str, service: str, facts: dict[str, dict[str, Any]]
) -> tuple[bool, bool]:
    """Whether Cedar permits without any error, and whether there was one."""
    uid = {"type": "Prunella::Service", "id": service}
    request = {
        "principal": {"type": "Prunella::Controller", "id": "prunella"},
        "action": {"type": "Prunella::Action", "id": action},
        "resource": uid,
        "context": json.dumps(facts["context"]),
    }
    entities = [{"uid": uid, "attrs": facts["resource"], "parents": []}]
    found = cedarpy.is_authorized(request, rules, entities, schema=schema)
    errs = bool(found.diagnostics.errors)
    return bool(found.allowed) and not errs, errs


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_translation_says_what_cedar_says(seed: int) -> None:
    """``PROVER_SEEDS=10000`` makes 100,000 requests of it."""
    maker = Maker(seed, LIBRARY.vocabulary)
    text = maker.rules()
    rules, handle = read_rules([text]), cedarpy.PolicySet.from_str(text)
    space = space_of(LIBRARY.vocabulary, rules)
    for _ in range(EACH):
        action, service, facts = maker.request()
        permits, _, erring = Ground(space, service, facts).verdict(translate(rules, action, space))
        assert (permits, bool(erring)) == cedar_says(handle, HANDLE, action, service, facts), (
            text,
            action,
            service,
            facts,
        )


@pytest.mark.parametrize("seed", range(12))
def test_a_proof_is_never_contradicted_by_a_request(seed: int) -> None:
    """Of random changes some are proved and some refuted; a refutation is confirmed by Cedar before it is returned."""
    chance = random.Random(seed)
    before = Maker(seed, LIBRARY.vocabulary).rules(4).splitlines()
    after = [line for line in before if chance.random() < 0.8]
    extra = Maker(seed + 1000, LIBRARY.vocabulary).rules(1).replace('"r0"', '"extra"')
    old, new = (load_rules({"a": "\n".join(each)}, SCHEMA) for each in (before, [*after, extra]))
    found = prove(old, new)
    maker = Maker(seed + 2000, LIBRARY.vocabulary)
    widened = False
    for _ in range(150):
        action, service, facts = maker.request()
        facts["context"]["class"] = action.removeprefix("propose_")
        if not _can_occur(facts):
            continue
        permits = [cedar_says(each.handle, HANDLE, action, service, facts)[0] for each in (old, new)]
        widened = widened or permits == [False, True]
    assert not (widened and found.outcome == "proved")
    if found.example is not None:
        assert (answer_to(found.example, old).allowed, answer_to(found.example, new).allowed) == (False, True)


def _can_occur(facts: dict[str, dict[str, Any]]) -> bool:
    known = {**facts["context"], **facts["resource"]}
    within = all(
        (least is None or known.get(name, least) >= least) and (most is None or known.get(name, most) <= most)
        for name, (least, most) in bounds().items()
    )
    words = all(known[name] in some for name, some in choices().items())
    return within and words and all(known[name] and set(known[name]) <= set(some) for name, some in SETS.items())


@given(plans, situations)
def test_the_domain_holds_for_every_plan_and_situation(asked: Plan, facts: Situation) -> None:
    found = facts_of(asked, facts)
    assert _can_occur({part: dict(named) for part, named in found.items()})


def _changed(old: str, new: str) -> Rules:
    assert any(old in text for text in TEXTS.values())
    return load_rules({name: text.replace(old, new) for name, text in TEXTS.items()}, SCHEMA)


def test_the_shipped_rules_permit_nothing_that_they_do_not() -> None:
    assert prove(LIBRARY, LIBRARY).outcome == "proved"


def test_tightening_is_proved_and_loosening_is_shown_in_words() -> None:
    loose = _changed("context.confidence_percent >= 60", "context.confidence_percent >= 50")
    assert prove(loose, LIBRARY).outcome == "proved"
    found = prove(LIBRARY, loose)
    assert found.example is not None
    words = counterexample(found.example, LIBRARY, loose)
    assert "may now be done alone" in words
    assert "% >= 50 %" in words
    assert "no rule permitted it" in words


def test_a_forbid_that_is_dropped_is_named() -> None:
    dropped = load_rules({name: text for name, text in TEXTS.items() if name != "ask.cedar"}, SCHEMA)
    assert prove(LIBRARY, dropped).outcome == "refuted"
    found = prove(LIBRARY, load_rules({**TEXTS, "forbid.cedar": _without_freeze()}, SCHEMA))
    assert found.example is not None
    assert "forbidden before by no-in-freeze" in counterexample(found.example, LIBRARY, LIBRARY)


def _without_freeze() -> str:
    parts = TEXTS["forbid.cedar"].split("@id(")
    return "@id(".join(part for part in parts if not part.startswith('"no-in-freeze"'))


def test_adding_a_forbid_is_always_proved() -> None:
    more = '@id("night") @reason("people sleep") forbid(principal, action, resource) when { context.hour < 6 };'
    assert prove(LIBRARY, load_rules({**TEXTS, "mine": more}, SCHEMA)).outcome == "proved"


def _rule(effect: str, condition: str, name: str = "mine") -> str:
    return f'@id("{name}") @reason("r") {effect}(principal, action, resource) when {{ {condition} }};'


DOUBTFUL = {
    "huge-blast": (_rule("permit", "context.blast_percent > 100", "huge-blast"), "can never match", True),
    "platinum": (_rule("forbid", 'resource.tier == "platinum"', "platinum"), "can never match", True),
    "format": (_rule("permit", 'context.verbs.contains("format_disk")', "format"), "can never match", True),
    "paused": (_rule("permit", "context.paused", "paused"), "never permits: whenever it holds", True),
    "frozen": (_rule("forbid", "context.frozen && context.paused", "frozen"), "changes no decision", False),
    "overflow": (_rule("forbid", "context.load_percent * 9223372036854775807 > 0", "overflow"), "can overflow", False),
}


@pytest.fixture(scope="module")
def told() -> dict[str, list[tuple[str, bool]]]:
    odd = "\n".join(text for text, _, _ in DOUBTFUL.values())
    twice = f'@doubled("a second lock"){_rule("forbid", "context.frozen && context.paused", "twice")}'
    found = findings(
        load_rules({"forbid.cedar": TEXTS["forbid.cedar"], "odd": f"{odd}{twice}{_rule('permit', 'true')}"}, SCHEMA)
    )
    return {name: [(each.text, each.grave) for each in found if each.rule == name] for name in (*DOUBTFUL, "twice")}


@pytest.mark.slow
@pytest.mark.parametrize("name", DOUBTFUL)
def test_dead_and_doubtful_rules_are_found(name: str, told: dict[str, list[tuple[str, bool]]]) -> None:
    _, words, grave = DOUBTFUL[name]
    assert any(words in text and grave == found for text, found in told[name]), told[name]


@pytest.mark.slow
def test_a_rule_that_is_doubled_on_purpose_is_no_finding(told: dict[str, list[tuple[str, bool]]]) -> None:
    assert told["twice"] == []


@pytest.mark.slow
def test_nothing_is_to_be_said_about_the_shipped_rules() -> None:
    assert findings(LIBRARY) == ()


@pytest.mark.parametrize(
    "condition",
    [
        'decimal("1.5").lessThan(decimal("2.5"))',
        "{storm: context.storm}.storm",
        'Prunella::Service::"chat".tier == "gold"',
        '[["a"], ["b"]].contains(["a"])',
        "context == context",
    ],
)
def test_what_is_not_covered_is_refused(condition: str) -> None:
    rules = read_rules([_rule("permit", condition)])
    with pytest.raises(Uncovered, match=r"not translated|no plain"):
        translate(rules, "scale", space_of(LIBRARY.vocabulary, rules))


def test_rules_over_different_facts_are_not_compared() -> None:
    other = load_rules(TEXTS, SCHEMA.replace("storm: Bool,", "storm: Bool, tide: Long,"))
    with pytest.raises(ValueError, match="differ in tide"):
        prove(LIBRARY, other)
