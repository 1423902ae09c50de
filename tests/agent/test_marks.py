"""A mark on one replica is that replica's; a mark on most of them at once is what they run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from agent.analysts import marks
from agent.case import Evidence
from tests.agent import handmade
from tools.change import Change
from tools.signal import Frame, SeriesKey, SignalSpec

NAMES = ("talk-1", "talk-2", "talk-3")


class Corrupted(handmade.Metrics):
    """Some replicas compute NaN."""

    def __init__(self, ill: Sequence[str]) -> None:
        super().__init__()
        self.ill = ill

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        keys = tuple(SeriesKey("tokens_corrupted", f"replica/talk/{name}") for name in NAMES)
        return Frame(at, keys, np.array([2.0 if name in self.ill else 0.0 for name in NAMES]))


def found(*ill: str, old: Sequence[str] = ()) -> tuple[Evidence, ...]:
    replicas = tuple(
        handmade.REPLICA.model_copy(update={"name": name, "revision": "1" if name in old else "2"}) for name in NAMES
    )
    where = handmade.topology().model_copy(update={"replicas": replicas})
    scene = handmade.scene(handmade.seen(0, {}, where=where))
    scene = replace(scene, senses=replace(scene.senses, metrics=Corrupted(ill)))
    return marks.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)


def test_one_of_three_is_that_replicas() -> None:
    (evidence,) = found("talk-2")
    assert (evidence.entity, evidence.bindings) == ("replica/talk/talk-2", {"replica": "talk-2"})


@pytest.mark.parametrize("ill", [NAMES[:2], NAMES])
def test_most_at_once_are_the_services(ill: tuple[str, ...]) -> None:
    (evidence,) = found(*ill)
    assert (evidence.entity, evidence.bindings) == ("service/talk", {})
    assert f"on {len(ill)} replicas at once" in evidence.text


def test_all_that_a_rollout_renewed_are_the_releases() -> None:
    (evidence,) = found("talk-3", old=NAMES[:2])
    assert evidence.entity == "service/talk"
    assert evidence.text.endswith("on every replica of the new release, and no other")


@pytest.mark.parametrize(("ill", "old"), [("talk-3", ["talk-1"]), ("talk-1", NAMES[:2]), ("talk-3", NAMES)])
def test_one_of_those_that_run_the_same_is_that_replicas(ill: str, old: Sequence[str]) -> None:
    (evidence,) = found(ill, old=old)
    assert evidence.entity == f"replica/talk/{ill}"


def test_none_is_no_news() -> None:
    assert found() == ()


class Cold(handmade.Metrics):
    """Nothing is found in the prefix cache of talk-3."""

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        keys = tuple(SeriesKey("prefix_misses", f"replica/talk/{name}") for name in NAMES)
        return Frame(at, keys, np.array([0.8, 0.8, 0.0]))


@pytest.mark.parametrize("ready", [True, False])
def test_the_cache_of_a_replica_that_is_not_ready_says_nothing(*, ready: bool) -> None:
    new = {"name": "talk-3", "ready": ready}
    replicas = tuple(handmade.REPLICA.model_copy(update={"name": name}) for name in NAMES[:2])
    replicas += (handmade.REPLICA.model_copy(update=new),)
    scene = handmade.scene(handmade.seen(0, {}, where=handmade.topology().model_copy(update={"replicas": replicas})))
    scene = replace(scene, senses=replace(scene.senses, metrics=Cold()))
    found = marks.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)
    assert [each.finding for each in found] == ["prefix_misses"] * ready


class Long(handmade.Metrics):
    """Every replica of talk is shown long prompts; ``since``: from when on. None of today's ran an hour ago."""

    def __init__(self, since: datetime) -> None:
        super().__init__()
        self.since = since

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        keys = tuple(SeriesKey("long_prompts", f"replica/talk/{name}") for name in NAMES)
        return Frame(at, keys, np.full(3, 0.6))  # of the prompts are no longer than usual

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        keys = tuple(SeriesKey("long_prompts", f"replica/talk/{name}") for name in ("talk-0", *NAMES))
        times = [start + timedelta(seconds=step) * n for n in range(int((end - start).total_seconds() // step) + 1)]
        there = (np.array([0.6 if at >= self.since else 1.0, *[np.nan] * 3]) for at in times)
        return tuple(Frame(at, keys, values) for at, values in zip(times, there, strict=True))


@pytest.mark.parametrize(
    ("hours", "minutes", "actor", "weight"),
    [
        (20, 5, "ci", marks.STOOD),  # it was there all day, did no harm, and five minutes ago somebody released
        (20, 50, "ci", 2.5),  # the release did no harm either
        (20, 5, "prunella", 2.5),  # nobody but us changed anything
        (0, 5, "ci", 2.5),  # it came after the release
    ],
    ids=["stood", "long ago", "ours", "came after"],
)
def test_what_stood_before_a_release_explains_less_of_what_came_after_it(
    hours: int, minutes: int, actor: str, weight: float
) -> None:
    at, records = handmade.START - timedelta(minutes=minutes), handmade.Records()
    told = Change(id="1", at=at, kind="release", entity=handmade.TALK, actor=actor, before="1", after="2")
    records.happened = (told,)
    replicas = tuple(handmade.REPLICA.model_copy(update={"name": name}) for name in NAMES)
    where = handmade.topology().model_copy(update={"replicas": replicas})
    scene = handmade.scene(handmade.seen(0, {}, where=where), records=records)
    began = handmade.START - timedelta(hours=hours)
    scene = replace(scene, senses=replace(scene.senses, metrics=Long(began)))
    (evidence,) = marks.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)
    assert (evidence.finding, evidence.entity, evidence.weight) == ("long_prompts", handmade.TALK, weight)
    assert ("before the last release" in evidence.text) is (weight == marks.STOOD)


class Sticky(handmade.Metrics):
    """Every replica's GPU shows XID 94, as long as anybody knows; ``counts``: how often it came in five minutes."""

    def __init__(self, since: datetime, counts: float) -> None:
        super().__init__()
        self.since, self.counts = since, counts

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        keys = tuple(SeriesKey("mark_xid_beneath", f"replica/talk/{name}") for name in NAMES)
        return Frame(at, keys, np.array([0.0, 94.0, 0.0]))

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        keys = tuple(SeriesKey(spec.name, f"replica/talk/{name}") for name in NAMES)
        value = self.counts if spec.name == "xid_94_count" else 94.0 if start >= self.since else 0.0
        return (Frame(end, keys, np.full(3, value)),)


@pytest.mark.parametrize(
    ("minutes", "counts", "fresh"),
    [
        (600, 0.0, False),  # it is counted, and has not come again
        (600, 1.0, True),  # the same code again
        (5, 0.0, False),  # it came minutes before the first sign; by itself the gauge could not tell
        (600, np.nan, False),  # nobody counts: it stood there long before
        (5, np.nan, True),  # ... and where it did not
        (10.0, np.nan, False),  # the replica has had it from its start: it is somebody else's
    ],
    ids=["stuck", "again", "just before", "old, uncounted", "new, uncounted", "inherited"],
)
def test_the_last_xid_is_not_taken_for_one_of_now(minutes: float, counts: float, *, fresh: bool) -> None:
    replicas = tuple(handmade.REPLICA.model_copy(update={"name": name}) for name in NAMES)
    scene = handmade.scene(handmade.seen(0, {}, where=handmade.topology().model_copy(update={"replicas": replicas})))
    metrics = Sticky(handmade.START - timedelta(minutes=minutes), counts)
    scene = replace(scene, senses=replace(scene.senses, metrics=metrics))
    found = marks.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)
    assert [each.finding for each in found] == ["xid_94"] * fresh


class Often(handmade.Metrics):
    """A job of talk that failed: shown now, and before whenever ``days`` says so of the hours before the first sign."""

    def __init__(self, days: Callable[[float], bool], kept: float) -> None:
        super().__init__()
        self.days, self.kept = days, kept  # hours that are remembered

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        before = (handmade.START - at).total_seconds() / 3600
        shown = 1.0 if before <= 0 or self.days(before) else 0.0
        return Frame(at, (SeriesKey("job_failed", handmade.TALK),), np.array([shown]))

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        times = [start + timedelta(seconds=step) * n for n in range(int((end - start).total_seconds() // step) + 1)]
        oldest = handmade.START - timedelta(hours=self.kept)
        return tuple(self.read((spec,), at) for at in times if at >= oldest)


@pytest.mark.parametrize(
    ("days", "kept", "low", "high"),
    [
        (lambda _: False, 72.0, 2.5, 2.5),
        (lambda hours: hours < 20, 72.0, 2.5, 2.5),  # it came within the day, and has not been there before
        (lambda hours: hours % 24 < 6, 72.0, 0.9, 2.0),  # for six hours of every day
        (lambda hours: hours % 2 < 1, 72.0, 0.2, 0.9),  # half of the time
        (lambda _: True, 72.0, 0.0, 0.0),  # always: nothing is said
        (lambda _: True, 1.5, 0.0, 0.0),  # as long as anybody remembers
        (lambda _: False, 0.0, 2.5, 2.5),  # nobody remembers anything
    ],
    ids=["never", "since today", "every night", "half the time", "always", "always, short memory", "no memory"],
)
def test_a_mark_says_less_the_more_usual_it_is(
    days: Callable[[float], bool], kept: float, low: float, high: float
) -> None:
    scene = handmade.scene(handmade.seen(0, {}))
    scene = replace(scene, senses=replace(scene.senses, metrics=Often(days, kept)))
    found = marks.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)
    weights = [each.weight for each in found if each.finding == "job_failed"]
    assert (low <= weights[0] <= high) if high else not weights


@pytest.mark.parametrize(
    ("minutes", "ready", "told"),
    [(1, False, False), (5, False, True), (1, True, False), (5, True, True)],
    ids=["starting", "too long", "just ready", "long ready"],
)
def test_what_every_start_shows_is_no_news_of_one_that_starts(minutes: int, ready: bool, told: bool) -> None:
    class Starting(handmade.Metrics):
        def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
            return Frame(at, (SeriesKey("readiness_failing", "replica/talk/talk-1"),), np.array([0.1]))

    since = handmade.START - timedelta(minutes=minutes)
    replica = handmade.REPLICA.model_copy(update={"name": "talk-1", "started_at": since, "ready": ready})
    where = handmade.topology().model_copy(update={"replicas": (replica,)})
    scene = handmade.scene(handmade.seen(0, {}, where=where))
    scene = replace(scene, senses=replace(scene.senses, metrics=Starting()))
    found = marks.examine(handmade.incident(handmade.anomaly(handmade.TALK)), scene)
    assert [each.finding for each in found] == ["readiness_failing"] * told
