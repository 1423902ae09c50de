"""What the eyes learned survives a restart; departures reach the journal and stand beside incidents, opening none."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent.case import Anomaly
from agent.detect import Watch
from agent.digest import digest
from agent.judged import QualityReading
from agent.lookout import BESIDE, DEPARTURE, LOGS, NOTICED, REMARK, SUBJECT, Lookout, departures, remarks_of
from agent.observe import Observation
from agent.remarks import Remark
from agent.view.digesting import as_markdown, headline
from config.eyes import EyesSettings
from config.fleet import Cadence, Fleet
from tests.agent.handmade import FLEET, START, TICK, anomaly, incident, seen
from tools.errors import Refused
from tools.live.memory import FileMemory
from tools.memory_journal import MemoryJournal

TALK = "service/talk"
KEEN = EyesSettings(budget="one false alert per series per day")


def watch(fleet: Fleet = FLEET, tick: timedelta = TICK) -> Watch:
    return Watch(fleet, Cadence(tick=tick), KEEN)


def day(ticks: int) -> list[Observation]:
    """Noise, an outage that comes and goes, a queue that grows, an engine that stands still, bad answers."""
    rng = np.random.default_rng(3)
    wrong = QualityReading(START, 500, 0.70, 0.66, 0.74)
    found = []
    for tick in range(ticks):
        ill = 200 <= tick % 260 < 215
        values = {
            ("error_ratio", TALK): 0.3 if ill else 0.001,
            ("requests", TALK): 20.0 + rng.normal(),
            ("waiting", TALK): 3.0 + rng.random() + 400 * (tick in (240, 241)),
            ("engine_steps", "replica/talk/talk-1"): 0.0 if 230 <= tick < 240 else 9.0,
            ("spend", TALK): 20.0 if tick > 120 else 5.0,
            ("gpu_utilisation", TALK): 15.0,
            ("replicas", TALK): 8.0,
            ("xid", "gpu/n1/0"): 79.0 if ill else 0.0,
        }
        found.append(seen(tick, values, {"score": wrong} if tick > 205 else {}))
    return found


CUTS = (1, 202, 214, 236, 241)


@pytest.fixture(scope="module")
def saved() -> dict[int, bytes]:
    """What a guard has kept after so many ticks."""
    guard, kept = watch(), {}
    for tick, moment in enumerate(day(max(CUTS)), 1):
        guard.update(moment)
        if tick in CUTS:
            kept[tick] = guard.save()
    return kept


@pytest.fixture(scope="module")
def uninterrupted() -> list[object]:
    """What a guard that nobody stops or looks into says of every tick."""
    guard = watch()
    return [(guard.update(moment), guard.departed) for moment in day(260)]


@pytest.mark.parametrize("cut", CUTS)
def test_a_restart_changes_nothing_of_what_is_seen(
    cut: int, saved: dict[int, bytes], uninterrupted: list[object]
) -> None:
    heir = watch()
    heir.restore(saved[cut])
    for moment, expected in zip(day(260)[cut:], uninterrupted[cut:], strict=True):
        assert (heir.update(moment), heir.departed) == expected


def test_an_alarm_of_a_promise_that_is_no_longer_made_does_not_come_back() -> None:
    guard = watch()
    for moment in day(210):
        alarms = guard.update(moment)
    assert {alarm.signal for alarm in alarms} >= {"error_ratio", "xid"}
    talk = FLEET.service("talk")
    looser = talk.model_copy(update={"objectives": tuple(o for o in talk.objectives if o.signal != "error_ratio")})
    other = watch(Fleet(services=(looser, *FLEET.services[1:])))
    with pytest.raises(ValueError, match="does not fit"):  # budgets of other services: learned anew as a whole
        other.restore(guard.save())
    same = watch(Fleet(services=(talk.model_copy(update={"tier": "bronze"}), *FLEET.services[1:])))
    same.restore(guard.save())
    assert {alarm.signal for alarm in same.update(seen(210, {}))} >= {"error_ratio"}


@pytest.mark.parametrize("rubbish", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_what_cannot_be_read_is_said_and_learned_anew(rubbish: bytes, tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "eyes.npz")
    memory.write(rubbish)
    lookout = Lookout(watch(), MemoryJournal(), memory, timedelta(minutes=10))
    assert lookout.problem.startswith("the eyes learn anew")
    lookout.update(seen(0, {}))
    lookout.save()
    assert not lookout.problem


def test_a_state_of_another_tick_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        watch(tick=TICK * 2).restore(watch().save())


def test_the_state_is_kept_now_and_then_and_the_next_process_goes_on_from_it(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "deep" / "eyes.npz")
    assert memory.read() is None
    lookout = Lookout(watch(), MemoryJournal(), memory, timedelta(minutes=5))
    for moment in day(9):
        lookout.update(moment)
    assert memory.read() is None
    for moment in day(12)[9:]:
        lookout.update(moment)
    assert memory.read()
    lookout.save()
    heir, guard = watch(), watch()
    heir.restore(memory.read() or b"")
    for moment in day(12):
        guard.update(moment)
    assert heir.save() == guard.save()


def test_a_disk_that_is_full_is_a_problem_and_no_end() -> None:
    class Full:
        def read(self) -> bytes | None:
            return None

        def write(self, content: bytes) -> None:
            raise Refused("No space left on device")

    lookout = Lookout(watch(), MemoryJournal(), Full(), TICK)
    for moment in day(5):
        lookout.update(moment)
    assert lookout.problem == "what the eyes learned cannot be kept: No space left on device"


def departed(ticks: int) -> tuple[Lookout, MemoryJournal, list[Anomaly]]:
    journal = MemoryJournal()
    lookout = Lookout(watch(), journal, None, timedelta(minutes=10))
    for moment in day(ticks):
        lookout.update(moment)
    return lookout, journal, list(departures(journal, START, START + timedelta(days=1)))


def test_a_departure_is_written_down_once_with_its_words_and_numbers() -> None:
    _, journal, found = departed(260)
    (queue,) = [each for each in found if each.signal == "waiting" and each.value > 400]
    assert (queue.at, queue.tier, queue.detector) == (START + 240 * TICK, "daily", "departure")
    assert 3 < queue.expected < 4
    assert queue.score >= 1
    assert queue.reason
    assert {entry.kind for entry in journal.entries(subject=SUBJECT)} == {DEPARTURE}
    assert not [each for each in found if each.signal == "xid"]  # a code is no amount


def test_a_new_incident_is_told_what_else_was_unusual_and_only_there_and_then() -> None:
    lookout, journal, _ = departed(245)
    at = START + 244 * TICK
    lookout.note_beside(incident(anomaly(TALK, tick=244)))
    (entry,) = journal.entries(kinds=(NOTICED,))
    assert "waiting of service/talk moves more, or less, than it ever did (403.4, expected 3.499)" in entry.body["text"]
    lookout.note_beside(incident(anomaly("service/out", tick=244)).model_copy(update={"service": "out"}))
    late = incident(anomaly(TALK, tick=244 + int(BESIDE / TICK) + 10))
    lookout.note_beside(late.model_copy(update={"at": at + 2 * BESIDE}))
    assert len(journal.entries(kinds=(NOTICED,))) == 1


def test_errors_that_come_and_go_burn_the_budget_though_no_promise_is_broken_for_long() -> None:
    guard, found = watch(), []
    for tick in range(660):
        share = 0.9 if tick % 5 == 0 and tick >= 120 else 0.0  # one bad tick in five: never two of five
        alarms = guard.update(seen(tick, {("error_ratio", TALK): share, ("requests", TALK): 50.0}))
        found += [alarm for alarm in alarms if alarm.detector == "burn"]
        assert not [alarm for alarm in alarms if alarm.detector == "objective"]
    assert found
    assert found[0].entity == TALK
    assert found[0].value > found[0].expected
    assert found[-1].onset_at == found[0].at


def remark(at: datetime, subject: str = "x") -> Remark:
    return Remark(at=at, service="score", kind="rule", subject=subject, text=f"{subject}: 2 % nulls", size=0.02)


def test_what_a_log_shows_is_written_down_once_a_day_for_as_long_as_it_stands() -> None:
    journal = MemoryJournal()
    eyes = Lookout(Watch(FLEET, Cadence()), journal, None, timedelta(minutes=10))
    for hour in range(30):
        looked = replace(seen(0, {}), at=START + timedelta(hours=hour))
        if hour >= 3:
            standing = [remark(looked.at)] + ([remark(looked.at, "y")] if hour in (5, 9) else [])
            eyes.update(replace(looked, remarks={"score": tuple(standing)}))
        if hour == 12:  # a restart forgets nothing
            eyes = Lookout(Watch(FLEET, Cadence()), journal, None, timedelta(minutes=10))
    told = remarks_of(journal, START, START + timedelta(days=2))
    assert [(each.subject, (each.at - START) // timedelta(hours=1)) for each in told] == [("x", 3), ("y", 5), ("x", 27)]


def test_the_digest_says_what_logs_show_and_what_is_upstream_first() -> None:
    journal = MemoryJournal()
    for kind, text in (("estimate", "estimated accuracy 0.8"), ("skew", "x is served times 1000")):
        body = {**remark(START).model_dump(mode="json"), "kind": kind, "subject": kind, "text": text}
        journal.append(LOGS, REMARK, body, START)
    found = digest(journal, "daily", START + timedelta(hours=3))
    assert headline(found) == "No incident. Look at the rows of score first: x is served times 1000."
    page = as_markdown(found)
    assert page.index("x is served times 1000") < page.index("estimated accuracy")
    assert not digest(journal, "daily", START + timedelta(days=3)).remarks
