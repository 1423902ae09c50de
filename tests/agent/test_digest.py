"""What a person reads in the morning: folded from the journal alone, one sentence first, quiet on a quiet day."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.case import Anomaly
from agent.daemon import Daemon
from agent.digest import DIGEST, SUBJECT, Digest, digest
from agent.lookout import DEPARTURE
from agent.lookout import SUBJECT as EYES
from agent.makeshift import EASED
from agent.view.digesting import as_markdown, headline
from config.fleet import Cadence
from tests.agent.handmade import incident, plan
from tests.agent.play import Play, asked, closed
from tools.action import ConvertInputs
from tools.journal import Journal
from tools.memory_journal import MemoryJournal

GOLDEN = Path(__file__).with_name("digest.md")
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def depart(journal: Journal, at: datetime, entity: str, signal: str = "waiting", **more: object) -> None:
    found = Anomaly.model_validate(
        {
            "at": at,
            "onset_at": at,
            "signal": signal,
            "entity": entity,
            "value": 403.0,
            "expected": 3.5,
            "threshold": 12.0,
            "score": 1.2,
            "detector": "departure",
            "tier": "daily",
            "reason": "is beyond all it has been",
            **more,
        }
    )
    journal.append(EYES, DEPARTURE, found.model_dump(mode="json"), at)


@pytest.fixture(scope="module")
def ended() -> Play:
    """A fleet whose bad release was taken back; only to be read."""
    return Play("bad_rollout_errors").until(closed)


def test_a_day_with_a_bad_release_reads_like_this(ended: Play) -> None:
    now, case, journal = ended.world.clock.now(), ended.case, MemoryJournal()
    for entry in ended.journal.entries():
        journal.append(entry.subject, entry.kind, entry.body, entry.at)
    depart(journal, case.incident.at, f"service/{case.incident.service}")
    depart(journal, now - timedelta(hours=2), "service/search", score=1.5)
    depart(journal, now - timedelta(hours=1), "service/search", value=350.0)
    depart(journal, now - timedelta(hours=1), "gpu/node-1/0", "gpu_temp", value=91.0, expected=60.0, tier="weekly")
    told = as_markdown(digest(journal, "daily", now))
    assert told == GOLDEN.read_text()
    week = as_markdown(digest(journal, "weekly", now))
    assert "gpu_temp of gpu node-1/0: 91°C" in week
    assert "# The week to" in week


def test_what_is_done_beside_a_person_is_told_and_how_it_ended() -> None:
    journal = MemoryJournal()
    body = {"service": "fraud", "playbook": "do_without", "text": "answers without c0 | c1"}
    journal.append("makeshift-1", EASED, body, NOON - timedelta(hours=3))
    journal.append("makeshift-0", EASED, body, NOON - timedelta(hours=30))  # of the day before
    assert "fraud: answers without c0 \\| c1 (under way)" in as_markdown(digest(journal, "daily", NOON))
    outcome = {"incident": "makeshift-1", "at": NOON.isoformat(), "verdict": "recovered", "text": "right on 87%"}
    journal.append("makeshift-1", "OUTCOME", outcome, NOON - timedelta(hours=2))
    told = as_markdown(digest(journal, "daily", NOON))
    assert told.count("- 3 Mar") == 1 or told.count("fraud:") == 1
    assert "(recovered: right on 87%)" in told


def test_who_could_mend_a_feed_reads_how_it_is_read_meanwhile() -> None:
    journal, at = MemoryJournal(), NOON - timedelta(hours=2)
    action = ConvertInputs(
        service="talk",
        model="m",
        version="p-1",
        of="2",
        inputs=("a", "b", "c"),
        read_from=("b", "a", "c"),
        divided_by=(1.0, 1.0, 1000.0),
    )
    made = plan(action, playbook="convert_inputs")
    journal.append(made.incident, "INCIDENT", incident().model_dump(mode="json"), at)
    journal.append(made.incident, "PLAN", made.model_dump(mode="json"), at)
    assert "Done meanwhile" not in as_markdown(digest(journal, "daily", NOON))
    outcome = {"incident": made.incident, "at": at.isoformat(), "verdict": "recovered", "text": "held"}
    journal.append(made.incident, "OUTCOME", outcome, at)
    told = as_markdown(digest(journal, "daily", NOON))
    assert "a comes as b, b comes as a, c comes times 1000: p-1 reads it so in place of 2" in told
    assert "Done meanwhile" not in as_markdown(digest(journal, "daily", NOON + timedelta(days=1)))


def test_a_quiet_day_is_one_sentence() -> None:
    found = digest(MemoryJournal(), "daily", NOON)
    assert as_markdown(found) == "# The day to Tue 3 Mar 12:00\n\nA quiet day: no incident, and nothing unusual.\n"
    assert headline(digest(MemoryJournal(), "weekly", NOON)) == "A quiet week: no incident, and nothing unusual."


def test_a_departure_alone_is_named_and_only_in_its_period() -> None:
    journal = MemoryJournal()
    depart(journal, NOON - timedelta(hours=30), "service/chat")
    assert not digest(journal, "daily", NOON).unusual
    found = digest(journal, "weekly", NOON)
    assert headline(found) == "No incident. Look at waiting of chat when you have a minute."
    assert digest(journal, "daily", NOON - timedelta(hours=10)).unusual == found.unusual


def test_what_waits_for_a_person_comes_first() -> None:
    play = Play("bad_rollout_errors")
    play.autonomy = "ask"
    play.hire()
    play.until(asked)
    found = digest(play.journal, "daily", play.world.clock.now())
    assert headline(found).startswith("1 question waits for you; first: ")
    told = as_markdown(found)
    assert told.index("## Needs you") < told.index("## Incidents")
    assert "so far" in told
    assert found.incidents[0].by_a_person


def test_what_happened_elsewhere_changes_no_digest(ended: Play) -> None:
    now = ended.world.clock.now()
    whole = digest(ended.journal, "daily", now)
    assert digest(ended.journal, "daily", now + timedelta(days=2)).incidents == ()
    later = digest(ended.journal, "daily", now + timedelta(days=1) + timedelta(minutes=1))
    assert later.before == 1
    assert Digest.model_validate_json(whole.model_dump_json()) == whole


def test_the_daemon_writes_each_digest_once() -> None:
    play = Play("bad_rollout_errors").ticks(3)
    assert play.controller is not None
    play.controller.tell("daily")
    play.hire().tell("daily")
    (entry,) = play.journal.entries(subject=SUBJECT)
    assert entry.kind == DIGEST
    assert entry.body["headline"] == "A quiet day: no incident, and nothing unusual."
    assert entry.body["text"].startswith("# The day to ")
    assert not play.cases


@pytest.mark.parametrize("name", ["daily", "weekly"])
def test_the_daemon_has_a_job_for_each(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from apscheduler.schedulers.background import BackgroundScheduler

    jobs: dict[str, str] = {}

    def note(self: object, function: object, trigger: str, args: tuple[str, ...] = (), **options: object) -> None:
        jobs[args[0] if args else "tick"] = f"{trigger} {options.get('day_of_week', '')} {options.get('hour', '')}"

    monkeypatch.setattr(BackgroundScheduler, "add_job", note)
    stop = threading.Event()
    stop.set()
    play = Play("bad_rollout_errors")
    Daemon(play.hire(), Cadence()).run(stop)
    assert re.fullmatch(r"cron (mon )? ?7", jobs[name])
