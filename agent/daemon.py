"""The controller and its daemon: one tick observes, detects, correlates and takes every open case a step further."""

import threading
from collections import deque
from datetime import datetime, timedelta
from typing import Any

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from agent.case import Anomaly
from agent.casebook import Case, ServiceRow, Snapshot, read_case
from agent.correlate import correlate
from agent.desk import Desk
from agent.detect import Watch
from agent.graph import build
from agent.observe import Observation, Observer, Scene
from agent.verify import standing
from config.fleet import Cadence, Service
from policies.approvals import expire, fold
from tools.errors import ToolError
from tools.journal import Journal

MEMORY = 60  # observations kept
TOLD = timedelta(hours=6)  # a person who was told is not told again
HEADLINE = 4  # signals of a service that the console shows
LOG = structlog.get_logger("prunella")


class Controller:
    """Guards a fleet. ``tick`` never raises for what the world does."""

    def __init__(
        self, desk: Desk, cadence: Cadence, checkpointer: "BaseCheckpointSaver[str]", environment: str
    ) -> None:
        self._desk, self._environment = desk, environment
        self._observer, self._watch = Observer(desk.senses, desk.fleet, cadence), Watch(desk.fleet, cadence)
        self._graph = build(desk).compile(checkpointer=checkpointer)
        self._history: deque[Observation] = deque(maxlen=MEMORY)
        self._known: dict[str, Case] = {}
        self._problems: tuple[str, ...] = ()
        self._lock = threading.RLock()
        for subject in desk.journal.subjects():
            self._refresh(subject)

    @property
    def journal(self) -> Journal:
        """The record of everything."""
        return self._desk.journal

    def now(self) -> datetime:
        """Return the controller's time."""
        return self._desk.clock.now()

    def tick(self) -> None:
        """Look once and act on what is seen."""
        with self._lock:
            try:
                seen = self._observer.look()
            except ToolError as error:
                self._problems = (f"cannot observe: {error}",)
                return
            self._problems = seen.problems
            self._history.append(seen)
            now = seen.at
            self._desk.scene = Scene(self._desk.fleet, seen, tuple(self._history), self._desk.senses, now)
            self._open(self._watch.update(seen), seen)
            open_ids = [key for key, case in self._known.items() if case.is_open]
            self._desk.open_cases = len(open_ids)
            for incident in open_ids:
                self._take_further(incident)

    def snapshot(self) -> Snapshot:
        """Return what there is to see now."""
        with self._lock:
            cases = sorted(self._known.values(), key=lambda case: (not case.is_open, -case.incident.at.timestamp()))
            rows = tuple(self._row(service) for service in self._desk.fleet.services)
            at = self._history[-1].at if self._history else self._desk.clock.now()
            return Snapshot(
                at=at, environment=self._environment, services=rows, cases=tuple(cases), problems=self._problems
            )

    def _open(self, alarms: tuple[Anomaly, ...], seen: Observation) -> None:
        anomalies = tuple(alarm for alarm in alarms if not self._fading(alarm))
        if not anomalies:
            return
        taken = {case.incident.id: case for case in self._known.values() if self._counts(case, seen.at)}
        incidents = [case.incident for case in taken.values()]
        for incident in correlate(anomalies, incidents, self._desk.fleet, seen.topology, seen.at):
            if incident.id not in taken or taken[incident.id].is_open:
                self._desk.write(incident.id, "INCIDENT", incident.model_dump(mode="json"))
                self._refresh(incident.id)

    def _fading(self, alarm: Anomaly) -> bool:
        """Whether an alarm began before a recovery that covers it: its windows and late labels still show the past."""
        service = alarm.entity.split("/")[1]
        return any(
            case.phase == "recovered"
            and case.outcome is not None
            and service in (case.incident.service, *case.incident.related)
            and alarm.onset_at <= case.outcome.at
            for case in self._known.values()
        )

    @staticmethod
    def _counts(case: Case, now: datetime) -> bool:
        """Whether a case still stands in the way of a new one of the same service."""
        told = case.phase == "escalated" and case.outcome is not None and now - case.outcome.at < TOLD
        return case.is_open or case.outcome is None or told

    def _take_further(self, incident: str) -> None:
        config: Any = {"configurable": {"thread_id": incident}, "recursion_limit": 60}
        state = self._graph.get_state(config)
        try:
            if not state.values:
                self._graph.invoke({"incident": incident}, config, durability="sync")
            elif state.interrupts:
                value = state.interrupts[0].value
                answer = self._answer(incident) if value["waits_for"] == "a person" else "go on"
                if answer:
                    resume: Any = Command(resume={state.interrupts[0].id: answer})
                    self._graph.invoke(resume, config, durability="sync")
            elif state.next:
                self._graph.invoke(None, config, durability="sync")
        except ToolError as error:  # the world changed while we looked: the next tick looks again
            self._problems = (*self._problems, f"{incident}: {error}")
            LOG.warning("case waits", incident=incident, error=str(error))
        self._refresh(incident)

    def _answer(self, incident: str) -> str:
        """Return what a person said, or "expired"; empty while nobody has."""
        expire(self.journal, self._desk.clock.now())
        case = self._desk.case(incident)
        digest = case.plan.digest() if case.plan else ""
        found = fold(self.journal.entries(subject=incident, kinds=("APPROVAL",))).values()
        state = next((item.state for item in found if item.plan_digest == digest), "pending")
        return "" if state == "pending" else state

    def _refresh(self, subject: str) -> None:
        case = read_case(self.journal, subject)
        if case is not None:
            self._known[subject] = case

    def _row(self, service: Service) -> ServiceRow:
        entity = f"service/{service.name}"
        signals = [objective.signal for objective in service.objectives][:HEADLINE]
        newest = self._history[-1] if self._history else None
        values = {name: newest.value(name, entity) if newest else None for name in signals}
        state = standing(newest, service) if newest else "no_data"
        targets = {objective.signal: objective.target for objective in service.objectives}
        broken = tuple(
            o.signal
            for o in service.objectives
            if (value := values.get(o.signal)) is not None
            and (value > o.target if o.bound == "below" else value < o.target)
        )
        ready, wanted = (newest.value(name, entity) if newest else None for name in ("replicas_ready", "replicas"))
        return ServiceRow(
            name=service.name,
            kind=service.kind.value,
            tier=service.tier,
            state={"holds": "ok", "broken": "bad", "no_data": "no_data"}[state],
            ready=None if ready is None else int(ready),
            wanted=None if wanted is None else int(wanted),
            headline=values,
            targets=targets,
            spark=tuple(seen.value(signals[0], entity) for seen in self._history) if signals else (),
            broken=broken,
        )


class Daemon:
    """Ticks a controller on APScheduler until told to stop."""

    def __init__(self, controller: Controller, cadence: Cadence) -> None:
        self._controller, self._cadence = controller, cadence

    @property
    def journal(self) -> Journal:
        """The controller's."""
        return self._controller.journal

    def tick(self) -> None:
        """Tick once."""
        self._controller.tick()

    def snapshot(self) -> Snapshot:
        """Return what there is to see now."""
        return self._controller.snapshot()

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set; a tick that fails is logged, and the next one is made all the same."""
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED
        from apscheduler.schedulers.background import BackgroundScheduler

        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_listener(self._troubled, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        scheduler.add_job(
            self.tick,
            "interval",
            seconds=self._cadence.tick.total_seconds(),
            next_run_time=self._controller.now(),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )
        scheduler.start()
        stop.wait()
        scheduler.shutdown(wait=True)

    @staticmethod
    def _troubled(event: Any) -> None:
        LOG.error("tick failed", error=repr(getattr(event, "exception", None) or "missed"))
