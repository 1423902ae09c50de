"""A change that stood when a person was told of another cause is not blamed while that cause still shows."""

from datetime import datetime, timedelta

import pytest

from agent.acquitted import CHANCE, TOLD, acquitted
from agent.case import Evidence, Outcome
from agent.casebook import Case, Phase
from agent.diagnose import diagnose
from playbooks.faults import shipped_faults
from playbooks.plan import Execution
from tests.agent.handmade import START, case_of, evidence, guess, incident

RELEASED, LATER = START - timedelta(minutes=3), START + timedelta(minutes=1)
NOW = START + timedelta(minutes=5)
FAULTS = shipped_faults()
QUOTA, COLD = evidence("quota_full", 2.5), evidence("prefix_misses", 2.5)


def release(at: datetime | None = RELEASED, finding: str = "recent_release") -> Evidence:
    return evidence(finding, 2.9).model_copy(update={"happened_at": at})


def told(fault: str = "quota_exhausted", *weighed: Evidence, phase: Phase = "escalated") -> Case:
    case = case_of(guess(fault), evidence=weighed or (release(), QUOTA))
    outcome = Outcome(incident=case.incident.id, at=START, verdict="escalated", text="no plan")
    return case.model_copy(update={"phase": phase, "outcome": outcome})


def weight(*cases: Case, seen: tuple[Evidence, ...] = (release(), QUOTA, COLD), now: datetime = NOW) -> float:
    first = acquitted("talk", seen, cases, FAULTS, now)[0]
    return first.weight


def test_what_was_weighed_and_not_named_is_not_the_cause_of_what_came_since() -> None:
    seen = (release(), QUOTA, COLD)
    blamed, spared = (
        diagnose(incident(), found, FAULTS).top for found in (seen, acquitted("talk", seen, [told()], FAULTS, NOW))
    )
    assert blamed is not None
    assert spared is not None
    assert (blamed.fault, spared.fault) == ("prefix_cache_collapse", "quota_exhausted")
    assert "told of quota_exhausted" in acquitted("talk", seen, [told()], FAULTS, NOW)[0].text


def test_a_change_of_the_configuration_is_no_other_matter() -> None:
    config = release(finding="recent_config")
    assert weight(told("quota_exhausted", config, QUOTA), seen=(config, QUOTA)) == CHANCE


@pytest.mark.parametrize(
    ("cases", "seen"),
    [
        ((), (release(), QUOTA, COLD)),
        ((told(),), (release(), COLD)),  # the other cause shows no more
        ((told(),), (release(LATER), QUOTA, COLD)),  # somebody released after the person was told
        ((told("quota_exhausted", QUOTA),), (release(), QUOTA, COLD)),  # nobody weighed it then
        ((told("bad_rollout_errors", release(), evidence("errors_up", 2.5)),), (release(), evidence("errors_up", 2.5))),
        ((told(phase="recovered"),), (release(), QUOTA, COLD)),
        ((told().model_copy(update={"incident": incident(service="out")}),), (release(), QUOTA, COLD)),
    ],
    ids=["never told", "over", "newer", "not weighed", "it was the cause", "not a person's", "another service"],
)
def test_it_is_blamed_all_the_same(cases: tuple[Case, ...], seen: tuple[Evidence, ...]) -> None:
    assert weight(*cases, seen=seen) == release().weight


def test_a_cause_that_was_treated_in_vain_or_long_ago_acquits_nobody() -> None:
    treated = told().model_copy(
        update={"execution": Execution(plan="p", incident="i", at=START, state="undone", steps=())}
    )
    assert weight(treated) == release().weight
    assert weight(told(), now=START + TOLD * 2) == release().weight


def test_an_unclear_cause_acquits_nobody() -> None:
    case = told()
    assert case.diagnosis is not None
    unclear = case.model_copy(update={"diagnosis": case.diagnosis.model_copy(update={"resolved": False})})
    assert weight(unclear) == release().weight
