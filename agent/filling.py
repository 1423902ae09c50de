"""Filling: batch work on the GPUs that services hold, while those surely keep their promises beside it.

Real fleets call it backfill. What fills a GPU is the owner's own batch deployment (a service of kind ``batch``), scaled
by the verb, and through the door, of every remedy (``agent.course``). It gets a worker on each GPU of its host where
the capacity proof holds with everything slower by the interference that the settings state. It is cut to its floor at
once where the host is ill, overspends its errors, has not all its replicas, sits on a node that is given up, breaks the
proof by its own readings, or where a reading is missing: no data is never good news.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from agent.budget import overspent
from agent.capacity import ready_of, use_of, wanted_of
from agent.course import GIVEN_UP, TOUCHED, Course
from agent.desk import Desk
from agent.foresee import EASY, SURER, Need, planned, told
from agent.headroom import TIMES, headroom
from agent.observe import Observation, Scene
from agent.situate import DAY
from agent.standing import FILLING
from agent.verify import standing, well_since
from config.fleet import Service
from config.foresight import ForesightSettings
from playbooks.plan import Plan
from policies.windows import frozen_by
from tools.errors import Ambiguous, ToolError, Transient

ROOM, PRESSED = "room_beside", "gpus_needed"
EVERY = timedelta(minutes=2)  # between two that are filled
AT_ONCE = 2  # under way
WELL = timedelta(minutes=10)  # of a host, before batch work is put beside it
REST = timedelta(minutes=20)  # of a host, after batch work was taken from beside it, or no room was proven
FAILED = timedelta(hours=2)  # the same, after filling did not end well
CROWDED = 0.9  # of what a host has, wanted by what runs and what waits: a reading over two minutes says so later
LOOKS = 8  # between two proofs that what is filled may stay; what needs no proof is looked at each time


class Filling(Course):
    """Gives batch services workers, and takes them away."""

    prefix = FILLING

    def __init__(self, desk: Desk, settings: ForesightSettings, ceiling: int) -> None:
        super().__init__(desk, max(1, min(TOUCHED, ceiling - TOUCHED)))
        self._slower = 1 + settings.interference
        self._failed: dict[str, list[datetime]] = {}
        self._looks = 0
        self._next_at: datetime | None = None
        self._recall()

    def tick(self, scene: Scene, ill: Collection[str], *, calm: bool) -> None:
        """Take batch work from beside whoever needs the room, then fill beside one that has it.

        ``ill``: the services of open cases. ``calm``: nothing holds her back; else nothing is begun.
        """
        self._looks += 1
        calm = calm and not frozen_by(self._desk.freezes, scene.now)
        if calm:
            self._give_back(scene, ill)
        for plan in tuple(self._open.values()):  # what was begun just now is done at once
            self._further(plan, scene, ill)
        if calm and not ill and len(self._open) < AT_ONCE and (self._next_at is None or scene.now >= self._next_at):
            self._next_at = scene.now + EVERY
            self._fill(scene)

    # -- beginning -----------------------------------------------------------------------------------------------------
    def _free(self, scene: Scene) -> list[Service]:
        taken = {plan.service for plan in self._open.values()}
        return [service for service in scene.fleet.batches if service.name not in taken]

    def _give_back(self, scene: Scene, ill: Collection[str]) -> None:
        """Leave batch services their floor, where their hosts need the room."""
        for number, service in enumerate(self._free(scene)):
            before, host = wanted_of(scene.observation, service.name), scene.fleet.host(service)
            if before <= service.min_replicas:
                continue
            why = pressed(scene, host, ill)
            if not why and (self._looks + number) % LOOKS == 0:
                why = unproven(scene, host)
            if why and not self._busy(scene.now, host.name):
                self._begin(Need(service.name, before, service.min_replicas, why, PRESSED), scene, 0)

    def _fill(self, scene: Scene) -> None:
        """Fill beside the first host that has room, and leave the others to later looks."""
        if scene.observation.problems or self._busy(scene.now):
            return
        for service in self._free(scene):
            if self._rests_now(service.name, ROOM, scene.now):
                continue
            need = room(scene, service, self._slower, self._desk.caps.replicas_multiple)
            failed = [at for at in self._failed.get(service.name, ()) if at > scene.now - DAY]
            self._rest(service.name, ROOM, scene.now + REST)
            if need and self._begin(need, scene, len(failed)):
                return

    def _begin(self, need: Need, scene: Scene, attempts: int) -> bool:
        plan = planned(need, scene, self._desk.playbooks, FILLING)
        if plan is None:
            return False
        # What gives room back waits for nothing, and rests on no reading but that workers are there.
        back = need.fault == PRESSED
        if back:
            steps = tuple(step.model_copy(update={"hold": timedelta(0), "guards": ()}) for step in plan.steps)
            plan = plan.model_copy(update={"steps": steps})
        known: dict[str, object] = {
            "attempts": attempts,
            "capacity": need.text,
            **({"data_fresh": True} if back else {}),
        }
        return self._judged(told(need, plan, 1.0), scene, known, need.words())

    # -- going on ------------------------------------------------------------------------------------------------------
    def _further(self, plan: Plan, scene: Scene, ill: Collection[str]) -> None:
        """Take one a step further; a filling is turned round where its host needs the room."""
        desk, host = self._desk, scene.fleet.host(scene.fleet.service(plan.service))
        proving = desk.since(plan.incident, "VERIFYING")
        given_up = desk.since(plan.incident, GIVEN_UP) is not None
        try:
            if plan.fault == ROOM and (given_up or (why := pressed(scene, host, ill))):
                self._turn(plan, "" if given_up else why, again=given_up)
            elif proving is None:
                self._advance(plan)
            elif plan.fault == ROOM:
                self._prove(plan, scene, host, proving)
            else:
                self._end(plan, "recovered", f"{host.name} has its GPUs for itself, but for {plan.service}'s floor")
        except (Transient, Ambiguous):
            return  # the next tick looks again
        except ToolError as error:
            self._end(plan, "inconclusive", f"not carried out: {error}")

    def _settled(self, plan: Plan, verdict: str, at: datetime) -> None:
        """Let a host be alone for a while after it needed its GPUs; longer where filling did not end well."""
        if plan.fault == PRESSED:
            self._rest(plan.service, ROOM, at + REST)
        elif verdict != "recovered":
            self._failed.setdefault(plan.service, []).append(at)
            self._rest(plan.service, ROOM, at + FAILED)


def room(scene: Scene, service: Service, slower: float, times: int) -> Need | None:
    """Return a worker on each GPU of the host, where it is well and surely proven to stay so at ``slower`` times.

    ``times``: how many times the present workers may be asked for at one step.
    """
    seen, host = scene.observation, scene.fleet.host(service)
    before, ready = wanted_of(seen, service.name), ready_of(seen, host.name)
    after = min(ready, service.max_replicas, times * before)
    well = well_since(scene, host, scene.now - WELL)
    if not before or after <= before or pressed(scene, host, ()) or overspent(scene, host):
        return None
    if well is None or scene.now - well < WELL - timedelta(minutes=1):
        return None
    shown = headroom(scene, host, ready, growth=SURER, slower=slower)
    text = f"everything {slower:.2f} times as slow beside {after} workers; {shown.text}"
    return Need(service.name, before, after, text, ROOM) if shown.proven else None


def pressed(scene: Scene, host: Service, ill: Collection[str]) -> str:
    """Return why a host needs its GPUs now; empty: it does not. What is not known counts as a reason."""
    seen = scene.observation
    if host.name in ill:
        return f"{host.name} is ill"
    state = standing(seen, host, quality=False)
    if state == "broken":
        return f"{host.name} breaks an objective"
    if missing := _missing(seen, host):
        return f"{missing} of {host.name} is NO DATA"
    if (use := use_of(seen, host) or 0.0) > CROWDED:
        return f"{host.name} wants {use:.0%} of its GPUs"
    if ready_of(seen, host.name) < wanted_of(seen, host.name):
        return f"{host.name} has not all its replicas"
    leaving = {node.name for node in seen.topology.nodes if not (node.ready and node.schedulable)}
    if gone := sorted({each.node for each in seen.topology.of(host.name)} & leaving):
        return f"{host.name} sits on {gone[0]}, which is given up"
    return ""


def unproven(scene: Scene, host: Service) -> str:
    """Return why batch work may not stay where it is, by what is read with it there; empty: it may."""
    if text := overspent(scene, host):
        return text
    if _easy(scene.observation, host):
        return ""
    shown = headroom(scene, host, ready_of(scene.observation, host.name))
    return "" if shown.proven or shown.early else shown.text


def _easy(seen: Observation, host: Service) -> bool:
    """Whether so little is asked, and answered so soon, that no proof is needed to leave things as they are."""
    use, entity = use_of(seen, host), f"service/{host.name}"
    times = [(seen.value(each.signal, entity), each.target) for each in host.objectives if each.signal in TIMES]
    return use is not None and use <= EASY and all(value is not None and value <= EASY * most for value, most in times)


def _missing(seen: Observation, host: Service) -> str:
    """Return a serving objective, or the use of its GPUs, that is not known."""
    wanted = [each.signal for each in host.objectives if each.signal != "accuracy"]
    entity = f"service/{host.name}"
    return next((name for name in (*wanted, "gpu_utilisation") if seen.value(name, entity) is None), "")
