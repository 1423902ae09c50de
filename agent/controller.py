"""The controller: one tick observes, detects, correlates and takes every open case a step further.

Two supervision points: what goes wrong within one case is a value (the future's exception) and touches no other case;
what goes wrong with a whole tick is the scheduler's event, and the next tick is made all the same.
"""

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from agent.bill import COSTS, bill
from agent.bill import SUBJECT as BILLS
from agent.case import Anomaly, Outcome
from agent.casebook import Case, Snapshot, read_case
from agent.correlate import correlate
from agent.desk import Desk, recall
from agent.digest import DIGEST, LENGTH, SUBJECT, Period, digest
from agent.fading import covers
from agent.filling import Filling
from agent.graph import build
from agent.lookout import Lookout
from agent.makeshift import Makeshift
from agent.observe import Observation, Observer, Scene
from agent.returning import counted
from agent.routine import Routine
from agent.rows import service_row
from agent.view.digesting import as_markdown, headline
from config.fleet import Cadence
from playbooks.plan import Plan
from playbooks.reaper import reap
from policies.approvals import expire, fold
from policies.controls import KIND as PAUSE
from policies.controls import in_force, paused
from policies.decision import Verdict
from policies.windows import frozen_by
from tools.errors import ToolError
from tools.journal import Journal

MEMORY = 60  # observations kept
TOLD = timedelta(hours=6)  # a person who was told is not told again
MOST_FAILURES = 3  # ticks in a row in which a case failed for no reason that we know; then it is a person's
MOST_WAITS = 120  # the same, where a tool failed it: an hour, at ticks of 30 s
LAST_STEP = 30.0  # seconds that whoever ends the process waits for the step under way
LOG = structlog.get_logger("prunella")


class Controller:
    """Guards a fleet. ``tick`` never raises for what the world does, nor for what goes wrong within one case."""

    def __init__(
        self,
        desk: Desk,
        lookout: Lookout,
        cadence: Cadence,
        checkpointer: "BaseCheckpointSaver[str]",
        environment: str,
    ) -> None:
        self._desk, self._environment = desk, environment
        self._observer, self._lookout = Observer(desk.senses, desk.fleet, cadence), lookout
        self._graph = build(desk).compile(checkpointer=checkpointer)
        self._history: deque[Observation] = deque(maxlen=MEMORY)
        self._known: dict[str, Case] = {}
        self._problems: tuple[str, ...] = ()
        self._failures: dict[str, int] = {}
        self._untold: set[str] = set()  # closed cases whose summary could not be written
        self.courses: tuple[Routine | Filling | Makeshift, ...] = ()  # what is done though nothing is wrong
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="case")
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
            halted = (*filter(None, (self._desk.brake(),)), *self._pauses())
            try:
                seen = self._observer.look()
            except ToolError as error:
                self._problems = (*halted, f"cannot observe: {error}")
                return
            if (inspector := self._desk.inspector) is not None:
                seen = replace(seen, remarks=inspector.remarks)
            unread = inspector.problems if inspector is not None else ()
            self._problems = (*halted, *filter(None, (self._lookout.problem,)), *unread, *seen.problems)
            self._history.append(seen)
            now = seen.at
            self._desk.scene = Scene(self._desk.fleet, seen, tuple(self._history), self._desk.senses, now)
            self._open(self._lookout.update(seen), seen)
            open_ids = [key for key, case in self._known.items() if case.is_open]
            self._desk.open_cases = len(open_ids)
            for incident in open_ids:
                self._take_further(incident)
            self._follow(calm=not halted)
            self._tell()
            self._reap()

    def tell(self, period: Period) -> None:
        """Write the digest of the day or the week that ends now; once, however many controllers there are."""
        with self._lock:
            until = self.now().replace(second=0, microsecond=0)
            if not self.journal.claim(f"digest/{period}/{until:%Y-%m-%d}", "prunella", until):
                return
            self._bill(until, period)
            found = digest(self.journal, period, until)
            body = {"period": period, "headline": headline(found), "text": as_markdown(found)}
            self.journal.append(SUBJECT, DIGEST, body, self.now())
        LOG.info("digest", period=period, headline=body["headline"])

    def _bill(self, until: datetime, period: Period) -> None:
        """Write down what services cost in a period; where nobody measures money, nothing."""
        desk = self._desk
        try:
            found = bill(desk.senses.metrics, desk.fleet, until - LENGTH[period], until)
        except ToolError as error:
            LOG.warning("costs unknown", error=str(error))
            return
        if found.services:
            self.journal.append(BILLS, COSTS, found.model_dump(mode="json"), self.now())

    def rest(self) -> None:
        """Keep what was learned, before the process ends."""
        with self._lock:
            self._lookout.save()

    def snapshot(self) -> Snapshot:
        """Return what there is to see now."""
        with self._lock:
            cases = sorted(self._known.values(), key=lambda case: (not case.is_open, -case.incident.at.timestamp()))
            rows = tuple(service_row(service, tuple(self._history)) for service in self._desk.fleet.services)
            at = self._history[-1].at if self._history else self._desk.clock.now()
            return Snapshot(
                at=at, environment=self._environment, services=rows, cases=tuple(cases), problems=self._problems
            )

    def _open(self, alarms: tuple[Anomaly, ...], seen: Observation) -> None:
        anomalies = tuple(alarm for alarm in alarms if not self._fading(alarm, seen))
        if not anomalies:
            return
        cases = self._known.values()
        standing = [case.incident for case in cases if case.is_open]
        told = [(case.incident, case.outcome.at) for case in cases if case.outcome and self._is_told(case, seen.at)]
        for incident in correlate(anomalies, standing, self._desk.fleet, seen.topology, seen.at, told):
            told_of = incident if incident.id in self._known else counted(incident, cases)
            self._desk.write(incident.id, "INCIDENT", told_of.model_dump(mode="json"))
            if incident.id not in self._known:
                self._lookout.note_beside(incident)
            self._refresh(incident.id)

    def _fading(self, alarm: Anomaly, seen: Observation) -> bool:
        """Whether an alarm began before a recovery that covers it: its windows and late labels still show the past."""
        fleet, cases = self._desk.fleet, self._known.values()
        return any(case.phase == "recovered" and covers(case, alarm, seen, fleet) for case in cases)

    def _pauses(self) -> tuple[str, ...]:
        held = in_force(self.journal.entries(kinds=(PAUSE,)), self._desk.clock.now())
        return tuple(f"paused as {pause.name}: {pause.words()}" for pause in held)

    def _is_told(self, case: Case, now: datetime) -> bool:
        """Whether a person was told of a case so lately that nobody tells again, and what held it up still does."""
        lately = case.phase == "escalated" and case.outcome is not None and now - case.outcome.at < TOLD
        return lately and not self._is_free_again(case, now)

    def _is_free_again(self, case: Case, now: datetime) -> bool:
        """Whether a pause or a freeze kept a case from being healed, and neither holds any more."""
        if case.decision is None or case.decision.verdict is not Verdict.DENY:
            return False
        if not {"pause", "freeze-window"} & {reason.rule for reason in case.decision.reasons}:
            return False
        pauses = self.journal.entries(kinds=(PAUSE,))
        return paused(pauses, case.incident.service, now) is None and not frozen_by(self._desk.freezes, now)

    def _follow(self, *, calm: bool) -> None:
        """Take what is done without an incident a step further; what goes wrong with it touches no case."""
        if not self.courses:
            return
        sick = [case.incident for case in self._known.values() if case.is_open]
        ill = {name for incident in sick for name in (incident.service, *incident.related)}
        for course in self.courses:
            try:
                course.tick(self._desk.look(), ill, calm=calm)
            except ToolError as error:
                self._problems = (*self._problems, f"{course.prefix.rstrip('-')}: {error}")

    def _tell(self) -> None:
        """Write the summary of every closed case that has none: it was given up, or a crash came in between."""
        closed = [key for key, case in self._known.items() if not case.is_open and not case.summary]
        for incident in (key for key in closed if key not in self._untold):
            failure = self._pool.submit(self._desk.tell, incident).exception()
            if failure is not None:
                self._untold.add(incident)
                LOG.error("no summary", incident=incident, error=repr(failure))
            self._refresh(incident)

    def _reap(self) -> None:
        """Turn round the runs that nobody attends to any more: those of closed cases, and of plans given up."""
        desk = self._desk
        if desk.executor is None:
            return
        try:
            reap(desk.executor, desk.journal, self._is_attended, lambda plan: recall(desk, plan))
        except ToolError as error:
            self._problems = (*self._problems, f"runs that nobody attends to: {error}")

    def _is_attended(self, plan: Plan) -> bool:
        if any(course.attends(plan) for course in self.courses):
            return True
        case = self._known.get(plan.incident)
        return case is not None and case.is_open and case.plan is not None and case.plan.id == plan.id

    def _take_further(self, incident: str) -> None:
        """Take a case a step further; a failure stays its own, and after some in a row a person is told."""
        failure = ended(self._pool.submit(self._step, incident))
        if failure is not None and not isinstance(failure, Exception):
            raise failure  # somebody wants this process to end
        if failure is None:
            self._failures.pop(incident, None)
        else:
            self._failed(incident, failure)
        self._refresh(incident)

    def _step(self, incident: str) -> None:
        config: Any = {"configurable": {"thread_id": incident}, "recursion_limit": 60}
        state = self._graph.get_state(config)
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

    def _failed(self, incident: str, failure: Exception) -> None:
        self._problems = (*self._problems, f"{incident}: {failure or repr(failure)}")
        self._failures[incident] = count = self._failures.get(incident, 0) + 1
        if isinstance(failure, ToolError):  # the world changed while we looked: the next tick looks again
            LOG.warning("case waits", incident=incident, error=str(failure))
            if count >= MOST_WAITS:
                self._give_up(incident, f"a tool failed {count} times in a row: {failure}")
            return
        LOG.error("case failed", incident=incident, error=repr(failure), exc_info=failure)
        if count >= MOST_FAILURES:
            self._give_up(incident, f"Prunella herself failed on it: {failure!r}")

    def _give_up(self, incident: str, text: str) -> None:
        """Hand a case to a person: revoke what it may do, and say so."""
        case = self._known[incident]
        for plan in case.plans:
            self._desk.authority.forget(plan.id)
        outcome = Outcome(incident=incident, at=self._desk.clock.now(), verdict="escalated", text=text)
        try:
            self._desk.close(incident, outcome)
        except ToolError as error:
            LOG.error("cannot escalate", incident=incident, error=str(error))

    def _answer(self, incident: str) -> str:
        """Return what a person said about the present plan, "expired" or "not asked"; empty while nobody has."""
        expire(self.journal, self._desk.clock.now())
        case = self._desk.case(incident)
        digest = case.plan.digest() if case.plan else ""
        found = fold(self.journal.entries(subject=incident, kinds=("APPROVAL",))).values()
        state = next((item.state for item in found if item.plan_digest == digest), "not asked")
        return "" if state == "pending" else state

    def _refresh(self, subject: str) -> None:
        case = read_case(self.journal, subject)
        if case is not None:
            self._known[subject] = case


def ended(step: Future[None]) -> BaseException | None:
    """Wait for a step, and return what it failed of.

    Who ends the process waits for it too, or it would be cut off in the middle of an act.
    """
    try:
        return step.exception()
    except KeyboardInterrupt:
        wait([step], LAST_STEP)
        raise
