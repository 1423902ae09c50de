"""The proof of capacity: what it proves holds in the pretend world, and no data proves nothing."""

import pytest

from agent.headroom import AHEAD, LEAST_READINGS, LOADING, MARGIN, headroom, staged
from agent.observe import Scene
from agent.situate import situate
from config.fleet import Objective
from tests.agent.fleets import removals
from tests.agent.handmade import FLEET, START, TALK, TICK, Values, case_of, guess, plan, scene, seen
from tools.action import EvictReplica, SetReplicas
from tools.memory_journal import MemoryJournal

SERVICE = FLEET.services[0].model_copy(update={"objectives": (Objective(signal="ttft_p95", target=2.0),)})


def shown(use: float = 30.0, ttft: float = 0.5, ticks: int = 10, **more: float) -> Scene:
    """Ten readings of talk, three replicas ready: use in per cent, first token in seconds."""
    values: Values = {
        ("gpu_utilisation", TALK): use,
        ("kv_cache", TALK): use / 200,
        ("running", TALK): 12.0,
        ("requests", TALK): 3.0,
        ("ttft_p95", TALK): ttft,
        ("error_ratio", TALK): 0.001,
        **{(name, TALK): value for name, value in more.items()},
    }
    return scene(*(seen(tick, values) for tick in range(ticks)))


def test_an_idle_service_gives_a_replica_back_with_its_arithmetic() -> None:
    found = headroom(shown(), SERVICE, 2)
    assert found.proven
    assert found.text == (
        "talk 3 > 2: 0.90 replicas busy, at worst 0.90 within 1200 s and 0.04 begun anew, so use 30% > 47%, "
        "at most 97%; ttft_p95 0.5 s, at worst 0.665 s <= 2 s"
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (headroom(shown(use=70.0), SERVICE, 2), "use 70% > 110%, more than 97%"),
        (headroom(shown(ttft=1.8), SERVICE, 2), "> 2 s"),
        (headroom(shown(), SERVICE, 0), "nothing would be left of talk"),
        (headroom(shown(ticks=LEAST_READINGS - 1), SERVICE, 2), "too few to prove anything"),
        (headroom(shown(ttft=float("nan")), SERVICE, 2), "ttft_p95 is NO DATA"),
        (headroom(shown(use=float("nan"), kv_cache=float("nan")), SERVICE, 2), "0 readings of the load"),
    ],
)
def test_what_is_not_shown_is_not_proven(found: object, words: str) -> None:
    assert not getattr(found, "proven")  # noqa: B009
    assert words in getattr(found, "text")  # noqa: B009


def test_a_sure_rise_is_carried_on_for_as_long_as_the_proof_has_to_hold() -> None:
    rising = scene(
        *(seen(tick, {("gpu_utilisation", TALK): 10.0 + tick, ("ttft_p95", TALK): 0.2}) for tick in range(10))
    )
    level = scene(*(seen(tick, {("gpu_utilisation", TALK): 19.0, ("ttft_p95", TALK): 0.2}) for tick in range(10)))
    assert headroom(level, SERVICE, 2).use == pytest.approx(3 * 0.19 / 2)
    assert headroom(rising, SERVICE, 2).use == pytest.approx(3 * (0.19 + AHEAD / TICK * 0.01) / 2)
    assert headroom(rising, SERVICE, 2, moving=True).use == pytest.approx(3 * (0.19 + LOADING / TICK * 0.01) / 2)


def test_more_is_never_proven_of_less() -> None:
    proven = [headroom(shown(use=use), SERVICE, left).proven for use in (10.0, 30.0, 50.0, 70.0) for left in (3, 2, 1)]
    for row in range(4):
        of = proven[3 * row : 3 * row + 3]
        assert of == sorted(of, reverse=True)
    assert MARGIN > 0


def test_a_plan_is_staged_as_far_as_the_proof_reaches() -> None:
    assert staged(shown(use=30.0), SERVICE, (2, 1)) == (2,)
    assert staged(shown(use=10.0), SERVICE, (2, 1)) == (2, 1)
    assert staged(shown(use=80.0), SERVICE, (2, 1)) == (2,)  # for a person to judge
    assert staged(shown(), SERVICE, ()) == ()


def test_a_sick_replica_may_move_though_its_service_is_already_broken() -> None:
    assert not headroom(shown(ttft=2.5), SERVICE, 2).proven
    assert headroom(shown(ttft=2.5), SERVICE, 2, moving=True).proven


def test_the_judge_is_shown_the_proof() -> None:
    case = case_of(guess("overprovisioned"))
    for use, proven in ((20.0, True), (80.0, False)):
        facts = situate(
            case, plan(SetReplicas(service="talk", replicas=2)), shown(use=use), MemoryJournal(), 1, freeze=""
        )
        assert (facts.blast_percent, facts.capacity_proven) == (33, proven)
        assert facts.capacity.startswith("talk 3 > 2")
    nothing = situate(case, plan(SetReplicas(service="talk", replicas=5)), shown(), MemoryJournal(), 1, freeze="")
    assert (nothing.capacity_proven, nothing.capacity) == (True, "")
    evict = plan(EvictReplica(service="talk", replica="talk-1"), fault="xid_79_off_bus", service="score")
    assert situate(case, evict, shown(use=80.0), MemoryJournal(), 1, freeze="").capacity_proven is False
    assert START + TICK > START


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5000, 5008))
def test_no_removal_that_is_proven_breaks_an_objective_in_the_pretend_world(seed: int) -> None:
    for each in removals(seed):
        assert not (each.said.proven and each.broke), each.said.text
