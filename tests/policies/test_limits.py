"""Budgets, the breaker, pauses, floors and storms, each by hand-made records."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from config.settings import BreakerSettings
from playbooks.allowance import Denied, Wait
from policies.breaker import KIND, fold, reset, trip
from policies.budget import Budget
from policies.caps import Caps
from policies.controls import Pause, pause, paused, resume
from policies.storm import storming
from tests.policies.builders import NOW, plan
from tools.errors import Absent, Refused
from tools.memory_journal import MemoryJournal

MINUTE = timedelta(minutes=1)


def intent(journal: MemoryJournal, service: str, at: datetime, run: str = "", money: float = 0.0) -> None:
    until = (at + timedelta(hours=2)).isoformat()
    spends = {"service": service, "class": "rollback", "playbook": "p", "money": money, "until": until}
    journal.append("inc", "STEP_INTENT", {"plan": run or f"run-{service}", "spends": spends}, at)


def end(journal: MemoryJournal, run: str, state: str, at: datetime = NOW) -> None:
    journal.append("inc", "RUN_END", {"plan": run, "state": state}, at)


def said(journal: MemoryJournal, at: datetime = NOW, fleet: int = 20, **caps: Any) -> Wait | Denied | None:
    return Budget(Caps(**caps), fleet=fleet).ask(plan(), journal.entries(), at)


def test_a_rate_clears_by_itself() -> None:
    journal = MemoryJournal()
    for minute in range(3):
        intent(journal, "chat", NOW + minute * MINUTE, "other")
        end(journal, "other", "done", NOW + minute * MINUTE)
    answer = said(journal, NOW + 5 * MINUTE, service_actions_per_hour=3)
    assert answer == Wait(NOW + timedelta(hours=1), "steps on chat this hour 3 >= 3")
    assert said(journal, NOW + timedelta(hours=1), service_actions_per_hour=3) is None


def test_a_place_is_kept_by_who_has_begun_and_freed_by_its_end() -> None:
    journal = MemoryJournal()
    intent(journal, "code", NOW)
    answer = said(journal, fleet_runs=1)
    assert isinstance(answer, Wait)
    assert answer.reason == "runs in the fleet under way 1 >= 1"
    intent(journal, "chat", NOW, plan().id)
    assert said(journal, fleet_runs=1) is None
    end(journal, plan().id, "done")
    end(journal, "run-code", "done")
    assert said(journal, fleet_runs=1) is None


def test_money_is_counted_once_a_run_and_for_a_day() -> None:
    journal = MemoryJournal()
    for _ in range(3):
        intent(journal, "code", NOW, money=6.0)
    end(journal, "run-code", "done")
    assert isinstance(said(journal, money_per_day=10), Denied)
    assert said(journal, money_per_day=11) is None
    assert said(journal, NOW + timedelta(days=1), money_per_day=10) is None


@pytest.mark.parametrize(("fleet", "ceiling"), [(1, 2), (3, 2), (4, 2), (6, 3), (9, 4), (10, 5), (500, 5)])
def test_the_ceiling_is_absolute_a_share_and_not_too_small(fleet: int, ceiling: int) -> None:
    assert BreakerSettings().ceiling(fleet) == ceiling


def test_the_breaker_trips_where_too_many_services_are_acted_on_and_stays_tripped() -> None:
    journal = MemoryJournal()
    for service in ("code", "rank"):
        intent(journal, service, NOW - 9 * MINUTE)
        end(journal, f"run-{service}", "done", NOW - 9 * MINUTE)
    answer = said(journal, fleet=4)
    assert isinstance(answer, Denied)
    assert answer.record is not None
    journal.append("fleet", *answer.record, NOW)
    assert isinstance(said(journal, NOW + timedelta(days=9), fleet=4), Denied)
    standing = reset(journal, "ana", "drop", NOW + timedelta(days=9))
    assert not standing.tripped
    assert standing.voids(NOW + timedelta(days=8))
    assert said(journal, NOW + timedelta(days=9), fleet=4) is None


def test_batch_work_and_the_service_beside_which_it_runs_are_one_to_the_breaker() -> None:
    journal = MemoryJournal()
    for service in ("chat", "chat-batch", "code-batch"):
        intent(journal, service, NOW - MINUTE)
        end(journal, f"run-{service}", "done", NOW - MINUTE)
    beside = {"chat-batch": "chat", "code-batch": "code"}
    assert Budget(fleet=4, hosts=beside).ask(plan(), journal.entries(), NOW) is None
    assert isinstance(Budget(fleet=4).ask(plan(), journal.entries(), NOW), Denied)


def test_the_breaker_trips_where_remedies_fail_one_after_the_other() -> None:
    journal = MemoryJournal()
    for number in range(5):
        intent(journal, "code", NOW - 30 * MINUTE, f"run-{number}")
        end(journal, f"run-{number}", "undone" if number % 2 else "failed", NOW - 20 * MINUTE)
    end(journal, "never-acted", "failed")
    assert isinstance(said(journal), Denied)
    intent(journal, "code", NOW - 15 * MINUTE, "good")
    end(journal, "good", "done", NOW - 15 * MINUTE)
    assert said(journal) is None


def test_a_word_about_the_breaker_that_cannot_be_read_trips_it() -> None:
    journal = MemoryJournal()
    journal.append("fleet", KIND, {"state": "fine, really"}, NOW)
    assert fold(journal.entries()).tripped


def test_a_reset_needs_a_tripped_breaker_and_a_name() -> None:
    journal = MemoryJournal()
    with pytest.raises(Refused, match="not tripped"):
        reset(journal, "ana", "drop", NOW)
    trip(journal, "odd", "ana", NOW)
    with pytest.raises(Refused, match="wants a name"):
        reset(journal, " ", "replay", NOW)
    assert not reset(journal, "bob", "replay", NOW).voids(NOW - MINUTE)


def test_pauses_hold_for_their_scope_until_their_end() -> None:
    journal = MemoryJournal()
    pause(journal, Pause(name="all", scope="fleet", until=NOW + 10 * MINUTE, by="ana"), NOW)
    pause(journal, Pause(name="one", scope="chat", until=NOW + 60 * MINUTE, by="ana"), NOW)
    entries = journal.entries()
    assert paused(entries, "code", NOW + 9 * MINUTE) is not None
    assert paused(entries, "code", NOW + 10 * MINUTE) is None
    assert paused(entries, "chat", NOW + 59 * MINUTE) is not None
    resume(journal, "one", "bob", NOW + 20 * MINUTE)
    assert paused(journal.entries(), "chat", NOW + 30 * MINUTE) is None
    with pytest.raises(Absent):
        resume(journal, "one", "bob", NOW + 20 * MINUTE)


def test_a_storm_goes_on_for_its_cool_down() -> None:
    began = [(NOW + n * MINUTE, f"inc-{n}") for n in range(3)]
    assert not storming(began[:2], 4, NOW + 3 * MINUTE)
    assert storming(began, 4, NOW + 3 * MINUTE)
    assert storming(began, 4, NOW + 19 * MINUTE)
    assert not storming(began, 4, NOW + 20 * MINUTE)
    assert not storming(began, 10, NOW + 3 * MINUTE)  # six of ten would be a storm
    far = [(NOW + n * 11 * MINUTE, f"inc-{n}") for n in range(3)]
    assert not storming(far, 4, NOW + 23 * MINUTE)
