"""A cause is told once; what is graver than it was, another's, unclear or long ago is told again."""

from datetime import timedelta
from typing import Any

import pytest

from agent.case import Outcome
from agent.casebook import Case
from agent.told import LATELY, told_lately
from tests.agent.handmade import START, case_of, guess

CAUSE = guess("quota_exhausted")
MINUTE = timedelta(minutes=1)


def told(verdict: str = "escalated", **more: Any) -> Case:
    """Return a case that ended a minute after the start."""
    made = case_of(CAUSE)
    incident = made.incident.model_copy(update={"id": "inc-0-talk", **more})
    outcome = Outcome.model_validate({"incident": "inc-0-talk", "at": START + MINUTE, "verdict": verdict, "text": ""})
    return made.model_copy(update={"incident": incident, "outcome": outcome})


def now(**more: Any) -> Case:
    made = case_of(CAUSE)
    return made.model_copy(update={"incident": made.incident.model_copy(update=more)})


def test_the_same_cause_no_graver_than_it_was_calls_nobody_again() -> None:
    known = told_lately(now(), [told()], START + 10 * MINUTE)
    assert known is not None
    assert (known.incident, known.at) == ("inc-0-talk", START + MINUTE)
    assert told_lately(now(severity="low", tier="daily"), [told()], START + 10 * MINUTE) is not None


@pytest.mark.parametrize(
    ("before", "case"),
    [
        (told(severity="low"), now()),  # graver
        (told(tier="daily"), now()),  # nobody was woken by it
        (told("recovered"), now()),
        (told("known"), now()),  # who was not told himself tells nobody
        (told(service="score"), now()),
        (told().model_copy(update={"diagnosis": case_of(guess("disk_full")).diagnosis}), now()),
        (told().model_copy(update={"diagnosis": None}), now().model_copy(update={"diagnosis": None})),
    ],
)
def test_anything_else_is_told(before: Case, case: Case) -> None:
    assert told_lately(case, [before], START + 10 * MINUTE) is None


def test_after_an_hour_it_is_told_again() -> None:
    assert told_lately(now(), [told()], START + MINUTE + LATELY) is not None
    assert told_lately(now(), [told()], START + 2 * MINUTE + LATELY) is None
    alone = now()
    assert told_lately(alone, [alone.model_copy(update={"outcome": told().outcome})], START + MINUTE) is None
