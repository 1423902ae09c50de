"""What goes by itself and comes back: counted, looked at as one trouble, and told of calmly in the digest."""

from datetime import timedelta

from agent.analysts import serving
from agent.analysts.evidence import onset
from agent.case import Anomaly, Incident, Outcome
from agent.casebook import Case
from agent.digest import digest
from agent.returning import counted, returning
from agent.view.digesting import as_markdown, headline
from tests.agent.handmade import START, TALK, TICK, anomaly, incident, scene, seen
from tools.memory_journal import MemoryJournal

HOUR = timedelta(hours=1)


def ill(hour: int, *signs: Anomaly, service: str = "talk") -> Incident:
    at = START + hour * HOUR
    shown = [each.model_copy(update={"at": at, "onset_at": at - TICK}) for each in signs or (anomaly(TALK),)]
    return incident(*shown, service=service).model_copy(update={"id": f"inc-{hour}-{service}", "at": at})


def over(case: Incident, verdict: str = "self_recovered") -> Case:
    outcome = Outcome.model_validate({"incident": case.id, "at": case.at + TICK, "verdict": verdict, "text": "over"})
    return Case(incident=case, phase="recovered", outcome=outcome)


def test_only_what_went_by_itself_lately_and_is_of_the_same_kind_counts() -> None:
    cases = [over(ill(0)), over(ill(2)), over(ill(3), "recovered"), over(ill(4, service="score"))]
    now = counted(ill(5), cases)
    assert (now.again, now.first_at, now.returns) == (2, START - TICK, True)
    late = counted(ill(25), cases)
    assert (late.again, late.first_at, late.returns) == (1, START + 2 * HOUR - TICK, False)
    assert counted(ill(5), cases[2:]) == ill(5)


def test_what_keeps_coming_back_began_when_it_first_came() -> None:
    cases = [over(ill(hour)) for hour in range(3)]
    assert onset(counted(ill(3), cases)) == START - TICK
    assert onset(counted(ill(3), cases[1:2])) == START + 3 * HOUR - TICK


def test_a_service_that_misses_its_promise_again_and_again_has_no_room_for_bursts() -> None:
    def saturated(again: int, use: float) -> bool:
        busy = tuple(seen(tick, {("gpu_utilisation", TALK): use if tick == 0 else 30.0}) for tick in range(40))
        shown = scene(*busy)
        sick = incident(anomaly(TALK)).model_copy(update={"again": again, "first_at": START})
        return {item.finding: item.weight > 0 for item in serving.examine(sick, shown)}["saturated"]

    assert saturated(2, 70.0)
    assert not saturated(2, 50.0)
    assert not saturated(1, 95.0)  # one burst of twenty minutes ago says nothing of a single time


def test_the_digest_tells_of_it_once_and_calmly() -> None:
    journal = MemoryJournal()
    for case in (over(ill(hour)) for hour in range(4)):
        journal.append(case.incident.id, "INCIDENT", case.incident.model_dump(mode="json"), case.incident.at)
        assert case.outcome is not None
        journal.append(case.incident.id, "OUTCOME", case.outcome.model_dump(mode="json"), case.outcome.at)
    found = digest(journal, "daily", START + 20 * HOUR)
    said = (
        "Look at talk when you have a minute: error_ratio left its promise 4 times and came back by itself each time."
    )
    assert headline(found) == said
    assert as_markdown(found).count("## Goes by itself, and comes back") == 1
    assert not digest(journal, "daily", START + 25 * HOUR + TICK).returning  # two are left within the day


def test_what_happened_most_often_is_named_first() -> None:
    often = [over(ill(hour, anomaly("service/score"), service="score")) for hour in range(4)]
    less = [over(ill(hour)) for hour in range(3)]
    found = returning([*less, *often], START - HOUR, START + 9 * HOUR)
    assert [(each.service, each.times) for each in found] == [("score", 4), ("talk", 3)]
