"""What must hold before a plan goes on: unknown is never yes."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from agent.guards import checker, still_needed
from playbooks.plan import Guard
from policies.authority import Grant
from policies.decision import Decision, Reason, Verdict
from tests.agent.handmade import START, TALK, Records, plan, rows, scene, seen
from tools.action import TrainModel
from tools.records import InferenceWindow

VERSIONS = {"version": "new", "than": "v2"}
LATER = 62  # ticks, after the rows of handmade


def says(kind: Any, records: Records | None = None, errors: float = 0.01, **more: Any) -> str:
    service = "talk" if kind in ("objectives", "not_worse") else "score"
    values = {("error_ratio", TALK): errors, ("ttft_p95", TALK): 1.0}
    shown = scene(seen(LATER, values, **more), records=records)
    return checker(lambda: shown)(Guard(kind=kind, args=VERSIONS), plan(service=service)).verdict


@pytest.mark.parametrize("kind", ["objectives", "not_worse"])
def test_objectives_hold_are_broken_or_unknown(kind: str) -> None:
    assert says(kind) == "holds"
    assert says(kind, errors=0.5) == "broken"
    assert says(kind, problems=("a shard is away",)) == "inconclusive"
    assert says(kind, errors=0.5, problems=("a shard is away",)) == "broken"
    blind = scene(seen(0, {}))
    assert checker(lambda: blind)(Guard(kind="objectives"), plan()).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("gain", "word"),
    [((-0.2, -0.1, -0.05), "holds"), ((-0.2, -0.1, 0.05), "inconclusive"), ((0.05, 0.1, 0.2), "broken")],
)
def test_a_candidate_is_better_worse_or_not_yet_known(gain: tuple[float, float, float], word: str) -> None:
    records = Records()
    assert says("better_model", records) == "inconclusive"  # no labelled rows at all
    records.gain = gain
    assert says("better_model", records) == word


def test_a_candidate_is_judged_on_rows_that_its_training_did_not_see() -> None:
    records, end = Records(), START + timedelta(minutes=20)
    records.gain = (-0.2, -0.1, -0.05)
    train = TrainModel(service="score", model="score", version="new", start_at=START, end_at=end)
    shown = scene(seen(LATER, {}), records=records)
    checker(lambda: shown)(Guard(kind="better_model", args=VERSIONS), plan(train, service="score"))
    assert records.asked == [(end, shown.now)]


def live(right: float, count: int = 100) -> Records:
    """Rows of both versions, the new one this often right."""
    old, new, records = rows(300, right=0.9), rows(count, right=right, version="new"), Records()
    records.rows = InferenceWindow(
        "score", old.names, *(np.concatenate([getattr(old, k), getattr(new, k)]) for k in ("at", "features")),
        *(np.concatenate([getattr(old, k), getattr(new, k)]) for k in ("scores", "labels", "version")),
    )  # fmt: skip
    return records


def test_live_answers_of_a_candidate_are_compared_where_labels_are_known() -> None:
    assert says("live_split", Records()) == "inconclusive"
    assert says("live_split", live(0.9)) == "holds"
    assert says("live_split", live(0.6)) == "broken"
    assert says("live_split", live(0.5, count=20)) == "holds"  # too few to say


def test_a_candidate_that_answered_nothing_or_no_numbers() -> None:
    records = Records()
    records.rows = rows(300)
    assert says("live_split", records) == "inconclusive"
    odd = live(0.9)
    assert odd.rows is not None
    odd.rows.scores[-1] = np.nan
    assert says("live_split", odd) == "broken"


BAD = {("error_ratio", TALK): 0.5, ("ttft_p95", TALK): 1.0}
GOOD = {("error_ratio", TALK): 0.01, ("ttft_p95", TALK): 1.0}


@pytest.mark.parametrize(
    ("before", "after", "started", "needed"),
    [
        (BAD, (GOOD, GOOD, GOOD, GOOD), False, False),  # it has passed by itself
        (BAD, (GOOD, GOOD, GOOD, GOOD), True, True),  # a half-done plan is finished
        (BAD, (GOOD, GOOD, GOOD), False, True),  # too early to say
        (BAD, (GOOD, GOOD, BAD, GOOD), False, True),
        (BAD, (GOOD, GOOD, {}, GOOD), False, True),  # no data is no recovery
        (GOOD, (GOOD, GOOD, GOOD, GOOD), False, True),  # it was never about the objectives
    ],
)
def test_nothing_is_begun_against_what_has_passed(
    before: dict[Any, Any], after: tuple[dict[Any, Any], ...], started: bool, needed: bool
) -> None:
    history = tuple(seen(tick, values) for tick, values in enumerate((before, *after)))
    made = plan()
    decision = Decision(
        plan_digest=made.digest(),
        policy_digest="p",
        incident=made.incident,
        at=START,
        verdict=Verdict.ALLOW,
        reasons=(Reason(rule="r", text="t"),),
    )
    grant = Grant(made, decision, started_at=START if started else None)
    shown = scene(*history)
    assert made.at == START
    assert (still_needed(lambda: shown)(made.steps[0].action, grant) is None) is needed
    assert still_needed(lambda: None)(made.steps[0].action, grant) is None
