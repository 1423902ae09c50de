"""What the daemon says of itself: counts of what there is to see, and whether it still ticks."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from agent.casebook import Case, Phase, ServiceRow, Snapshot
from agent.vitals import Pulse, vitals
from policies.decision import Approval
from tests.agent.handmade import START, TALK, anomaly, incident

MINUTE = timedelta(minutes=1)
DEPLOY = Path(__file__).parents[2] / "deploy"


def row(name: str, state: str) -> ServiceRow:
    return ServiceRow.model_validate(
        {"name": name, "kind": "llm", "tier": "gold", "state": state, "ready": 2, "wanted": 2, "headline": {}}
    )


def case(phase: Phase, asked: int = 0) -> Case:
    question = Approval(
        id="a",
        incident="inc-1",
        plan_digest="d",
        asked_at=START - asked * MINUTE,
        expires_at=START + MINUTE,
        state="pending",
    )
    return Case(incident=incident(anomaly(TALK)), phase=phase, approval=question if asked else None)


SEEN = Snapshot(
    at=START,
    environment="test",
    services=(row("talk", "bad"), row("score", "no_data")),
    cases=(case("waiting_approval", 4), case("waiting_approval", 9), case("recovered")),
    problems=("halted: by dana", "prometheus is away"),
)
ALIVE = Pulse(START).beat(START, START + timedelta(seconds=3)).missed(START + MINUTE)


def told(seen: Snapshot | None = SEEN, pulse: Pulse = ALIVE) -> dict[tuple[str, ...], float]:
    return {(each.name.removeprefix("prunella_"), *each.labels.values()): each.value for each in vitals(seen, pulse)}


def test_it_says_what_there_is_to_see() -> None:
    found = told()
    assert found["last_tick_timestamp_seconds",] == (START + timedelta(seconds=3)).timestamp()
    assert found["tick_seconds",] == 3
    assert (found["ticks_total", "done"], found["ticks_total", "failed"]) == (1, 1)
    assert (found["halted",], found["problems",]) == (1, 1)
    assert [found["service_state", "talk", state] for state in ("ok", "bad", "no_data")] == [0, 1, 0]
    assert found["service_state", "score", "no_data"] == 1
    assert (found["cases", "waiting_approval"], found["cases", "recovered"]) == (2, 1)
    assert found["longest_question_seconds",] == 9 * 60


def test_before_the_first_tick_nothing_is_claimed_of_the_fleet() -> None:
    assert set(told(None, Pulse(START))) == {("tick_seconds",), ("ticks_total", "done"), ("ticks_total", "failed")}


@pytest.mark.parametrize(("minutes", "stalled"), [(0, False), (15, False), (15.1, True)])
def test_a_daemon_whose_ticks_do_not_end_is_stalled_and_one_whose_ticks_fail_is_not(
    minutes: float, stalled: bool
) -> None:
    said = ALIVE.stalled(START + MINUTE + minutes * MINUTE, 15 * MINUTE)
    assert bool(said) is stalled
    assert said in ("", "no tick has ended for 906 s")


def test_every_alert_that_ships_asks_for_something_that_is_told() -> None:
    import promql_parser

    said = {(each.name, *each.labels) for each in vitals(SEEN, ALIVE)}
    rules = [
        rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    for rule in rules:
        promql_parser.parse(rule["expr"])
        assert any(name in rule["expr"] for name, *_ in said), rule["alert"]
    assert len(rules) == 5
