"""One drill in a real cluster from plan to score, written ahead to the journal that the daemon keeps as well."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.casebook import read_cases
from agent.trust import INJECTION
from config.settings import Settings
from simulator.staging import consent, result
from simulator.staging.edits import Json
from simulator.staging.faults import FAULTS
from simulator.staging.hands import Hands, Place
from simulator.staging.job import Cleaner, job
from simulator.staging.mark import Mark, last_drill, mark_of, ready_for
from simulator.staging.plan import DrillPlan
from simulator.staging.result import DrillResult
from simulator.staging.turn import end_turn, turn
from tools.errors import Absent, Refused, Transient
from tools.journal import Journal
from tools.live.kube_lease import KubernetesLeases

READY_WITHIN = timedelta(minutes=3)  # images may have to be pulled
GRACE = timedelta(minutes=1)  # after its time, for the reverter
LEAST = timedelta(seconds=5)
States = Mapping[str, str]


@dataclass(slots=True)
class Staging:
    """All that a drill needs. ``look`` says how the objectives of every service stand: holds, broken, no_data."""

    settings: Settings
    hands: Hands
    journal: Journal
    look: Callable[[], States]
    say: Callable[[str], None]
    step: float = 2.0  # seconds between two looks
    sleep: Callable[[float], None] = time.sleep

    # -- before ----------------------------------------------------------------------------------------------------
    def plan(self, fault: str, service: str, lasts: timedelta) -> DrillPlan:
        """Return what would be done, judged by the API server; ``Refused`` where anybody says no."""
        drills = consent.consented(self.settings)
        place = self._place(service)
        if not LEAST <= lasts <= drills.longest:
            raise Refused(f"a fault stands from {LEAST} to {drills.longest} (drills.longest), not {lasts}")
        for name, other, mark in self._standing():
            if mark is not None:
                raise Refused(f"{name} bears {mark.operation} until {mark.until:%H:%M:%S} UTC: one fault at a time")
            if found := ready_for(other):
                raise Refused(f"{name}: a reverter stands ready for {found}: one fault at a time")
        item = self.hands.read(place)
        if reason := consent.spared(self.hands.api.get(f"/api/v1/namespaces/{place.namespace}"), item):
            raise Refused(reason)
        edits = self.hands.rehearsed(place, item, FAULTS[fault].edits(item, drills.bad_env))
        return DrillPlan(
            fault=fault,
            service=service,
            namespace=place.namespace,
            deployment=place.name,
            uid=item["metadata"]["uid"],
            replicas=int(item["spec"].get("replicas", 1)),
            edits=edits,
            lasts=lasts,
        )

    def _place(self, name: str) -> Place:
        service = consent.patient(self.settings.fleet, consent.consented(self.settings), name)
        return Place(service.namespace, service.workload)

    def _standing(self) -> Iterator[tuple[str, Json, Mark | None]]:
        """Yield everything that may be hurt, with the drill that it bears."""
        for name in consent.consented(self.settings).services:
            item = self.hands.read(self._place(name))
            yield name, item, mark_of(item)

    # -- the drill -------------------------------------------------------------------------------------------------
    def carry_out(self, plan: DrillPlan, by: str) -> DrillResult:
        """Put the fault in, watch it healed, take it back, score it. Dying anywhere leaves it to the reverter."""
        if by not in consent.consented(self.settings).approvers:
            raise Refused(f"{by} may not approve drills: drills.approvers names who may")
        begun = self.hands.now()
        operation = f"drill-{plan.digest[:8]}-{begun:%d%H%M%S}"
        with turn(self._leases(), operation, by, begun, plan.lasts + READY_WITHIN + GRACE):
            self._write(operation, "planned", plan=plan.model_dump(mode="json"), by=by, digest=plan.digest)
            self._send_for_reverter(plan, operation)
            return self._played(plan, operation, by)

    def _played(self, plan: DrillPlan, operation: str, by: str) -> DrillResult:
        before, mark = self.look(), plan.mark(operation, by, self.hands.now())
        self._write(operation, "intent", mark=mark.model_dump(mode="json"))
        try:
            self.hands.put_in(plan.place, mark)
            text = f"driven out: {self.hands.evict_one(plan.place)}" if FAULTS[plan.fault].evicts else ""
            self._write(operation, "put_in", text=text)
            self.say(f"{operation}: {plan.fault} stands until {mark.until:%H:%M:%S} UTC; a reverter stands by")
            ended = self._watched(plan, mark)
        finally:
            words = self.hands.take_back(plan.place, operation)
            words = words or last_drill(self.hands.read(plan.place))  # the reverter was first
            self._write(operation, "taken_back", text=words)
        named = result.first_causes(self.journal.entries(kinds=("DIAGNOSIS",)))
        found = result.noticed(read_cases(self.journal), named, plan.service, mark)
        harm = result.harmed(before, self.look(), plan.service)
        facts = {"operation": operation, "fault": plan.fault, "service": plan.service, "taken_back": words}
        scored = DrillResult.model_validate({**facts, **found, **ended, "collateral": harm})
        self._write(operation, "scored", result=scored.model_dump(mode="json"))
        return scored

    def _send_for_reverter(self, plan: DrillPlan, operation: str) -> None:
        """Make the Job, and wait until it says on the object itself that it stands ready; else nothing is broken."""
        drills, seconds = consent.consented(self.settings), int(READY_WITHIN.total_seconds())
        body = job(plan.place, operation, seconds, Cleaner(drills.reverter_image, drills.reverter_account))
        self.hands.api.post(f"/apis/batch/v1/namespaces/{plan.namespace}/jobs", body)
        deadline = self.hands.now() + READY_WITHIN
        while ready_for(self.hands.read(plan.place)) != operation:
            if self.hands.now() > deadline:
                self._write(operation, "given_up", text="no reverter stood ready")
                raise Absent(f"no reverter stood ready within {READY_WITHIN}; nothing was broken: see the Job's log")
            self.sleep(self.step)

    # -- watching --------------------------------------------------------------------------------------------------
    def _watched(self, plan: DrillPlan, mark: Mark) -> dict[str, Any]:
        """Watch until it is healed and has stayed so, or until its time is over; who ended it, and when."""
        since: datetime | None = None
        hold = consent.consented(self.settings).hold
        while (now := self.hands.now()) < mark.until + GRACE:
            item, fine = self._seen(plan, mark)
            if item is not None and mark_of(item) is None:
                return {"healed": False, "by": "the reverter"}
            since = (since or now) if fine else None
            if item is not None and since is not None and since < mark.until and now - since >= hold:
                return {"healed": True, "by": result.healer(item, mark), "heal_s": result.since(mark, since)}
            self.sleep(self.step)
        return {"healed": False, "by": "nobody", "text": "the reverter did not come: look at its Job"}

    def _seen(self, plan: DrillPlan, mark: Mark) -> tuple[Json | None, bool]:
        """Return the object, None where it cannot be read now, and whether all is well. NO DATA is not well."""
        try:
            item = self.hands.read(plan.place)
            stands = self.look().get(plan.service)
        except Transient:
            return None, False
        whole = consent.whole(item) and int(item["spec"].get("replicas", 1)) >= plan.replicas
        return item, result.gone(item, mark) and whole and stands == "holds"

    # -- afterwards ------------------------------------------------------------------------------------------------
    def take_all_back(self) -> tuple[str, ...]:
        """Take back whatever drill stands in what may be hurt, before its time; what was done, in words."""
        done = []
        for name, item, mark in self._standing():
            operation, place = ready_for(item), self._place(name)
            if mark is not None and (words := self.hands.take_back(place, mark.operation)):
                self._write(mark.operation, "taken_back", text=words)
                done.append(f"{name}: {words}")
            elif operation and self.hands.stand_down(place, operation):
                done.append(f"{name}: {operation} had not begun, and cannot any more")
        end_turn(self._leases())
        return tuple(done)

    def _leases(self) -> KubernetesLeases:
        return KubernetesLeases(self.hands.api, self.settings.fleet, self.settings.cluster.lease_namespace)

    def _write(self, operation: str, state: str, **body: Any) -> None:
        self.journal.append(operation, INJECTION, {"state": state, **body}, self.hands.now())
