"""What began before a recovery may be the past, until every reading is of the time since."""

from datetime import timedelta

import pytest

from agent.case import Outcome
from agent.casebook import Case
from agent.fading import ECHO, covers, fades
from agent.judged import QualityReading
from tests.agent.handmade import FLEET, START, TICK, anomaly, case_of, incident, seen

OVER = Outcome(incident="inc-1-score", at=START + timedelta(minutes=5), verdict="self_recovered", text="")
LATE = timedelta(minutes=20)


def recovered() -> Case:
    return case_of(service="score").model_copy(update={"outcome": OVER, "phase": "recovered"})


@pytest.mark.parametrize(
    ("detector", "minutes", "past"),
    [
        ("objective", 9, True),
        ("objective", 16, False),
        ("quality", 30, True),  # the newest 15 minutes whose labels are known began 35 minutes ago
        ("quality", 41, False),
        ("inputs", 16, True),
        ("inputs", 26, False),
        ("burn", 300, True),  # its windows are hours
        ("hardware", 300, True),  # the last XID stays on show
    ],
)
def test_an_alarm_of_before_a_recovery_fades_no_longer_than_its_readings_reach_back(
    detector: str, minutes: float, past: bool
) -> None:
    now = START + timedelta(minutes=minutes)
    reading = QualityReading(now, 500, 0.7, 0.66, 0.74, newest_at=now - LATE)
    looked = seen(int(minutes * 2), {}, {"score": reading})
    assert fades(anomaly("service/score", detector), recovered(), looked) is past


def test_what_began_since_is_news_and_what_is_not_read_is_none() -> None:
    assert not fades(anomaly("service/score", tick=11), recovered(), seen(12, {}))
    assert fades(anomaly("service/score", "quality"), recovered(), seen(900, {}))


def test_a_recovery_from_errors_says_nothing_of_money() -> None:
    assert not fades(anomaly("service/score", "cost"), recovered(), seen(900, {}))


def test_a_recovery_from_errors_says_nothing_of_labels_that_come_no_more() -> None:
    lost = anomaly("service/score", "quality", signal="labels")
    assert not fades(lost, recovered(), seen(900, {}))
    told = recovered().model_copy(update={"incident": incident(lost, service="score")})
    assert fades(lost, told, seen(900, {}))


def test_a_caller_shows_for_two_minutes_what_is_over_beneath_it_and_what_is_its_own_at_once() -> None:
    """A vendor fails, is left, and well again; the service that leans on it rose its alarm after the incident stood."""
    vendor = recovered().model_copy(update={"incident": incident(anomaly("service/out"), service="out")})
    last = int((OVER.at + ECHO - START) / TICK)

    def covered(tick: int, entity: str = "service/talk", detector: str = "objective", began: int = 2) -> bool:
        return covers(vendor, anomaly(entity, detector, began), seen(tick, {}), FLEET)

    assert covered(last)
    assert not covered(last + 1)  # it outlasts it: a cause of its own
    assert not covered(last, began=11)  # it began since
    assert not covered(last, detector="stuck")  # nothing that a vendor can bring about
    assert not covered(last, entity="service/score")  # leans on nobody
    assert not covered(last, entity="gpu/n1/0", detector="hardware")
    early = vendor.model_copy(update={"incident": incident(anomaly("service/out", tick=20), service="out")})
    assert not covers(early, anomaly("service/talk"), seen(last, {}), FLEET)  # it fell ill long before
