"""The daemon: a controller that ticks on APScheduler until it is told to stop."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from agent.casebook import Snapshot
from agent.vitals import Pulse, vitals
from config.eyes import EyesSettings
from config.fleet import Cadence
from tools.journal import Journal
from tools.vital import Patient, Vital

if TYPE_CHECKING:
    from agent.controller import Controller

LOG = structlog.get_logger("prunella")
TICK = "tick"


class Chore(NamedTuple):
    """Something to be done as often as a tick, and apart from it: its failure is logged, and holds nothing up."""

    name: str
    do: Callable[[], None]


class Watch(NamedTuple):
    """Who is told how the daemon is while it runs, and when it counts as stalled."""

    serve: Callable[[Patient], AbstractContextManager[object]]
    stalled_after: timedelta


NOBODY = Watch(lambda _: nullcontext(), timedelta.max)


class Daemon:
    """Ticks a controller on APScheduler until told to stop."""

    def __init__(
        self,
        controller: "Controller",
        cadence: Cadence,
        eyes: EyesSettings | None = None,
        chores: tuple[Chore, ...] = (),
        watch: Watch = NOBODY,
    ) -> None:
        self._controller, self._cadence, self._eyes, self._chores = controller, cadence, eyes or EyesSettings(), chores
        self._trouble: tuple[str, ...] = ()
        self._watch, self._pulse = watch, Pulse(controller.now())
        self._seen: Snapshot | None = None  # after the last tick: to take another, one would have to wait for this one

    @property
    def journal(self) -> Journal:
        """The controller's."""
        return self._controller.journal

    def tick(self) -> None:
        """Tick once."""
        began = self._controller.now()
        self._controller.tick()
        self._pulse = self._pulse.beat(began, self._controller.now())
        self._seen = self._controller.snapshot()

    def vitals(self) -> Sequence[Vital]:
        """Return how it was after the last tick; nobody is waited for."""
        return tuple(vitals(self._seen, self._pulse))

    def stalled(self) -> str:
        """Return since when no tick ended, where that is too long ago; else nothing."""
        return self._pulse.stalled(self._controller.now(), self._watch.stalled_after)

    def snapshot(self) -> Snapshot:
        """Return what there is to see now, and what is wrong with the looking."""
        seen = self._controller.snapshot()
        return seen.model_copy(update={"problems": (*self._trouble, *seen.problems)}) if self._trouble else seen

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set; a tick that fails is logged, and the next one is made all the same."""
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
        from apscheduler.schedulers.background import BackgroundScheduler

        # Its warnings are of looks left out while one is under way: their length is among the vitals.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_listener(self._note, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_EXECUTED)
        scheduler.add_job(
            self.tick,
            "interval",
            seconds=self._cadence.tick.total_seconds(),
            next_run_time=self._controller.now(),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            id=TICK,
        )
        hour, day = self._eyes.digest_at, self._eyes.digest_on
        late = {"misfire_grace_time": 3600, "coalesce": True, "hour": hour, "minute": 0}
        scheduler.add_job(self._controller.tell, "cron", ("daily",), id="daily digest", **late)
        scheduler.add_job(self._controller.tell, "cron", ("weekly",), id="weekly digest", day_of_week=day, **late)
        for chore in self._chores:
            scheduler.add_job(chore.do, "interval", seconds=self._cadence.tick.total_seconds(), id=chore.name)
        with self._watch.serve(self):
            scheduler.start()
            stop.wait()
            scheduler.shutdown(wait=True)
        self._controller.rest()

    def _note(self, event: Any) -> None:
        """Keep what is wrong with the last tick, for who looks."""
        from apscheduler.events import EVENT_JOB_EXECUTED

        if event.job_id != TICK:  # a digest or a chore: the record of the daemon's own log suffices
            if event.code != EVENT_JOB_EXECUTED:
                LOG.error("job failed", job=event.job_id, error=repr(getattr(event, "exception", None) or "missed"))
            return
        if event.code == EVENT_JOB_EXECUTED:
            self._trouble = ()
            return
        error = repr(getattr(event, "exception", None) or "missed")
        self._trouble, self._pulse = (f"tick failed: {error}",), self._pulse.missed(self._controller.now())
        LOG.error("tick failed", error=error)
