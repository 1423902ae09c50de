"""One contract, two journals."""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.journal import Journal, Unless
from tools.live.journal import SqlJournal
from tools.memory_journal import MemoryJournal

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _memory(_: Path) -> Journal:
    return MemoryJournal()


def _sqlite(folder: Path) -> Journal:
    return SqlJournal(f"sqlite:///{folder / 'journal.sqlite'}")


def _sqlite_memory(_: Path) -> Journal:
    return SqlJournal("sqlite://")


@pytest.fixture(params=[_memory, _sqlite, _sqlite_memory])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """Every implementation in turn."""
    make: Callable[[Path], Journal] = request.param
    made = make(tmp_path)
    yield made
    if isinstance(made, SqlJournal):
        made.close()


def test_what_is_appended_is_read_back(journal: Journal) -> None:
    body = {"n": 1, "list": [1, 2.5, None, True], "deep": {"ü": "x"}}
    entry = journal.append("inc-1", "STEP_INTENT", body, AT)
    assert (entry.seq, entry.at, entry.subject, entry.kind, entry.body) == (1, AT, "inc-1", "STEP_INTENT", body)
    assert journal.entries() == (entry,)


def test_entries_are_selected_by_subject_kind_and_position(journal: Journal) -> None:
    for index in range(6):
        journal.append(f"inc-{index % 2}", "AB"[index // 3], {"i": index}, AT)
    assert [e.body["i"] for e in journal.entries()] == [0, 1, 2, 3, 4, 5]
    assert [e.body["i"] for e in journal.entries("inc-1")] == [1, 3, 5]
    assert [e.body["i"] for e in journal.entries("inc-1", ("B",))] == [3, 5]
    assert [e.body["i"] for e in journal.entries(kinds=("A", "B"), after=4)] == [4, 5]
    assert journal.entries("inc-9") == ()
    assert journal.subjects() == ("inc-0", "inc-1")


def test_an_append_may_depend_on_what_did_not_come(journal: Journal) -> None:
    journal.append("inc-1", "LEASE", {}, AT)
    seen = journal.append("inc-2", "STEP_INTENT", {}, AT).seq
    unless = (Unless(seen, ("STEP_INTENT",)), Unless(seen, ("LEASE",), "inc-1"))
    journal.append("inc-2", "LEASE", {}, AT)  # of another subject: no objection
    assert journal.append_if("inc-1", "STEP_INTENT", {"n": 1}, AT, unless) is not None
    assert journal.append_if("inc-1", "STEP_INTENT", {"n": 2}, AT, unless) is None
    assert [entry.body for entry in journal.entries(kinds=("STEP_INTENT",))] == [{}, {"n": 1}]


def test_of_many_conditional_appends_at_once_one_succeeds(journal: Journal) -> None:
    barrier = threading.Barrier(8)

    def race(number: int) -> bool:
        barrier.wait()
        return journal.append_if("fleet", "TAKEN", {"by": number}, AT, (Unless(0, ("TAKEN",)),)) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(race, range(8))) == 1


def test_sequence_strictly_increases(journal: Journal) -> None:
    seqs = [journal.append("s", "K", {}, AT).seq for _ in range(5)]
    assert seqs == sorted(set(seqs))


def test_a_body_is_not_shared_with_its_writer(journal: Journal) -> None:
    body = {"list": [1]}
    journal.append("s", "K", body, AT)
    body["list"].append(2)
    assert journal.entries()[0].body == {"list": [1]}


def test_instants_come_back_in_utc(journal: Journal) -> None:
    journal.append("s", "K", {}, AT.astimezone(timezone(timedelta(hours=5))))
    assert journal.entries()[0].at == AT
    assert journal.entries()[0].at.tzinfo == UTC


@pytest.mark.parametrize("body", [{"x": math.nan}, {"x": math.inf}, {"x": object()}, {"x": AT}])
def test_what_is_not_json_is_refused_and_leaves_nothing(journal: Journal, body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        journal.append("s", "K", body, AT)
    assert journal.entries() == ()


def test_an_instant_without_zone_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="time zone"):
        journal.append("s", "K", {}, AT.replace(tzinfo=None))


def test_a_claim_is_won_once_even_by_its_owner(journal: Journal) -> None:
    assert journal.claim("k", "a", AT)
    assert not journal.claim("k", "b", AT)
    assert not journal.claim("k", "a", AT)
    assert journal.claim("other", "b", AT)


def test_epochs_increase_by_target(journal: Journal) -> None:
    assert [journal.next_epoch("x", owner, AT) for owner in ("a", "b", "a")] == [1, 2, 3]
    assert journal.next_epoch("y", "a", AT) == 1


def test_threads_share_it(journal: Journal) -> None:
    wins: list[bool] = []
    epochs: list[int] = []

    def work(number: int) -> None:
        for index in range(8):
            journal.append(f"s{number}", "K", {"i": index}, AT)
            wins.append(journal.claim(f"c{index}", str(number), AT))
            epochs.append(journal.next_epoch("t", str(number), AT))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.seq for e in journal.entries()] == list(range(1, 33))
    assert [e.body["i"] for e in journal.entries("s2")] == list(range(8))
    assert wins.count(True) == 8
    assert sorted(epochs) == list(range(1, 33))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_OPS: st.SearchStrategy[tuple[str, str, str, dict[str, object]]] = st.one_of(
    st.tuples(
        st.just("append"), st.sampled_from("ab"), st.sampled_from("KL"), st.dictionaries(st.text(), _JSON, max_size=3)
    ),
    st.tuples(st.just("claim"), st.sampled_from("pq"), st.sampled_from("ab"), st.just({})),
    st.tuples(st.just("epoch"), st.sampled_from("pq"), st.sampled_from("ab"), st.just({})),
)


def _run(journal: Journal, ops: list[tuple[str, str, str, dict[str, object]]]) -> list[object]:
    out: list[object] = []
    for op, first, second, body in ops:
        match op:
            case "append":
                out.append(journal.append(first, second, body, AT))
            case "claim":
                out.append(journal.claim(first, second, AT))
            case _:
                out.append(journal.next_epoch(first, second, AT))
    return [*out, journal.entries(), journal.entries("a", ("K",), 1), journal.subjects()]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_OPS, max_size=12))
def test_law_both_journals_answer_alike(ops: list[tuple[str, str, str, dict[str, object]]]) -> None:
    durable = SqlJournal("sqlite://")
    assert _run(durable, ops) == _run(MemoryJournal(), ops)
    assert durable.verify() == sum(op[0] == "append" for op in ops)
    durable.close()
