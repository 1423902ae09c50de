"""One story of torture: a fleet, incidents, two controllers made of the real engine, people, and an adversary."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from agent.desk import Remembering, recall
from config.fleet import Fleet, Service, ServiceKind
from playbooks.allowance import Limits
from playbooks.bind import bind
from playbooks.executor import Executor
from playbooks.library import shipped
from playbooks.plan import Bounds, Guard, Plan, Playbook, PlaybookClass, Step, Verification
from playbooks.reaper import reap, unended
from playbooks.walk import GuardVerdict
from policies.approvals import answer, ask, expire, pending
from policies.approvals import fold as approvals_of
from policies.authority import Authority
from policies.breaker import reset
from policies.budget import Budget
from policies.controls import Pause, latches, pause, paused, resume
from policies.decision import Decision, Situation, Verdict
from policies.floor import floor_check
from policies.gate import Gate
from policies.judge import Rules, judge, load_rules
from policies.storm import openings, storm_check, storming
from policies.windows import freeze_check, is_frozen
from tests.torture.cluster import Api, Server
from tests.torture.fate import Crash, Fate
from tests.torture.models import Models
from tests.torture.witness import CAPS, DEAD, FREEZES, Witness
from tools.action import ACTION, VERBS, Action, Operation, Preimage, Receipt, SetSplit
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError
from tools.journal import Entry, Json, Unless
from tools.live.kube_actuator import KubernetesActuator
from tools.live.kube_routes import RouteActuator
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator

RULES = Path(__file__).parents[2] / "policies" / "rules"
LIFE = timedelta(minutes=20)  # of a question
ATTEMPTS = 3
LANGUAGE, TABULAR = ServiceKind.LANGUAGE, ServiceKind.TABULAR
FLEET = Fleet(
    services=(
        Service(name="chat", kind=LANGUAGE, min_replicas=2, route="chat"),
        Service(name="code", kind=LANGUAGE, min_replicas=3),
        Service(name="score", kind=TABULAR, model="risk", min_replicas=2),
        Service(name="rank", kind=TABULAR, model="order", min_replicas=1),
    )
)
MODELS = {"score": "risk", "rank": "order"}


@cache
def rules() -> Rules:
    """Return the rules that ship."""
    texts = {path.name: path.read_text() for path in sorted(RULES.glob("*.cedar"))}
    return load_rules(texts, (RULES / "prunella.cedarschema").read_text())


@cache
def library() -> tuple[Playbook, ...]:
    """Return the playbooks that ship."""
    return tuple(shipped())


class Pen:
    """One process's journal: it may die at every write, find the disk full, or lose the reply."""

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage

    def append(self, subject: str, kind: str, body: Json, at: datetime) -> Entry:
        entry = self._write(lambda: self._stage.journal.append(subject, kind, body, at), kind)
        assert entry is not None
        return entry

    def append_if(self, subject: str, kind: str, body: Json, at: datetime, unless: Sequence[Unless]) -> Entry | None:
        return self._write(lambda: self._stage.journal.append_if(subject, kind, body, at, unless), kind)

    def _write(self, write: Callable[[], Entry | None], kind: str) -> Entry | None:
        fate, witness = self._stage.fate, self._stage.witness
        fate.point(f"before {kind}")
        self._torn()
        if fate.strikes("disk"):
            raise Refused("journal: database or disk is full")
        entry = write()
        if entry is not None:
            witness.wrote(entry)
        fate.point(f"after {kind}")
        if entry is not None and fate.strikes("disk"):
            raise Ambiguous("journal: the connection broke after the commit was sent")
        return entry

    def _torn(self) -> None:
        if self._stage.fate.strikes("tear"):
            self._stage.witness.torn = True
        if self._stage.witness.torn:
            raise Malformed("journal: entry 7 does not fit the chain after entry 6")

    def entries(self, subject: str | None = None, kinds: Sequence[str] = (), after: int = 0) -> tuple[Entry, ...]:
        self._torn()
        return self._stage.journal.entries(subject, kinds, after)

    def subjects(self) -> tuple[str, ...]:
        return self._stage.journal.subjects()

    def claim(self, key: str, owner: str, at: datetime) -> bool:
        return self._stage.journal.claim(key, owner, at)

    def next_epoch(self, target: str, owner: str, at: datetime, above: int = 0) -> int:
        self._stage.fate.point("epoch")
        return self._stage.journal.next_epoch(target, owner, at, above)


class Door:
    """What stands between the gate and the world: the witness sees all that passes."""

    verbs = frozenset(VERBS)

    def __init__(self, stage: "Stage") -> None:
        self._stage = stage
        kube: Any = Api(stage.server, stage.fate)
        self._kube = KubernetesActuator(kube, FLEET, stage.fate.clock)
        self._models = Models(kube, stage.fate.clock)
        self._routes = RouteActuator(kube, FLEET, stage.fate.clock)

    def _for(self, action: Action) -> Actuator:
        if isinstance(action, SetSplit) and action.service == "chat":
            return self._routes
        return self._models if action.verb in Models.verbs else self._kube

    def preimage(self, action: Action) -> Preimage:
        return self._for(action).preimage(action)

    def rehearse(self, action: Action) -> str:
        return self._for(action).rehearse(action)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        return self._for(action).fence(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        return self._for(action).lookup(action, operation)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        witness = self._stage.witness
        witness.passes(action, operation)
        witness.doors.append(operation.id)
        try:
            return self._for(action).apply(action, operation)
        finally:
            witness.doors.pop()


class Controller:
    """A process: the real gate, authority, judge, budgets, breaker and executor, around a plain loop."""

    def __init__(self, stage: "Stage", name: str) -> None:
        self.stage, self.name, self.lives = stage, name, 0
        self.down_until = stage.fate.clock.at
        self.awake = False  # in the middle of a tick
        self._boot()

    def _boot(self) -> None:
        stage, clock = self.stage, self.stage.fate.clock
        self.lives += 1
        self.pen = Pen(stage)
        self.authority = Authority()
        checks = (freeze_check(FREEZES, clock), storm_check(self.pen, clock, len(FLEET.services)))
        grant_checks = (floor_check(FLEET, stage.ready, DEAD), latches(self.pen, clock))
        gate = Gate(Door(stage), self.authority, clock, stage.caps, checks, grant_checks, stage.brake)
        limits = Limits(Budget(stage.caps, fleet=len(FLEET.services)), stage.brake, timedelta(minutes=3))
        owner = self.name if stage.heirs else f"{self.name}#{self.lives}"
        hands = Remembering(gate, self.authority)
        self.executor = Executor(hands, self.pen, clock, stage.guard, owner, limits)

    def tick(self) -> None:
        """Take every incident a step further; dying in the middle means to start again later, knowing nothing."""
        if self.stage.fate.clock.at < self.down_until:
            return
        self.awake = True
        try:
            self._round()
        finally:
            self.awake = False

    def _round(self) -> None:
        for incident in list(self.stage.incidents):
            try:
                self._further(incident)
            except ToolError as error:
                self.stage.errors[type(error).__name__] = self.stage.errors.get(type(error).__name__, 0) + 1
            except Crash:
                down = self.stage.fate.source.choice((1, 20, 300))
                self.down_until = self.stage.fate.clock.at + timedelta(seconds=down)
                self._boot()
                return
        try:
            self._reap()
        except ToolError:
            pass
        except Crash:
            self._boot()

    def _reap(self) -> None:
        """Turn round what was given up."""
        desk: Any = SimpleNamespace(journal=self.pen, authority=self.authority)
        for execution in reap(self.executor, self.pen, self._attended, lambda plan: recall(desk, plan)):
            self.stage.wake(execution.resume_at)

    def _attended(self, plan: Plan) -> bool:
        entries = self.pen.entries(plan.incident, ("CLOSED", "ATTEMPT_OVER"))
        return not any(e.kind == "CLOSED" or e.body["plan"] == plan.id for e in entries)

    def _further(self, incident: str) -> None:
        entries = self.pen.entries(incident)
        kinds = {entry.kind for entry in entries}
        if "CLOSED" in kinds:
            return
        plans = {e.body["id"]: Plan.model_validate(e.body) for e in reversed(entries) if e.kind == "PLAN"}
        ended = [e.body["plan"] for e in entries if e.kind == "ATTEMPT_OVER"]
        current = next((plan for name, plan in plans.items() if name not in ended), None)
        if current is None:
            self._propose(incident, len(set(ended)))
        else:
            self._carry(current, entries)

    def _propose(self, incident: str, tried: int) -> None:
        if tried >= ATTEMPTS:
            self._close(incident, "escalated", f"{tried} attempts did not help")
            return
        plan = self.stage.plan(incident, tried + 1)
        self._write(incident, "PLAN", plan.model_dump(mode="json"))

    def _carry(self, plan: Plan, entries: Sequence[Entry]) -> None:
        decisions = [e for e in entries if e.kind == "DECISION" and e.body["plan_digest"] == plan.digest()]
        if not decisions:
            decision = judge(plan, self.stage.situation(plan, self.pen), rules(), self.stage.caps)
            once = (Unless(entries[-1].seq, ("DECISION",), plan.incident),)
            body, at = decision.model_dump(mode="json"), self.stage.fate.clock.at
            self.pen.append_if(plan.incident, "DECISION", body, at, once)
            return
        decision = Decision.model_validate(decisions[0].body)
        answers = approvals_of(self.pen.entries(plan.incident, ("APPROVAL",)))
        given = next((item for item in answers.values() if item.plan_digest == plan.digest()), None)
        verdicts = [e.body for e in entries if e.kind == "VERIFIED" and e.body["plan"] == plan.id]
        if verdicts:
            self._verified(plan, bool(verdicts[0]["helped"]))
        elif decision.verdict is Verdict.DENY:
            self._over(plan, "denied")
        elif decision.verdict is Verdict.ASK and given is None:
            ask(self.pen, decision, self.stage.fate.clock.at, LIFE)
        elif decision.verdict is Verdict.ASK and given is not None and given.state != "approved":
            expire(self.pen, self.stage.fate.clock.at)
            if given.state != "pending":
                self._close(plan.incident, "escalated", given.state)
        else:
            self._act(plan, decision, given)

    def _act(self, plan: Plan, decision: Decision, given: Any) -> None:
        clock = self.stage.fate.clock
        if plan not in self.authority.plans():
            desk: Any = SimpleNamespace(journal=self.pen, authority=self.authority)
            began = recall(desk, plan)
            try:
                self.authority.grant(plan, decision, given, now=clock.at, started_at=began)
            except Refused as error:
                if not began:
                    self._over(plan, str(error))
                    return
        execution = self.executor.advance(plan)
        match execution.state:
            case "done":
                helped = self.stage.helps(plan)
                self._write(plan.incident, "VERIFIED", {"plan": plan.id, "helped": helped})
            case "failed" | "undone":
                self.authority.forget(plan.id)
                self._over(plan, execution.reason)
            case "escalated":
                self._close(plan.incident, "escalated", execution.reason)
            case _:
                self.stage.wake(execution.resume_at)

    def _verified(self, plan: Plan, helped: bool) -> None:
        if helped:
            self._close(plan.incident, "recovered", "it helped")
            return
        desk: Any = SimpleNamespace(journal=self.pen, authority=self.authority)
        recall(desk, plan)
        execution = self.executor.undo(plan, "it did not help")
        match execution.state:
            case "failed" | "undone":
                self.authority.forget(plan.id)
                self._over(plan, execution.reason)
            case "escalated":
                self._close(plan.incident, "escalated", execution.reason)
            case _:
                self.stage.wake(execution.resume_at)

    def _over(self, plan: Plan, why: str) -> None:
        self._write(plan.incident, "ATTEMPT_OVER", {"plan": plan.id, "why": why})

    def _close(self, incident: str, verdict: str, why: str) -> None:
        self._write(incident, "CLOSED", {"verdict": verdict, "why": why})

    def _write(self, subject: str, kind: str, body: Mapping[str, Any]) -> None:
        self.pen.append(subject, kind, body, self.stage.fate.clock.at)


@dataclass
class Stage:
    """Everything of one seed."""

    seed: int
    incidents: list[str] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    wakes: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fate = Fate(self.seed)
        self.source = self.fate.source
        self.journal = MemoryJournal()
        self.caps = CAPS.model_copy(update={"fleet_runs": self.source.choice((1, 2, 3))})
        self.witness = Witness(self.fate.clock, self.journal, FLEET, self.caps)
        self.server = Server(self.fate, self.witness.told)
        self.witness.server = self.server
        self.heirs = self.source.random() < 0.5  # a restarted process bears its old name
        self.hostile_plans = self.source.random() < 0.5
        self.helpful = self.source.random()
        self.breaks = self.source.random() < 0.3  # an adversary breaks again what was healed
        for name in ("n1", "n2", "n3"):
            self.server.add_node(name)
        for service in FLEET.services:
            self.server.add_service(service.name, self.source.randint(service.min_replicas, 6), 3)
        for name, value in (("risk", "7"), ("order", "3")):
            self.server.add_value(f"/models/{name}", value)
            self.server.add_value(f"/trainings/{name}", "")
        for name, backend in (("score", "7"), ("rank", "3")):
            self.server.add_value(f"/splits/{name}", json.dumps({backend: 100}))
        self.server.add_route("chat", {"acme": 90, "zenith": 10})
        self.controllers = [Controller(self, name) for name in ("alpha", "beta")[: self.source.choice((1, 2, 2))]]
        self.fate.interlude = self.interlude

    # -- what the engine asks ------------------------------------------------------------------------------------------
    def brake(self) -> str:
        return "halted by the torturer" if self.witness.halted else ""

    def ready(self, service: str, replica: str) -> tuple[int, int] | None:
        del replica  # all are ready here
        now = len(self.server.pods(service))
        return now, now - 1

    def guard(self, guard: Guard, plan: Plan) -> GuardVerdict:
        word: Literal["holds", "broken", "inconclusive"] = "holds"
        roll = self.source.random()
        if not self.fate.calm and roll < 0.15:
            word = "broken" if roll < 0.08 else "inconclusive"
        return GuardVerdict(verdict=word, text=guard.kind)

    def helps(self, plan: Plan) -> bool:
        del plan
        return self.source.random() < self.helpful

    def situation(self, plan: Plan, pen: Pen) -> Situation:
        """Return the facts, as an honest agent would find them."""
        now, service = self.fate.clock.at, FLEET.service(plan.service)
        blast, margin = 0, len(self.server.pods(plan.service)) - service.min_replicas
        for step in plan.steps:
            name = getattr(step.action, "service", plan.service)
            count = max(len(self.server.pods(name)), 1)
            left = {"evict_replica": count - 1, "set_replicas": getattr(step.action, "replicas", count)}
            after = left.get(step.action.verb, count)
            floor = next((s.min_replicas for s in FLEET.services if s.name == name), 1)
            blast, margin = max(blast, min(100, round(100 * max(count - after, 0) / count))), min(margin, after - floor)
        intents = [e for e in pen.entries(kinds=("STEP_INTENT",)) if now - e.at < timedelta(hours=1)]
        began = openings(pen.entries(kinds=("INCIDENT",)))
        return Situation(
            incident=plan.incident,
            at=now,
            environment=service.environment,
            tier=service.tier,
            severity="high",
            confidence_percent=self.source.choice((40, 65, 90, 90)),
            data_fresh=self.source.random() < 0.95,
            storm=storming(((at, subject) for subject, at in began.items()), len(FLEET.services), now),
            frozen=is_frozen(FREEZES, now),
            paused=paused(pen.entries(kinds=("PAUSE",)), plan.service, now) is not None,
            opted_out=False,
            other_owner=False,
            attempts=plan.attempt - 1,
            service_actions_last_hour=sum(e.body["spends"]["service"] == plan.service for e in intents),
            fleet_actions_last_hour=len(intents),
            blast_percent=blast,
            floor_margin=margin,
            load_percent=50,
            capacity_proven=True,
            money_per_hour=0.0,
            reversible=plan.undo == "inverse",
        )

    def wake(self, at: datetime | None) -> None:
        if at is not None:
            self.wakes.append(at)

    # -- plans ---------------------------------------------------------------------------------------------------------
    def plan(self, incident: str, attempt: int) -> Plan:
        """Return a shipped playbook bound to what there is, or anything that is syntactically a plan."""
        service = incident.rpartition("-")[2]
        name = f"{incident}-a{attempt}"
        if self.hostile_plans and self.source.random() < 0.6:
            return self._any_plan(incident, service, name, attempt)
        bindings = self._bindings(service)
        book = self.source.choice([book for book in library() if all(bindings.get(n) for n in book.requires)])
        try:
            return bind(
                book,
                incident=incident,
                plan_id=name,
                at=self.fate.clock.at,
                service=service,
                fault=self.source.choice(book.cures or book.eases),
                bindings=bindings,
                predicted="better",
                attempt=attempt,
            )
        except ValueError:
            return self._any_plan(incident, service, name, attempt)

    def _bindings(self, service: str) -> dict[str, str | tuple[str, ...]]:
        deployment = self.server.objects[f"/apis/apps/v1/namespaces/default/deployments/{service}"]
        replicas, floor = int(deployment["spec"]["replicas"]), FLEET.service(service).min_replicas
        pods = [path.rpartition("/")[2] for path in self.server.pods(service)]
        on_node = [path.rpartition("/")[2] for path in self.server.pods(service)][:3]
        model = MODELS.get(service, "")
        found: dict[str, str | tuple[str, ...]] = {
            "service": service,
            "good_revision": self.source.choice(("1", "2")),
            "more_replicas": str(replicas + self.source.randint(1, 3)),
            "fewer_replicas": tuple(str(n) for n in range(replicas - 1, floor - 1, -1)),
            "replica": pods[0] if pods else "",
            "node": self.source.choice(("n1", "n2", "n3")),
            "replicas": tuple(f"{service}/{pod}" for pod in on_node),
        }
        if model:
            version = self.server.objects[f"/models/{model}"]["spec"]["value"]
            found |= {"model": model, "good_version": str(int(version) - 1), "champion": version}
            found |= {"candidate": str(int(version) + 1), "train_start": "2026-02-01T00:00:00Z"}
            found["train_end"] = "2026-03-01T00:00:00Z"
        if service == "chat":
            found |= {"from_vendor": "acme", "to_vendor": "zenith"}
        return found

    def _any_plan(self, incident: str, service: str, name: str, attempt: int) -> Plan:
        """Return what a reasoner gone mad might propose."""
        pick = self.source.choice
        steps = tuple(
            Step(id=f"s{n}", action=self._any_action(pick([s.name for s in FLEET.services] + ["nobody"])))
            for n in range(self.source.randint(1, 4))
        )
        classes: tuple[PlaybookClass, ...] = ("rollback", "scale", "retrain", "failover")
        return Plan(
            id=name,
            incident=incident,
            at=self.fate.clock.at,
            playbook=pick(("scale_in", "scale_out", "rollback_release", "unheard_of")),
            class_=pick(classes),
            service=service,
            fault=pick(("bad_rollout_errors", "engine_hang_200")),
            steps=steps,
            bounds=Bounds(targets=4, steps=4, time=timedelta(minutes=self.source.choice((1, 30, 600)))),
            verification=Verification(hold=timedelta(minutes=1), deadline=timedelta(minutes=10)),
            undo=pick(("inverse", "inverse", "none")),
            predicted="paradise",
            attempt=attempt,
        )

    def _any_action(self, service: str) -> Action:
        pods = self.server.pods(service) or ["x/ghost"]
        some: tuple[dict[str, Any], ...] = (
            {"verb": "set_replicas", "service": service, "replicas": self.source.choice((0, 1, 2, 4, 7, 900))},
            {"verb": "restore_revision", "service": service, "revision": self.source.choice(("1", "2", "3", "99"))},
            {"verb": "evict_replica", "service": service, "replica": self.source.choice(pods).rpartition("/")[2]},
            {"verb": "set_schedulable", "node": self.source.choice(("n1", "n2", "n9")), "schedulable": False},
            {"verb": "set_alias", "service": service, "model": "risk", "version": self.source.choice(("1", "6", "9"))},
            {"verb": "set_split", "service": service, "weights": {"acme": 40, "zenith": 60}},
        )
        return ACTION.validate_python(self.source.choice(some))

    # -- the course of events ------------------------------------------------------------------------------------------
    def interlude(self) -> None:
        """Let the others go on while one process sleeps: it will wake up and not know."""
        others = [each for each in self.controllers if not each.awake]
        for _ in range(self.source.choice((1, 2, 3, 4, 25))):
            self.advance(timedelta(seconds=self.source.choice((1, 30, 200, 1000))))
            if others:
                self.source.choice(others).tick()
            self.people()

    def advance(self, by: timedelta) -> None:
        """Let time pass in the world."""
        self.fate.clock.at += by
        self.server.arrive()

    def people(self) -> None:
        """Open incidents, answer questions, pause, halt and reset, now and then; all at rest once it is calm."""
        roll, now = self.source.random, self.fate.clock.at
        if not self.fate.calm and len(self.incidents) < 8 and roll() < 0.15:
            self._strike(now)
        for question in pending(self.journal.entries(kinds=("APPROVAL",)), now):
            if roll() < 0.3:
                self._reply(question.id, now)
        if self.fate.calm:
            self.witness.halted = False
        elif roll() < 0.02:
            self.witness.halted = not self.witness.halted
        if not self.fate.calm and roll() < 0.03:
            scope = self.source.choice(("fleet", *(s.name for s in FLEET.services)))
            until = now + timedelta(minutes=self.source.randint(1, 60))
            pause(self.journal, Pause(name=f"p{self.source.randint(1, 3)}", scope=scope, until=until, by="ana"), now)
        if roll() < 0.02:
            self._try(lambda: resume(self.journal, "p1", "bob", now))
        if not self.fate.calm and roll() < 0.05:  # somebody scales by hand, down to the floor at times
            service = self.source.choice(FLEET.services)
            path = f"/apis/apps/v1/namespaces/default/deployments/{service.name}"
            self.server.meddle(path, {"replicas": service.min_replicas + self.source.choice((0, 0, 1, 3))})
        if not self.fate.calm and self.incidents and roll() < 0.03:
            self._take_over(self.source.choice(self.incidents), now)
        if roll() < 0.1:
            self._try(lambda: reset(self.journal, "carl", self.source.choice(("drop", "replay")), now))

    def _strike(self, now: datetime) -> None:
        service = self.source.choice([s.name for s in FLEET.services])
        if any(not self._closed(each) for each in self.incidents if each.endswith(f"-{service}")):
            return
        if not self.breaks and any(each.endswith(f"-{service}") for each in self.incidents):
            return
        incident = f"inc-{len(self.incidents) + 1}-{service}"
        self.incidents.append(incident)
        self.journal.append(incident, "INCIDENT", {"service": service}, now)

    def _take_over(self, incident: str, now: datetime) -> None:
        """A person takes a case away, in whatever state it is."""
        if not self._closed(incident):
            self.journal.append(incident, "CLOSED", {"verdict": "escalated", "why": "taken over by hand"}, now)

    def _closed(self, incident: str) -> bool:
        return bool(self.journal.entries(incident, ("CLOSED",)))

    def _reply(self, question: str, now: datetime) -> None:
        answers = self.source.choice(((True,), (False,), (True, True), (True, False), (False, True)))
        for number, yes in enumerate(answers):
            self._try(partial(answer, self.journal, question, f"p{number}", yes=yes, now=now))

    @staticmethod
    def _try(call: Callable[[], object]) -> None:
        with suppress(Refused, Absent):
            call()

    def step(self) -> None:
        """One round: people, time, one process after the other."""
        self.people()
        self.advance(self._pause())
        for controller in self.controllers:
            controller.tick()

    def _pause(self) -> timedelta:
        if not self.fate.calm:
            return timedelta(seconds=self.source.choice((5, 30, 120)))
        due = min((at for at in self.wakes if at > self.fate.clock.at), default=self.fate.clock.at)
        self.wakes = []
        return min(max(due - self.fate.clock.at, timedelta(seconds=20)), timedelta(minutes=20))

    def run(self, rounds: int = 40, most: int = 400) -> None:
        """Play the whole story: first anything may fail, then nothing more, and everything must come to an end."""
        for _ in range(rounds):
            self.step()
        self.fate.calm = True
        if self.witness.torn:
            return  # fail closed: nothing more was done, which the witness has seen to
        for _ in range(most):
            if all(self._closed(each) for each in self.incidents) and not unended(self.journal):
                break
            self.step()
        self.witness.settled(self.incidents)
