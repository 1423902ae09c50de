"""Replicas that somebody takes away and gives back within minutes are told from the log of changes."""

from datetime import timedelta

import pytest

from agent.analysts import changes
from agent.case import Evidence
from tests.agent import handmade
from tools.change import Change

Step = tuple[float, str, str]  # minutes ago, before, after


def found(*steps: Step, actor: str = "hpa") -> list[Evidence]:
    records = handmade.Records()
    records.happened = tuple(
        Change(
            id=str(ago),
            at=handmade.START - timedelta(minutes=ago),
            kind="scale",
            entity=handmade.TALK,
            actor=actor,
            before=before,
            after=after,
        )
        for ago, before, after in steps
    )
    scene = handmade.scene(handmade.seen(0, {}), records=records)
    told = changes.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)
    return [each for each in told if each.finding == "autoscaler_swings"]


def test_down_and_up_again_is_told_with_its_sizes() -> None:
    (evidence,) = found((3, "4", "1"), (2, "1", "5"), (1, "5", "1"))
    assert "4 > 1 > 5 > 1" in evidence.text
    assert evidence.weight > 0


@pytest.mark.parametrize(
    "steps",
    [
        [(3, "4", "5"), (2, "5", "6")],  # one way
        [(12, "4", "1"), (2, "1", "4")],  # with time between
        [(2, "4", "1")],
        [(3, "", "1"), (2, "1", "")],  # nobody knows how many
    ],
    ids=["up", "slowly", "once", "unknown"],
)
def test_what_any_autoscaler_does_is_no_swing(steps: list[Step]) -> None:
    assert not found(*steps)


def test_our_own_steps_are_none() -> None:
    assert not found((3, "4", "1"), (2, "1", "5"), actor="prunella")
