"""The witness: sees every effect and every entry, and knows what must never happen. It trusts nothing of the product's.

Everything is computed anew, naively, from the pretend server's truth and the journal's own entries.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from config.fleet import Fleet
from config.freeze import Freeze
from policies.caps import Caps
from tests.torture.cluster import LEASES, PODS, Change, Server, epoch, marks
from tests.torture.fate import Clock, Violation
from tools.action import ACTION, Action, Operation
from tools.journal import Entry, Journal
from tools.live.kube_api import Json
from tools.live.kube_stamp import FENCE

HOUR = timedelta(hours=1)
CAPS = Caps(service_actions_per_hour=8, class_actions_per_hour=5, fleet_actions_per_hour=14, fleet_runs=3)
FREEZES = (Freeze(why="torture", weekly="mon 11:00 - mon 13:00"), Freeze(why="torture", weekly="mon 15:30 - mon 16:00"))
DEAD = frozenset(("engine_hang_200",))


@dataclass
class Effect:
    """What one operation did."""

    path: str
    before: Any
    after: Any


@dataclass
class Witness:
    """Checks every invariant at every step."""

    clock: Clock
    journal: Journal
    fleet: Fleet
    caps: Caps = CAPS
    halted: bool = False  # the kill switch, as people set it
    torn: bool = False  # the journal cannot be read
    done: dict[str, Effect] = field(default_factory=dict)
    sent: dict[str, Action] = field(default_factory=dict)  # passed the gate
    doors: list[str] = field(default_factory=list)  # operations being applied, innermost last
    epochs: dict[str, int] = field(default_factory=dict)
    server: Server | None = None

    # -- effects -------------------------------------------------------------------------------------------------------
    def told(self, change: Change) -> None:
        """See one write of ours on the server."""
        if change.path.startswith(LEASES):
            return
        if change.path.startswith(PODS):
            self._happened(self.doors[-1] if self.doors else "", change, "here", "gone")
            return
        fresh = [mark for mark in marks(change.after) if mark["id"] not in {m["id"] for m in marks(change.before)}]
        fenced = FENCE in (change.after["metadata"].get("annotations") or {})
        if fenced and not fresh and change.before["spec"] == change.after["spec"]:  # nothing but a fence
            self.epochs[change.path] = max(self.epochs.get(change.path, 0), epoch(change.after))
            return
        if len(fresh) != 1:
            raise Violation(f"a write to {change.path} with {len(fresh)} marks")
        mark = fresh[0]
        if mark["epoch"] < self.epochs.get(change.path, 0):
            raise Violation(f"epoch {mark['epoch']} wrote {change.path} after {self.epochs[change.path]}")
        if epoch(change.after) < epoch(change.before):
            raise Violation(f"the epoch of {change.path} went down")
        self.epochs[change.path] = mark["epoch"]
        if mark.get("of"):
            if change.before["spec"] != change.after["spec"]:
                raise Violation(f"announcing an eviction changed {change.path}")
            return
        before, after = (value_of(item, self.sent.get(mark["id"])) for item in (change.before, change.after))
        self._happened(mark["id"], change, before, after)

    def _happened(self, operation: str, change: Change, before: Any, after: Any) -> None:
        if operation in self.done:
            raise Violation(f"operation {operation} happened twice on {change.path}")
        if operation not in self.sent:
            raise Violation(f"{change.path} was changed by {operation or 'nobody'}, which never passed the gate")
        self.done[operation] = Effect(change.path, before, after)
        entry = self._intent(operation)
        if entry.kind == "COMPENSATE_INTENT":
            self._compensated(entry, before, after)

    def _compensated(self, entry: Entry, before: Any, after: Any) -> None:
        forward = self._find("STEP_INTENT", step=entry.body["step"], plan=entry.body["plan"])
        first = self.done.get(forward.body["operation"])
        if first is None:
            raise Violation(f"{entry.body['operation']} undoes what never happened")
        if before != first.after:
            raise Violation(f"{entry.body['operation']} undid what was no longer ours: {before}, not {first.after}")
        if after != first.before:
            raise Violation(f"{entry.body['operation']} restored {after}, not {first.before}")

    # -- the gate ------------------------------------------------------------------------------------------------------
    def passes(self, action: Action, operation: Operation) -> None:
        """See an operation that the gate has let through, at this very moment."""
        if self.torn:
            raise Violation(f"{operation.id} passed though the journal cannot be read")
        if self.halted:
            raise Violation(f"{operation.id} passed the kill switch")
        entry = self._intent(operation.id)
        if ACTION.validate_python(entry.body["action"]) != action:
            raise Violation(f"{operation.id} is not what was intended")
        if entry.body["epoch"] > operation.epoch:
            raise Violation(f"{operation.id} is shown with epoch {operation.epoch} below its intent's")
        self.sent[operation.id] = action
        if entry.kind == "STEP_INTENT":
            self._forward(action, entry)

    def _forward(self, action: Action, entry: Entry) -> None:
        now, plan = self.clock.at, entry.body["plan"]
        if any(window.holds_at(now) for window in FREEZES):
            raise Violation(f"{plan} acted in a freeze")
        if self._breaker() == "tripped":
            raise Violation(f"{plan} acted while the breaker is tripped")
        service = entry.body["spends"]["service"]
        for name, pause in self._last("PAUSE", "name").items():
            until = datetime.fromisoformat(pause["until"])
            if not pause["resumed_by"] and now < until and pause["scope"] in ("fleet", service):
                raise Violation(f"{plan} acted while {name} pauses {pause['scope']}")
        if action.verb in ("evict_replica", "train_model") and self._storm(now):
            raise Violation(f"{plan}: {action.verb} in a storm")
        self._approved(entry)
        self._floor(action, plan)

    def _approved(self, entry: Entry) -> None:
        digest = self._find("RUN_PLANNED", plan=entry.body["plan"]).body["digest"]
        decisions = self.journal.entries(entry.subject, ("DECISION",))
        decision = next((e.body for e in decisions if e.body["plan_digest"] == digest), None)
        if decision is None or decision["verdict"] == "deny":
            raise Violation(f"{entry.body['plan']} acted without leave")
        if decision["verdict"] == "allow":
            return
        answers = [e for e in self.journal.entries(entry.subject, ("APPROVAL",)) if e.body["plan_digest"] == digest]
        settled = [e for e in answers if e.body["state"] != "pending"]
        if not settled or settled[0].body["state"] != "approved":
            raise Violation(f"{entry.body['plan']} acted without a yes")
        first = next(
            e for e in self.journal.entries(entry.subject, ("STEP_INTENT",)) if e.body["plan"] == entry.body["plan"]
        )
        if first.body["operation"] not in self.done and self.clock.at >= _at(settled[0].body["expires_at"]):
            known = [e.body["operation"] for e in self.journal.entries(entry.subject, ("STEP_INTENT",))]
            if not any(operation in self.sent for operation in known if operation != entry.body["operation"]):
                raise Violation(f"{entry.body['plan']} began after its approval had expired")

    def _floor(self, action: Action, plan: str) -> None:
        floors = {service.name: service.min_replicas for service in self.fleet.services}
        if action.verb == "set_replicas" and action.replicas < floors.get(action.service, 1):
            raise Violation(f"{plan} asks for {action.replicas} replicas of {action.service}")
        if action.verb == "evict_replica" and self.server is not None:
            planned = self._find("RUN_PLANNED", plan=plan).body["definition"]
            left = len(self.server.pods(action.service)) - 1
            dead = planned["fault"] in DEAD and planned["service"] == action.service
            if left < floors.get(action.service, 1) and not dead:
                raise Violation(f"{plan} evicts and leaves {left} replicas of {action.service}")

    def _storm(self, now: datetime) -> bool:
        opened: dict[str, datetime] = {}
        for entry in self.journal.entries(kinds=("INCIDENT",)):
            opened.setdefault(entry.subject, entry.at)
        recent = [at for at in opened.values() if now - timedelta(minutes=10) < at <= now]
        return len(recent) >= max(3, -(-6 * len(self.fleet.services) // 10))

    # -- the journal ---------------------------------------------------------------------------------------------------
    def wrote(self, entry: Entry) -> None:
        """See one entry that has become durable."""
        match entry.kind:
            case "STEP_INTENT":
                self._spent(entry)
            case "RUN_END":
                self._ended(entry)
            case "LEASE":
                self._leased(entry)

    def _leased(self, entry: Entry) -> None:
        """A lease is taken under an epoch above all others, and while nobody else holds any of its targets."""
        mine, before = entry.body, [e for e in self.journal.entries(kinds=("LEASE", "RUN_END")) if e.seq < entry.seq]
        held: dict[str, Mapping[str, Any]] = {}
        highest = 0
        for e in before:
            known = held.get(e.body["plan"], {"epoch": 0})
            if e.kind == "LEASE":
                highest = max(highest, e.body["epoch"])
                held[e.body["plan"]] = e.body
            elif e.body["epoch"] >= known["epoch"]:
                held.pop(e.body["plan"], None)
        last = held.get(mine["plan"])
        renewed = last is not None and (last["epoch"], last["owner"]) == (mine["epoch"], mine["owner"])
        if not renewed and mine["epoch"] <= highest:
            raise Violation(f"{mine['plan']} takes a lease under epoch {mine['epoch']}, not above {highest}")
        for plan, other in held.items():
            if plan != mine["plan"] and _at(other["until"]) > entry.at and set(other["targets"]) & set(mine["targets"]):
                raise Violation(f"{mine['plan']} takes targets that {plan} holds")

    def _spent(self, entry: Entry) -> None:
        if self._breaker(entry.seq) == "tripped":
            raise Violation(f"{entry.body['plan']} intends while the breaker is tripped")
        ops = [e.body["operation"] for e in self.journal.entries(entry.subject, ("STEP_INTENT",))]
        if len(set(ops)) < len(ops):
            raise Violation(f"{entry.body['operation']} was paid for twice")
        spends = [e for e in self.journal.entries(kinds=("STEP_INTENT",)) if entry.at - e.at < HOUR]
        mine = entry.body["spends"]
        counts = (
            (
                "service",
                self.caps.service_actions_per_hour,
                [e for e in spends if e.body["spends"]["service"] == mine["service"]],
            ),
            (
                "class",
                self.caps.class_actions_per_hour,
                [e for e in spends if e.body["spends"]["class"] == mine["class"]],
            ),
            ("fleet", self.caps.fleet_actions_per_hour, spends),
        )
        for what, most, counted in counts:
            if len(counted) > most:
                raise Violation(f"{len(counted)} steps of the {what} in an hour > {most}")
        self._concurrent(entry)

    def _concurrent(self, entry: Entry) -> None:
        ended = {e.body["plan"] for e in self.journal.entries(kinds=("RUN_END",))}
        running: dict[str, Mapping[str, Any]] = {}
        for e in self.journal.entries(kinds=("STEP_INTENT",)):
            if e.body["plan"] not in ended and _at(e.body["spends"]["until"]) > entry.at:
                running[e.body["plan"]] = e.body["spends"]
        services = Counter(each["service"] for each in running.values())
        fresh = [e.body["plan"] for e in self.journal.entries(entry.subject, ("STEP_INTENT",))].count(
            entry.body["plan"]
        ) == 1
        if fresh and len(running) > self.caps.fleet_runs:
            raise Violation(f"{len(running)} runs under way > {self.caps.fleet_runs}")
        if fresh and services[entry.body["spends"]["service"]] > self.caps.service_runs:
            raise Violation(f"two runs under way on {entry.body['spends']['service']}")

    def _ended(self, entry: Entry) -> None:
        """A run that says it is done has done every step once; one that says undone has left nothing behind."""
        body = entry.body
        leases = [
            e.body["epoch"] for e in self.journal.entries(entry.subject, ("LEASE",)) if e.body["plan"] == body["plan"]
        ]
        if body["epoch"] < max(leases, default=0):
            return  # a superseded executor's word counts for nothing
        planned = self._find("RUN_PLANNED", plan=body["plan"]).body["definition"]
        outcomes, highest = {}, 0
        for e in self.journal.entries(entry.subject, ("LEASE", "STEP_OUTCOME")):
            if e.body["plan"] == body["plan"] and e.body["epoch"] >= highest:  # those below were superseded
                highest = e.body["epoch"]
                if e.kind == "STEP_OUTCOME":
                    outcomes[e.body["step"]] = e.body
        if body["state"] == "done":
            for step in planned["steps"]:
                said = outcomes.get(step["id"])
                if said is None or said["state"] != "done":
                    raise Violation(f"{body['plan']} is done without {step['id']}")
                if said["operation"] not in self.done and step["action"]["verb"] != "evict_replica":
                    raise Violation(f"{body['plan']} is done, but {step['id']} never happened")
        if body["state"] in ("undone", "failed") and planned["undo"] == "inverse":
            self._left_nothing(entry)

    def _left_nothing(self, entry: Entry) -> None:
        """See that each effect of a run was taken back, unless all stands as it stood before its first one."""
        first: dict[tuple[str, str], Any] = {}  # by object and verb
        for intent in self.journal.entries(entry.subject, ("STEP_INTENT",)):
            if intent.body["plan"] != entry.body["plan"] or intent.body["inverse"] is None:
                continue
            effect = self.done.get(intent.body["operation"])
            if effect is None or effect.before == effect.after:
                continue
            what = (effect.path, str(intent.body["action"]["verb"]))
            first.setdefault(what, effect.before)
            if self._taken_back(entry, intent):
                continue
            assert self.server is not None
            item = self.server.objects.get(effect.path, {"spec": {}})
            present = value_of(item, ACTION.validate_python(intent.body["action"]))
            if present == effect.after and present != first[what]:  # up and down again leaves nothing either
                said = f"{entry.body['plan']} ends {entry.body['state']}"
                raise Violation(f"{said} and left {effect.path} at {effect.after}")

    def _taken_back(self, entry: Entry, intent: Entry) -> bool:
        """Tell whether the step of an intent was undone by a write."""
        return any(
            e.body["operation"] in self.done
            for e in self.journal.entries(entry.subject, ("COMPENSATE_INTENT",))
            if e.body["plan"] == entry.body["plan"] and e.body["step"] == intent.body["step"]
        )

    def settled(self, incidents: list[str]) -> None:
        """See the end of a story whose faults came to an end: nothing is left open."""
        for incident in incidents:
            entries = self.journal.entries(incident)
            if not any(e.kind == "CLOSED" for e in entries):
                raise Violation(f"{incident} never ends: {entries[-1].kind} {dict(entries[-1].body)}")
        ended = {e.body["plan"] for e in self.journal.entries(kinds=("RUN_END",))}
        for e in self.journal.entries(kinds=("LEASE",)):
            if e.body["plan"] not in ended:
                raise Violation(f"{e.body['plan']} is still running")

    # -- looking -------------------------------------------------------------------------------------------------------
    def _intent(self, operation: str) -> Entry:
        for entry in self.journal.entries(kinds=("STEP_INTENT", "COMPENSATE_INTENT")):
            if entry.body["operation"] == operation:
                return entry
        raise Violation(f"{operation} acts without an intent")

    def _find(self, kind: str, **wanted: str) -> Entry:
        for entry in self.journal.entries(kinds=(kind,)):
            if all(entry.body.get(key) == value for key, value in wanted.items()):
                return entry
        raise Violation(f"no {kind} with {wanted}")

    def _last(self, kind: str, key: str) -> dict[str, Mapping[str, Any]]:
        return {entry.body[key]: entry.body for entry in self.journal.entries(kinds=(kind,))}

    def _breaker(self, before: int | None = None) -> str:
        entries = [e for e in self.journal.entries(kinds=("BREAKER",)) if before is None or e.seq < before]
        return str(entries[-1].body["state"]) if entries else "closed"


_KEYS = {"set_replicas": "replicas", "restore_revision": "template", "set_schedulable": "unschedulable"}


def value_of(item: Json, action: Action | None) -> Any:
    """Return what an object is set to, as far as an action concerns it."""
    key = "rules" if "rules" in item.get("spec", {}) else _KEYS.get(action.verb, "value") if action else "value"
    return orjson.dumps(item.get("spec", {}).get(key) or None, option=orjson.OPT_SORT_KEYS).decode()


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
