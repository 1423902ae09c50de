"""One cause, one incident; and what must never be swallowed by another."""

from datetime import datetime

from agent.case import Anomaly, Incident
from agent.correlate import SETTLE, correlate
from tests.agent.handmade import FLEET, REPLICA, START, TICK, anomaly, incident, topology
from tools.topology import Topology

LATER = START + SETTLE + TICK


def found(*anomalies: Anomaly, standing: tuple[Incident, ...] = (), now: datetime = LATER) -> tuple[Incident, ...]:
    where = Topology(at=now, deployments=(), replicas=(REPLICA,), nodes=())
    return correlate(anomalies, standing, FLEET, where, now)


def test_a_caller_waits_for_its_dependency_and_is_then_related() -> None:
    talk, out = anomaly("service/talk"), anomaly("service/out")
    assert not found(talk, now=START + TICK)
    assert [(i.service, i.related) for i in found(talk, out)] == [("out", ("talk",))]
    assert [i.service for i in found(talk)] == ["talk"]


def test_a_caller_that_failed_long_before_its_dependency_has_a_cause_of_its_own() -> None:
    assert {i.service for i in found(anomaly("service/talk"), anomaly("service/out", tick=20))} == {"talk", "out"}


def test_a_stuck_engine_is_never_blamed_on_a_dependency() -> None:
    stuck = anomaly("replica/talk/talk-1", "stuck", signal="engine_steps")
    assert "talk" in {i.service for i in found(stuck, anomaly("service/out"), now=START)}


def test_an_open_question_about_money_swallows_no_outage() -> None:
    cost = incident(anomaly("service/talk", "cost", signal="spend", tier="daily"))
    fresh = found(anomaly("service/talk"), standing=(cost,))
    assert [i.tier for i in fresh] == ["immediate"]
    assert fresh[0].id != cost.id


def test_an_open_incident_grows_once_and_is_not_doubled() -> None:
    old = incident(anomaly("service/talk"))
    more = anomaly("service/talk", signal="ttft_p95")
    grown = found(anomaly("service/talk"), more, standing=(old,))
    assert [(i.id, len(i.anomalies)) for i in grown] == [(old.id, 2)]
    assert not found(anomaly("service/talk"), more, standing=grown)


def test_hardware_is_blamed_only_when_its_mark_is_fresh_and_fatal() -> None:
    def machine(code: float, tick: int) -> list[str]:
        xid = anomaly("gpu/n1/0", "hardware", tick, signal="xid", value=code)
        made = found(anomaly("service/talk", tick=500), xid, now=START + TICK * 520)
        return [a.signal for i in made for a in i.anomalies]

    assert "xid" in machine(79.0, 499)
    assert "xid" not in machine(79.0, 0)
    assert "xid" not in machine(13.0, 499)
    assert not found(anomaly("gpu/n1/0", "hardware", signal="xid", value=79.0))


def test_the_order_of_alarms_is_irrelevant() -> None:
    alarms = (anomaly("service/talk"), anomaly("service/out"), anomaly("service/score", "quality", signal="accuracy"))
    assert found(*alarms) == found(*reversed(alarms))


def told_of(*alarms: Anomaly, service: str = "talk") -> tuple[tuple[Incident, datetime], ...]:
    return ((incident(*alarms, service=service), START + TICK * 10),)


def again(*anomalies: Anomaly, told: tuple[tuple[Incident, datetime], ...]) -> list[str]:
    now = START + TICK * 100
    return [i.service for i in correlate(anomalies, (), FLEET, topology(now), now, told)]


def test_a_person_who_was_told_is_not_told_again_of_the_same_or_of_what_began_before() -> None:
    told = told_of(anomaly("service/talk"))
    assert again(anomaly("service/talk"), told=told) == []
    assert again(anomaly("service/talk", tick=50), told=told) == []  # it flaps
    assert again(anomaly("service/talk", signal="ttft_p95", tick=5), told=told) == []  # a late sign of the same


def test_another_sign_that_came_since_is_news() -> None:
    told = told_of(anomaly("service/talk"))
    assert again(anomaly("service/talk", signal="ttft_p95", tick=50), told=told) == ["talk"]
    money = anomaly("service/talk", "cost", signal="spend", tier="daily", tick=50)
    assert again(money, told=told) == ["talk"]


def test_what_a_person_was_told_of_still_explains_its_callers_as_long_as_it_lasts() -> None:
    told = told_of(anomaly("service/out"), service="out")
    assert again(anomaly("service/out"), anomaly("service/talk", tick=50), told=told) == []
    assert again(anomaly("service/talk", tick=50), told=told) == ["talk"]


def test_an_open_case_of_a_dependency_explains_its_callers_though_its_alarms_are_gone() -> None:
    standing = incident(anomaly("service/out"), service="out")
    assert not found(anomaly("service/talk", tick=2), standing=(standing,))


def test_an_incident_says_how_grave_it_is_and_money_can_wait_a_day() -> None:
    (grave,) = found(anomaly("service/talk", value=0.5))
    (slow,) = found(anomaly("service/talk", signal="ttft_p95", value=9.0))
    (money,) = found(anomaly("service/talk", "cost", signal="spend", tier="daily"))
    assert [(i.severity, i.tier) for i in (grave, slow, money)] == [
        ("critical", "immediate"),
        ("high", "immediate"),
        ("low", "daily"),
    ]
    assert len({grave.id, money.id}) == 2


def test_what_nobody_guards_opens_nothing() -> None:
    assert not found(anomaly("service/stranger"))


def test_money_that_goes_fast_is_graver_than_money_that_can_wait_and_explains_no_illness() -> None:
    slow = anomaly("service/out", "cost", signal="spend", tier="daily")
    fast = anomaly("service/out", "cost", signal="spend")
    (waits,) = found(slow)
    (grown,) = found(fast, standing=(waits,))
    assert (waits.tier, grown.id, grown.tier) == ("daily", waits.id, "immediate")
    assert [one.service for one in found(fast, anomaly("service/talk"))] == ["out", "talk"]
