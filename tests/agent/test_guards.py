"""What must hold before a plan goes on: unknown is never yes."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agent.guards import checker, still_needed, wager
from playbooks.plan import Guard
from policies.authority import Grant
from policies.decision import Decision, Reason, Verdict
from tests.agent.handmade import START, TALK, TICK, Records, plan, rows, scene, seen
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


@pytest.mark.parametrize(
    ("would", "attempt", "count", "word"),
    [
        (0.9, 1, 500, "holds"),
        (0.8, 1, 500, "broken"),  # of the promised 80 % it may be short: newer rows come in by the minute
        (0.8, 2, 500, "broken"),
        (0.8, 3, 500, "holds"),  # more cannot be had
        (0.9, 1, 150, "inconclusive"),  # too few to judge by, so far
    ],
)
def test_a_training_that_may_not_do_is_made_again(would: float, attempt: int, count: int, word: str) -> None:
    records = Records()
    records.gain, records.would, records.count = (-0.2, -0.1, -0.05), would, count
    train = TrainModel(service="score", model="score", version="new", start_at=START, end_at=START + TICK)
    made = plan(train, service="score", attempt=attempt)
    shown = scene(seen(LATER, {}), records=records)
    check = checker(lambda: shown)
    assert check(Guard(kind="better_model", args={**VERSIONS, "enough": "yes"}), made).verdict == word
    # A makeshift that does without broken columns need not keep the promise: it is there until they are mended.
    assert check(Guard(kind="better_model", args=VERSIONS), made).verdict == word.replace("broken", "holds")


def trained(minutes: float) -> str:
    """Return what is said of a better version that may break the promise, and learnt from so many minutes."""
    records, end = Records(), START + timedelta(minutes=minutes)
    records.gain, records.would = (-0.2, -0.1, -0.05), 0.8
    made = plan(TrainModel(service="score", model="score", version="new", start_at=START, end_at=end), service="score")
    shown = scene(seen(LATER, {}), records=records)
    return checker(lambda: shown)(Guard(kind="better_model", args={**VERSIONS, "enough": "yes"}), made).verdict


def test_better_is_enough_where_newer_rows_would_not_come_in_time() -> None:
    assert trained(30) == "broken"
    assert trained(600) == "holds"  # half as much again takes longer than anybody waits


@pytest.mark.parametrize(
    ("stops", "share", "word"),
    [
        (20, "25", "holds"),
        (0.5, "25", "broken"),  # of a quarter of the requests none is answered any more
        (0.5, "1", "holds"),  # so few that nobody need have seen one
    ],
)
def test_a_candidate_that_answers_no_more_is_turned_back(stops: float, share: str, word: str) -> None:
    records, old = Records(), rows(1200)
    since = START + timedelta(minutes=25)  # 40 a minute until START + 30 min
    until = since + timedelta(minutes=stops)
    asked = (np.arange(1200) % 4 == 0) & (old.at < until.timestamp())
    version = np.where(asked, "new", "v2")
    records.rows = InferenceWindow("score", old.names, old.at, old.features, old.scores, old.labels * np.nan, version)
    args = {**VERSIONS, "share": share, "next": "100", "since": since.isoformat()}
    shown = scene(seen(60, {}), records=records)
    assert checker(lambda: shown)(Guard(kind="live_split", args=args), plan(service="score")).verdict == word


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


@pytest.mark.parametrize(
    ("better", "worse", "answered", "errors", "coming", "sure"),
    [
        (40, 5, 0.5, 0.01, "100", True),
        (15, 12, 0.5, 0.01, "100", False),  # it may as well be luck
        (5, 40, 0.5, 0.01, "100", False),
        (40, 5, 0.3, 0.01, "100", False),  # of half of the requests it answered a third
        (40, 5, 0.45, 0.01, "50", True),  # at its present share that may be borne
        (40, 5, 0.5, 0.5, "100", False),  # the service is not well
    ],
)
def test_nothing_is_waited_for_where_a_candidate_surely_is_better_and_answers(
    better: int, worse: int, answered: float, errors: float, coming: str, sure: bool
) -> None:
    records, old = Records(), rows(1000, right=0.9)
    version = np.where(np.arange(1000) * 37 % 100 < 100 * answered, "new", "v2")  # one beside the other
    records.rows = InferenceWindow("score", old.names, old.at, old.features, old.scores, old.labels * np.nan, version)
    records.gain, records.only = (-0.2, -0.1, -0.05), {"new": better, "v2": worse}
    since = datetime.fromtimestamp(float(old.at[0]), START.tzinfo)
    args = {**VERSIONS, "share": "50", "next": coming, "since": since.isoformat()}
    shown = scene(seen(LATER, {("error_ratio", TALK): errors, ("ttft_p95", TALK): 1.0}), records=records)
    found = checker(lambda: shown)(Guard(kind="live_split", args=args), plan())
    assert (found.verdict, found.sure) == ("holds", sure)
    del args["since"]  # after the hold nobody need be sure
    assert not checker(lambda: shown)(Guard(kind="live_split", args=args), plan()).sure


@pytest.mark.parametrize(
    ("answered", "errors", "sure"),
    [
        (3, 0.0004, True),  # a twentieth, of which a sample says little: but next to no request fails at all
        (3, 0.02, False),  # all that fail may be its own
        (3, float("nan"), False),  # nobody counts them
        (0, 0.0004, False),  # it is said to answer, and does not
    ],
)
def test_requests_that_fail_are_counted_where_a_sample_is_too_small(answered: int, errors: float, sure: bool) -> None:
    records, old = Records(), rows(60)
    version = np.where(np.arange(60) < answered, "new", "v2")
    records.rows = InferenceWindow("score", old.names, old.at, old.features, old.scores, old.labels * np.nan, version)
    records.gain, records.only = (-0.2, -0.1, -0.05), {"new": 40, "v2": 5}
    args = {
        **VERSIONS,
        "share": "5",
        "next": "100",
        "since": datetime.fromtimestamp(old.at[0], START.tzinfo).isoformat(),
    }
    shown = scene(seen(LATER, {("error_ratio", "service/score"): errors}), records=records)
    assert checker(lambda: shown)(Guard(kind="live_split", args=args), plan(service="score")).sure is sure
    args |= {"share": "1", "next": "5"}  # so few that nobody need have seen an answer yet
    assert checker(lambda: shown)(Guard(kind="live_split", args=args), plan(service="score")).sure


@pytest.mark.parametrize("share", [0.5, 0.4])
def test_who_bets_on_a_candidate_that_is_no_better_seldom_wins_much(share: float) -> None:
    won = np.random.default_rng(4).random((400, 300)) < share
    tries = [max(wager(int(row[:n].sum()), int(n - row[:n].sum())) for n in range(10, 300, 10)) for row in won]
    assert np.mean(np.array(tries) >= 20) <= 0.05


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
