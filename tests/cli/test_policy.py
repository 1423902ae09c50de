import json
import shutil
from pathlib import Path

import pytest

from policies.examples import CALM
from tests.cli.conftest import Run, write_case
from tests.view.sample import at, healed
from tools.live.journal import SqlJournal

SHIPPED = Path(__file__).parents[2] / "policies" / "rules"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(SHIPPED, folder)
    return folder


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("command", ["check", "test", "explain", "prove"])
def test_every_help_has_an_example(prunella: Run, command: str) -> None:
    done = prunella("policy", command, "--help")
    assert done.exit_code == 0
    assert f"Example: prunella policy {command}" in done.output


def test_the_shipped_rules_decide_as_meant(prunella: Run) -> None:
    done = prunella("policy", "test")
    assert done.exit_code == 0, done.output
    assert "examples decide as meant" in done.output


def test_an_example_that_is_decided_otherwise_is_shown_with_its_reasons(prunella: Run, rules: Path) -> None:
    _edit(rules / "class_rollback_failover.cedar", "confidence_percent >= 60", "confidence_percent >= 90")
    done = prunella("policy", "test", str(rules))
    assert done.exit_code == 1
    assert "BAD  a sure and small rollback goes alone: is ask, not allow" in done.output
    assert "confidence 82 % < 90 %" in done.output
    assert any(each["wrong"] for each in json.loads(prunella("policy", "test", str(rules), "--json").output))


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("examples.yaml", "- {name: x, class: rollback}", "example 0.verdict"),
        ("examples.yaml", "- {name: x, class: scale, verdict: ask, situation: {mood: 3}}", "a situation has no mood"),
        ("examples.yaml", "[", "while parsing"),
        ("class_scale.cedar", "permit(", "class_scale.cedar"),
        ("prunella.cedarschema", "entity {", "rule schema"),
        ("examples.yaml", "", "no examples.yaml beside the rules"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_2(
    prunella: Run, rules: Path, file: str, text: str, words: str
) -> None:
    (rules / file).write_text(text)
    done = prunella("policy", "test", str(rules))
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [("check", "/nowhere"), ("prove", "/nowhere", "shipped"), ("explain", "inc-99")])
def test_what_is_not_there_is_exit_2(prunella: Run, config: Path, command: tuple[str, ...]) -> None:
    more = ("--config", str(config)) if command[0] == "explain" else ()
    assert prunella("policy", *command, *more).exit_code == 2


@pytest.mark.slow
def test_check_tells_of_dead_rules(prunella: Run, rules: Path) -> None:
    pytest.importorskip("z3")
    for path in rules.glob("*.cedar"):
        if path.name != "forbid.cedar":
            path.unlink()
    dead = '@id("never") @reason("r") permit(principal, action, resource) when { context.hour > 23 };'
    (rules / "mine.cedar").write_text(dead)
    done = prunella("policy", "check", str(rules))
    assert done.exit_code == 1
    assert "BAD  never: can never match" in done.output
    found = json.loads(prunella("policy", "check", str(rules), "--json").output)
    assert {"rule": "never", "text": "can never match: no request that can occur fulfils it", "grave": True} in found[
        "findings"
    ]


@pytest.mark.slow
def test_prove_shows_what_a_change_permits(prunella: Run, rules: Path) -> None:
    pytest.importorskip("z3")
    assert prunella("policy", "prove", "shipped", str(rules)).exit_code == 0
    _edit(rules / "class_scale.cedar", "context.load_percent <= 70", "context.load_percent <= 99")
    done = prunella("policy", "prove", "shipped", str(rules))
    assert done.exit_code == 1
    assert "A scale may now be done alone" in done.output
    assert "load 71 % <= 99 %" in done.output or "% <= 99 %" in done.output
    back = prunella("policy", "prove", str(rules), "shipped", "--json")
    assert back.exit_code == 0
    assert json.loads(back.output)["outcome"] == "proved"


def test_explain_tells_facts_reasons_and_what_other_rules_would_say(prunella: Run, config: Path, rules: Path) -> None:
    journal = SqlJournal(f"sqlite:///{config.parent}/prunella.db")
    case = healed()
    assert case.plan is not None
    assert case.decision is not None
    journal.append("inc-8", "PLAN", case.plan.model_dump(mode="json"), at(70))
    facts = {**CALM, "incident": "inc-8", "at": at(70).isoformat(), "load_percent": 63}
    journal.append("inc-8", "SITUATION", facts, at(71))
    journal.append("inc-8", "DECISION", case.decision.model_dump(mode="json"), at(71))
    journal.close()
    for path in rules.glob("*.cedar"):
        if path.name != "forbid.cedar":
            path.unlink()
    done = prunella("policy", "explain", "last", "--config", str(config), "--rules", str(rules))
    assert done.exit_code == 0, done.output
    assert case.decision.reasons[0].text in done.output
    assert "load percent 63" in done.output
    assert "would say DENY" in done.output
    (found,) = json.loads(prunella("policy", "explain", "inc-8", "--config", str(config), "--json").output)
    assert found["situation"]["load_percent"] == 63


def test_explain_reads_journals_that_recorded_no_facts(prunella: Run, config: Path) -> None:
    assert write_case is not None
    done = prunella("policy", "explain", "inc-7", "--config", str(config))
    assert done.exit_code == 0, done.output
    assert "policy" in done.output
