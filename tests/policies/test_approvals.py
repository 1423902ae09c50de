import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.approvals import KIND, answer, ask, escalate, expire, fold, modify, pending, role_of
from policies.decision import Approval, Decision, Reason, Verdict
from tests.policies.builders import NOW
from tools.errors import Absent, Malformed, Refused
from tools.journal import Entry
from tools.memory_journal import MemoryJournal

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def decision(digest: str = "d1", incident: str = "inc-1", verdict: Verdict = Verdict.ASK) -> Decision:
    return Decision(
        plan_digest=digest,
        policy_digest="p",
        incident=incident,
        at=NOW,
        verdict=verdict,
        reasons=(Reason(rule="r", text="t"),),
    )


def test_a_question_is_asked_once_and_answered_once() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW)
    assert ask(journal, decision(), NOW + MINUTE) == question
    assert pending(journal.entries(), NOW) == (question,)
    given_ = answer(journal, question.id, "ana", yes=True, now=NOW + MINUTE, note="go")
    assert (given_.state, given_.by, given_.note, given_.answered_at) == ("approved", "ana", "go", NOW + MINUTE)
    assert (given_.plan_digest, given_.incident) == ("d1", "inc-1")
    assert ask(journal, decision(), NOW + 2 * MINUTE) == given_
    assert fold(journal.entries()) == {question.id: given_}
    assert pending(journal.entries(), NOW) == ()
    with pytest.raises(Refused, match="approved by ana"):
        answer(journal, question.id, "bob", yes=False, now=NOW + 2 * MINUTE)
    assert len(journal.entries()) == 2


def test_a_no_stays_a_no() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW)
    assert answer(journal, question.id, "ana", yes=False, now=NOW).state == "rejected"
    with pytest.raises(Refused, match="rejected by ana"):
        answer(journal, question.id, "ana", yes=True, now=NOW)


def test_expiry_never_means_yes() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, life=10 * MINUTE)
    late = NOW + 10 * MINUTE
    assert pending(journal.entries(), late - timedelta(microseconds=1)) == (question,)
    assert pending(journal.entries(), late) == ()
    with pytest.raises(Refused, match="is expired"):
        answer(journal, question.id, "ana", yes=True, now=late)
    (lapsed,) = expire(journal, late)
    assert lapsed.state == "expired"
    assert expire(journal, late + MINUTE) == ()
    with pytest.raises(Refused, match="is expired"):
        answer(journal, question.id, "ana", yes=True, now=NOW)  # a clock that went back changes nothing
    assert fold(journal.entries())[question.id].state == "expired"


def test_a_record_that_could_not_be_written_leaves_the_question_open() -> None:
    class Full(MemoryJournal):
        full = False

        def append_if(self, *args: Any) -> Entry | None:
            if self.full:
                raise Refused("disk is full")
            return super().append_if(*args)

    journal = Full()
    question = ask(journal, decision(), NOW, life=10 * MINUTE)
    journal.full = True
    for failing in (
        lambda: answer(journal, question.id, "ana", yes=True, now=NOW),
        lambda: expire(journal, NOW + HOUR),
    ):
        with pytest.raises(Refused, match="full"):
            failing()
    journal.full = False
    assert [item.state for item in expire(journal, NOW + HOUR)] == ["expired"]


def test_a_quorum_wants_different_people() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, quorum=2)
    first = answer(journal, question.id, "ana", yes=True, now=NOW)
    assert (first.state, first.votes) == ("pending", ("ana",))
    with pytest.raises(Refused, match="said yes"):
        answer(journal, question.id, "ana", yes=True, now=NOW)
    second = answer(journal, question.id, "bob", yes=True, now=NOW)
    assert (second.state, second.by) == ("approved", "ana, bob")


def test_one_no_settles_it_whatever_the_quorum() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, quorum=2)
    answer(journal, question.id, "ana", yes=True, now=NOW)
    assert answer(journal, question.id, "bob", yes=False, now=NOW).state == "rejected"


LADDER = (("oncall", 10 * MINUTE), ("lead", 20 * MINUTE))
PEOPLE = {"ana": ["oncall"], "lee": ["lead"], "eve": ["sales"]}


def test_silence_climbs_the_ladder_and_ends_in_no() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, ladder=LADDER)
    assert (role_of(question), question.expires_at) == ("oncall", NOW + 30 * MINUTE)
    assert expire(journal, NOW + 9 * MINUTE) == ()
    assert expire(journal, NOW + 10 * MINUTE) == ()
    (now_asked,) = pending(journal.entries(), NOW + 10 * MINUTE)
    assert (role_of(now_asked), now_asked.state) == ("lead", "pending")
    assert expire(journal, NOW + 20 * MINUTE) == ()
    assert len(journal.entries()) == 2
    assert [item.state for item in expire(journal, NOW + 30 * MINUTE)] == ["expired"]


def test_only_the_roles_of_the_ladder_may_answer() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, ladder=LADDER)
    for stranger in ("eve", "nobody"):
        with pytest.raises(Refused, match="none of lead, oncall"):
            answer(journal, question.id, stranger, yes=True, now=NOW, roles=PEOPLE)
    assert answer(journal, question.id, "lee", yes=True, now=NOW, roles=PEOPLE).state == "approved"


def test_a_question_is_handed_up_until_nobody_is_above() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, ladder=LADDER)
    assert role_of(escalate(journal, question.id, "ana", now=NOW)) == "lead"
    with pytest.raises(Refused, match="nobody is above"):
        escalate(journal, question.id, "lee", now=NOW)


def test_wanting_something_else_is_not_a_yes() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW)
    changed = modify(journal, question.id, "ana", {"widen.replicas": "4"}, now=NOW)
    assert (changed.state, changed.changes) == ("modified", {"widen.replicas": "4"})
    with pytest.raises(Refused, match="modified by ana"):
        answer(journal, question.id, "bob", yes=True, now=NOW)
    with pytest.raises(Refused, match="what should be changed"):
        modify(journal, question.id, "ana", {}, now=NOW)


def test_a_question_carries_what_it_is_bound_to() -> None:
    question = ask(MemoryJournal(), decision(), NOW + MINUTE)
    assert (question.policy_digest, question.evidence_at) == ("p", NOW)


def test_of_many_answers_at_once_exactly_one_counts() -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW)
    barrier = threading.Barrier(32)

    def race(number: int) -> Approval | None:
        barrier.wait()
        try:
            return answer(journal, question.id, f"person-{number}", yes=number % 2 == 0, now=NOW)
        except Refused:
            return None

    with ThreadPoolExecutor(32) as pool:
        won = [result for result in pool.map(race, range(32)) if result is not None]
    assert len(won) == 1
    assert fold(journal.entries()) == {question.id: won[0]}
    assert len(journal.entries()) == 2


def test_wrong_use_is_refused() -> None:
    journal = MemoryJournal()
    for verdict in (Verdict.ALLOW, Verdict.DENY):
        with pytest.raises(Refused, match="nothing to approve"):
            ask(journal, decision(verdict=verdict), NOW)
    with pytest.raises(Refused, match="no time"):
        ask(journal, decision(), NOW, life=timedelta(0))
    with pytest.raises(Absent):
        answer(journal, "apr-nobody", "ana", yes=True, now=NOW)
    question = ask(journal, decision(), NOW)
    with pytest.raises(Refused, match="needs a name"):
        answer(journal, question.id, " ", yes=True, now=NOW)


def test_questions_of_other_plans_and_incidents_are_other_questions() -> None:
    journal = MemoryJournal()
    names = {ask(journal, decision(*pair), NOW).id for pair in (("d1", "inc-1"), ("d2", "inc-1"), ("d1", "inc-2"))}
    assert len(names) == 3
    assert {item.id for item in pending(journal.entries(), NOW)} == names


def test_an_unreadable_approval_is_an_error_not_nothing() -> None:
    journal = MemoryJournal()
    journal.append("inc-1", KIND, {"id": "apr-1", "state": "yes"}, NOW)
    with pytest.raises(Malformed):
        pending(journal.entries(), NOW)


@given(st.lists(st.tuples(st.sampled_from(["yes", "no", "expire"]), st.integers(0, 60)), max_size=8))
def test_whatever_happens_the_first_word_stands(events: list[tuple[str, int]]) -> None:
    journal = MemoryJournal()
    question = ask(journal, decision(), NOW, life=30 * MINUTE)
    settled: Approval | None = None
    for word, minutes in events:
        now = NOW + minutes * MINUTE
        if word == "expire":
            made = expire(journal, now)
            result = made[0] if made else None
        else:
            try:
                result = answer(journal, question.id, "ana", yes=word == "yes", now=now)
            except Refused:
                result = None
        assert result is None or settled is None
        settled = settled or result
        assert fold(journal.entries())[question.id] == (settled or question)
        assert settled is None or settled.state != "approved" or settled.answered_at < question.expires_at  # type: ignore[operator]
