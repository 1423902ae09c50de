"""Routine: replicas follow what the hours usually bring. No incident: nothing is wrong, and nobody is told.

How one of these is judged, carried out and ended is in ``agent.course``.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from agent.capacity import wanted_of
from agent.course import FORESEEN, GIVEN_UP, Course
from agent.desk import Desk
from agent.foresee import NEEDED_SOON, NOT_NEEDED, Need, planned, shortage, spare, told
from agent.observe import Scene
from agent.situate import DAY
from agent.usual import Usual
from agent.verify import standing
from config.fleet import Service
from config.foresight import ForesightSettings
from playbooks.plan import Plan
from policies.windows import frozen_by
from tools.catalogue import ON_GPU
from tools.errors import Ambiguous, ToolError, Transient

PREFIX = "routine-"
EVERY = timedelta(minutes=4)  # between two that are begun: a morning's worth goes one after the other
AT_ONCE = 2  # under way: scaling for an incident finds a place beside them
REST = timedelta(minutes=20)  # of a service, after one of its replicas was given back
HARMED = timedelta(days=1)  # of a service whose routine had to be undone
RECENT = 10  # looks, whose mean is the load of now


class Routine(Course):
    """Begins routines and takes them further, one step a tick."""

    prefix = PREFIX

    def __init__(self, desk: Desk, settings: ForesightSettings) -> None:
        super().__init__(desk)
        self._settings = settings
        self._usual = Usual(desk.journal, desk.fleet)
        self._before: dict[str, int] = {}  # replicas of a service before the first was given back
        self._read = 0  # entries of the journal about what was given back
        self._failed: dict[tuple[str, str], list[datetime]] = {}  # when what was done did not end well, by what for
        self._next_at: datetime | None = None
        self._recall()

    def tick(self, scene: Scene, ill: Collection[str], *, calm: bool) -> None:
        """Learn from one look, and act on what is foretold.

        ``ill``: the services of open cases. ``calm``: nothing holds her back; else no routine is begun.
        """
        self._usual.update(scene.observation)
        for name in ill:
            self._rest(name, NOT_NEEDED, scene.now + self._settings.ahead)
        for plan in tuple(self._open.values()):
            self._further(plan, scene, ill)
        calm = calm and not scene.observation.problems and not frozen_by(self._desk.freezes, scene.now)
        if calm and len(self._open) < AT_ONCE and (self._next_at is None or scene.now >= self._next_at):
            self._next_at = scene.now + EVERY
            self._begin(scene, ill)

    # -- beginning -----------------------------------------------------------------------------------------------------
    def _begin(self, scene: Scene, ill: Collection[str]) -> None:
        """Begin the first routine that may be done, and leave the others to later looks."""
        if self._busy(scene.now):
            return
        self._note_given()
        for need in self._needs(scene, ill):
            self._rest(need.service, need.fault, scene.now + 2 * EVERY)
            if self._may(need, scene):
                return

    def _needs(self, scene: Scene, ill: Collection[str]) -> Iterator[Need]:
        """Yield what the hours to come ask for: what is missing first; nothing is given back while anybody is ill."""
        taken = {plan.service for plan in self._open.values()} | set(ill)
        free = [s for s in scene.fleet.services if s.kind in ON_GPU and s.name not in taken]
        for service in free:
            growth = self._growth(service, scene, self._settings.lead)
            most = self._most(service, scene)
            free_now = most and not self._rests_now(service.name, NEEDED_SOON, scene.now)
            if free_now and (need := shortage(scene, service, most, growth or 1.0)):
                yield need
        for service in free if not ill else ():
            growth = self._growth(service, scene, self._settings.ahead)
            if growth and not self._rests_now(service.name, NOT_NEEDED, scene.now):
                self._rest(service.name, NOT_NEEDED, scene.now + REST)
                if need := spare(scene, service, growth):
                    yield need

    def _most(self, service: Service, scene: Scene) -> int:
        """Return how many replicas there were before any was given back; 0: none is missing."""
        before = self._before.get(service.name, 0)
        if wanted_of(scene.observation, service.name) >= before:
            self._before.pop(service.name, None)
            return 0
        return min(before, service.max_replicas)

    def _growth(self, service: Service, scene: Scene, ahead: timedelta) -> float | None:
        looked = [seen.value("requests", f"service/{service.name}") for seen in scene.history[-RECENT:]]
        known = [value for value in looked if value is not None]
        if not known:
            return None
        return self._usual.growth(service.name, sum(known) / len(known), scene.now, ahead)

    def _may(self, need: Need, scene: Scene) -> bool:
        """Judge a need; where it may be done without a person, write it down and begin."""
        plan = planned(need, scene, self._desk.playbooks, PREFIX)
        if plan is None:
            return False
        case = told(need, plan, self._usual.confidence(need.service))
        # Routines that went well are none of the attempts that the rules count; those that did not, are.
        failed = [at for at in self._failed.get((need.service, need.fault), ()) if at > scene.now - DAY]
        known = {"attempts": len(failed), "capacity": need.text}
        return self._judged(case, scene, known, need.words())

    # -- going on ------------------------------------------------------------------------------------------------------
    def _further(self, plan: Plan, scene: Scene, ill: Collection[str]) -> None:
        """Take a routine a step further; what takes away is turned round where its service falls ill."""
        desk, service = self._desk, scene.fleet.service(plan.service)
        proving = desk.since(plan.incident, "VERIFYING")
        given_up = desk.since(plan.incident, GIVEN_UP) is not None
        back = plan.fault == NOT_NEEDED
        hurt = plan.service in ill or (proving and standing(scene.observation, service, quality=False) == "broken")
        try:
            if back and (given_up or hurt):
                self._turn(plan, f"{plan.service} is not well", again=given_up)
            elif proving is None:
                self._advance(plan)
            else:
                self._prove(plan, scene, service, proving)
        except (Transient, Ambiguous):
            return  # the next tick looks again
        except ToolError as error:
            self._end(plan, "inconclusive", f"not carried out: {error}")

    # -- what the journal says -----------------------------------------------------------------------------------------
    def _note_given(self) -> None:
        """Read what was given back lately, by whomever: another controller may bring it back."""
        for entry in self._desk.journal.entries(kinds=(FORESEEN,), after=self._read):
            self._read = entry.seq
            name, before, after = (entry.body[key] for key in ("service", "before", "after"))
            if after < before:
                self._before.setdefault(name, before)
            elif after >= self._before.get(name, after):
                self._before.pop(name, None)

    def _settled(self, plan: Plan, verdict: str, at: datetime) -> None:
        """Let a service rest: briefly after what went well, longer after what did not, a day after harm."""
        if verdict != "recovered" and self._desk.since(plan.incident, "STEP_OUTCOME") is not None:
            self._failed.setdefault((plan.service, plan.fault), []).append(at)
        rest = {"recovered": REST, "undone": HARMED}.get(verdict, self._settings.ahead)
        if plan.fault == NOT_NEEDED:
            self._rest(plan.service, NOT_NEEDED, at + rest)
            return
        self._rest(plan.service, NOT_NEEDED, at + self._settings.ahead)
        if verdict != "recovered":
            self._rest(plan.service, NEEDED_SOON, at + REST)
