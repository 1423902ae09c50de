"""Capacity and error budget, looked at once more right before a step takes a working replica away."""

import pytest

from agent.budget import overspent
from agent.observe import Scene
from agent.recheck import capacity_check
from config.fleet import Service
from policies.authority import Grant
from policies.decision import Decision, Reason, Verdict
from policies.gate import GrantCheck
from tests.agent.handmade import FLEET, START, TALK, Values, plan, scene, seen
from tools.action import Action, EvictReplica, SetReplicas

SERVICE = FLEET.services[0]  # of its answers 2 % may fail
MOVE, FEWER = EvictReplica(service="talk", replica="talk-1"), SetReplicas(service="talk", replicas=2)


def shown(use: float = 20.0, errors: tuple[float, ...] = (0.001,) * 60) -> Scene:
    """As many looks as there are error shares, the oldest first."""
    values: Values = {("gpu_utilisation", TALK): use, ("ttft_p95", TALK): 0.3}
    return scene(*(seen(tick, {**values, ("error_ratio", TALK): share}) for tick, share in enumerate(errors)))


def granted(action: Action, verdict: Verdict = Verdict.ALLOW, fault: str = "overprovisioned") -> Grant:
    made, why = plan(action, fault=fault), (Reason(rule="r", text="because"),)
    decision = Decision(
        plan_digest=made.digest(), policy_digest="p", incident="inc-1", at=START, verdict=verdict, reasons=why
    )
    return Grant(made, decision)


def asked(action: Action, look: Scene | None, verdict: Verdict = Verdict.ALLOW, fault: str = "overprovisioned") -> str:
    """Return the rule by which the gate would refuse, and why; empty: it would not."""
    check: GrantCheck = capacity_check(lambda: look)
    found = check(action, granted(action, verdict, fault))
    return f"{found.rule}: {found.text}" if found else ""


@pytest.mark.parametrize("action", [MOVE, FEWER])
def test_what_is_no_longer_proven_is_refused_with_its_arithmetic(action: Action) -> None:
    assert not asked(action, shown())
    assert asked(action, shown(use=70.0)).startswith("capacity-proof: talk 3 > 2: 2.10 replicas busy")
    assert not asked(SetReplicas(service="talk", replicas=4), shown(use=70.0))


def test_a_person_who_has_read_the_arithmetic_is_not_held_up_by_it() -> None:
    assert not asked(FEWER, shown(use=70.0), Verdict.ASK)
    assert not asked(FEWER, shown(errors=(0.03,) * 60), Verdict.ASK)


def test_what_does_no_good_is_moved_without_a_proof() -> None:
    assert not asked(MOVE, shown(use=70.0), fault="engine_hang_200")
    assert not asked(MOVE, shown(use=70.0, errors=(0.5,) * 60), fault="engine_hang_200")


SPENT = {
    "slowly": ((0.03,) * 60, "talk fails 3.00% over 30 minutes, 1.5 times the 2.00% that its budget allows > 1"),
    "at once": ((0.0,) * 57 + (0.3,) * 3, "talk fails 9.00% over 5 minutes, 4.5 times the 2.00%"),
}


@pytest.mark.parametrize(("errors", "words"), SPENT.values(), ids=SPENT)
def test_an_overspent_error_budget_forbids_to_take_away(errors: tuple[float, ...], words: str) -> None:
    for action in (FEWER, MOVE):
        assert asked(action, shown(errors=errors)).startswith(f"error-budget: {words}")
    assert not asked(SetReplicas(service="talk", replicas=4), shown(errors=errors))


def test_before_the_first_look_the_decision_stands() -> None:
    assert not asked(FEWER, None)


def test_no_errors_known_is_no_room_and_no_promise_no_budget() -> None:
    look = scene(*(seen(tick, {("gpu_utilisation", TALK): 20.0}) for tick in range(10)))
    assert overspent(look, SERVICE) == "the errors of talk are NO DATA"
    free = Service(name="talk", kind=SERVICE.kind)
    assert not overspent(look, free)
