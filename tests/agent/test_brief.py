"""What a summary is written from: every fact once, in order, with its figures."""

from agent.brief import facts
from tests.view.sample import HOSTILE, healed, plan, waiting
from tools.template_reasoner import TemplateReasoner


def test_a_healed_case_in_four_facts() -> None:
    signs, cause, deeds, ending = facts(healed()).splitlines()
    assert "error_ratio is 31% where 0.4% is expected, noticed 1m00s after it began" in signs
    assert cause.startswith("- the cause is bad_rollout_errors on service/chat (93%): release 4 went out")
    assert deeds == "- attempt 1, rollback-revision: restore revision 3 of chat"
    assert "error_ratio 31%, now 0.4%" in ending


def test_a_case_that_waits_has_no_ending() -> None:
    assert facts(waiting()).splitlines()[-1] == "- a person was asked, and the plan was pending"


def test_a_long_plan_is_told_by_its_ends() -> None:
    case = healed()
    long = plan().model_copy(update={"steps": plan().steps * 7})
    text = facts(case.model_copy(update={"plans": (long,)}))
    assert "7 steps, from restore revision 3 of chat to restore revision 3 of chat" in text


def test_hostile_text_stays_on_its_line() -> None:
    text = facts(healed(HOSTILE))
    assert len(text.splitlines()) == len(facts(healed()).splitlines())
    assert TemplateReasoner().summarise(text)
