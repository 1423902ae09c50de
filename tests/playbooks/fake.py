"""A world in memory that keeps a log of every effect, with faults where a test wants them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal

from playbooks.allowance import Limits
from playbooks.bind import bind
from playbooks.executor import Executor
from playbooks.library import shipped
from playbooks.plan import Execution, Guard, Plan, Playbook
from playbooks.walk import GuardVerdict
from tools.action import (
    VERBS,
    Action,
    ConvertInputs,
    EvictReplica,
    Operation,
    Preimage,
    Receipt,
    RestoreRevision,
    SetAlias,
    SetReplicas,
    SetSchedulable,
    SetSplit,
    TrainModel,
)
from tools.errors import Absent, Ambiguous, Refused, Transient
from tools.journal import Entry, Journal, Json, Unless

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
Reply = Literal["lost_after", "lost_before", "transient"]


class Crash(BaseException):
    """The process dies here. No handler of the product may survive it."""


@dataclass
class FakeClock:
    """Time that moves when told to."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at


@dataclass
class Faults:
    """Counts the points that are passed, and strikes at some of them."""

    crash_at: frozenset[int] = frozenset()
    replies: Mapping[int, Reply] = field(default_factory=dict)  # by number of the apply
    points: int = 0
    applies: int = 0
    names: list[str] = field(default_factory=list)

    def point(self, name: str) -> None:
        self.points += 1
        self.names.append(name)
        if self.points in self.crash_at:
            raise Crash(name)

    def reply(self) -> Reply | None:
        self.applies += 1
        return self.replies.get(self.applies)


def first_state() -> dict[str, str]:
    """The world before anybody acts."""
    return {
        "replicas/chat": "6",
        "revision/chat": "5",
        "replica/chat/chat-1": "here",
        "replica/chat/chat-2": "here",
        "replica/score/score-1": "here",
        "schedulable/n1": "true",
        "alias/risk/champion": "7",
        "split/score": json.dumps({"7": 100}),
        "split/ask": json.dumps({"acme": 100}),
    }


class FakeWorld:
    """Implements ``Actuator``. It does *not* de-duplicate unless told to: what is applied twice happens twice."""

    def __init__(self, clock: FakeClock, faults: Faults | None = None, *, fenced: bool = False) -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.fenced = fenced  # de-duplicates by operation, refuses lower epochs
        self.state = first_state()
        self.effects: list[tuple[str, str]] = []  # operation, verb
        self.receipts: dict[str, Receipt] = {}
        self.epoch = 0
        self.refuses: dict[str, Exception] = {}  # by verb
        self.hides: dict[str, Exception] = {}  # by verb, from a look
        self.lookups_fail = False
        self.before_apply: Callable[[], None] | None = None

    @property
    def verbs(self) -> frozenset[str]:
        return frozenset(VERBS)

    def preimage(self, action: Action) -> Preimage:
        self.faults.point(f"preimage {action.verb}")
        if action.verb in self.hides:
            raise self.hides[action.verb]
        if isinstance(action, TrainModel | ConvertInputs):
            return Preimage(state={})
        key = _key(action)
        if key not in self.state:
            raise Absent(f"no {key}")
        return Preimage(state={key: self.state[key]}, inverse=_inverse(action, self.state[key]))

    def rehearse(self, action: Action) -> str:
        return f"would {action.verb}"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        self.faults.point(f"before {action.verb}")
        if self.before_apply is not None:
            hook, self.before_apply = self.before_apply, None
            hook()
        if action.verb in self.refuses:
            raise self.refuses[action.verb]
        if self.fenced:
            if operation.epoch < self.epoch:
                raise Refused(f"epoch {operation.epoch} < {self.epoch}")
            self.epoch = operation.epoch
            if operation.id in self.receipts:
                return self.receipts[operation.id]
        if action.verb not in ("train_model", "convert_inputs") and (
            changed := operation.unmet({_key(action): self.state[_key(action)]})
        ):
            raise Refused(changed)
        reply = self.faults.reply()
        if reply == "transient":
            raise Transient("try later")
        if reply == "lost_before":
            raise Ambiguous("no reply")
        receipt = self._happen(action, operation)
        self.faults.point(f"after {action.verb}")
        if reply == "lost_after":
            raise Ambiguous("no reply")
        return receipt

    def _happen(self, action: Action, operation: Operation) -> Receipt:
        self.effects.append((operation.id, action.verb))
        if isinstance(action, TrainModel):
            receipt = Receipt(operation=operation.id, state="running", at=self.clock.now())
        else:
            if isinstance(action, ConvertInputs):
                pass  # one more version, that nothing serves
            elif isinstance(action, EvictReplica):
                del self.state[_key(action)]
            else:
                self.state[_key(action)] = _value(action)
            receipt = Receipt(operation=operation.id, state="done", at=self.clock.now())
        self.receipts[operation.id] = receipt
        return receipt

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        self.epoch = max(self.epoch, operation.epoch)
        return self.lookup(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        self.faults.point(f"lookup {action.verb}")
        if self.lookups_fail:
            raise Ambiguous("cannot tell")
        receipt = self.receipts.get(operation.id)
        if receipt is not None and receipt.state == "running" and self.clock.now() >= receipt.at + timedelta(minutes=2):
            receipt = receipt.model_copy(update={"state": "done"})
        return receipt


def _key(action: Action) -> str:
    match action:
        case SetReplicas():
            return f"replicas/{action.service}"
        case RestoreRevision():
            return f"revision/{action.service}"
        case EvictReplica():
            return f"replica/{action.service}/{action.replica}"
        case SetSchedulable():
            return f"schedulable/{action.node}"
        case SetAlias():
            return f"alias/{action.model}/{action.alias}"
        case SetSplit():
            return f"split/{action.service}"
        case TrainModel() | ConvertInputs():
            return f"model/{action.model}/{action.version}"


def _value(action: Action) -> str:
    match action:
        case SetReplicas():
            return str(action.replicas)
        case RestoreRevision():
            return action.revision
        case SetSchedulable():
            return str(action.schedulable).lower()
        case SetAlias():
            return action.version
        case SetSplit():
            return json.dumps(action.weights, sort_keys=True)
        case EvictReplica() | TrainModel() | ConvertInputs():
            raise AssertionError(action)


def _inverse(action: Action, now: str) -> Action | None:
    match action:
        case SetReplicas():
            return action.model_copy(update={"replicas": int(now)})
        case RestoreRevision():
            return action.model_copy(update={"revision": now})
        case SetSchedulable():
            return action.model_copy(update={"schedulable": now == "true"})
        case SetAlias():
            return action.model_copy(update={"version": now})
        case SetSplit():
            return action.model_copy(update={"weights": json.loads(now)})
        case EvictReplica() | TrainModel() | ConvertInputs():
            return None


class FaultyJournal:
    """A journal whose writer may die before or after every entry."""

    def __init__(self, inner: Journal, faults: Faults) -> None:
        self.inner = inner
        self.faults = faults

    def append(self, subject: str, kind: str, body: Json, at: datetime) -> Entry:
        self.faults.point(f"before {kind}")
        entry = self.inner.append(subject, kind, body, at)
        self.faults.point(f"after {kind}")
        return entry

    def append_if(self, subject: str, kind: str, body: Json, at: datetime, unless: Sequence[Unless]) -> Entry | None:
        self.faults.point(f"before {kind}")
        entry = self.inner.append_if(subject, kind, body, at, unless)
        self.faults.point(f"after {kind}")
        return entry

    def entries(self, subject: str | None = None, kinds: Sequence[str] = (), after: int = 0) -> tuple[Entry, ...]:
        return self.inner.entries(subject, kinds, after)

    def subjects(self) -> tuple[str, ...]:
        return self.inner.subjects()

    def claim(self, key: str, owner: str, at: datetime) -> bool:
        return self.inner.claim(key, owner, at)

    def next_epoch(self, target: str, owner: str, at: datetime, above: int = 0) -> int:
        return self.inner.next_epoch(target, owner, at, above)


BINDINGS: Mapping[str, Mapping[str, str | tuple[str, ...]]] = {
    "rollback_release": {"service": "chat", "good_revision": "4"},
    "rollback_model": {"service": "score", "model": "risk", "good_version": "6"},
    "scale_out": {"service": "chat", "more_replicas": "8"},
    "scale_in": {"service": "chat", "fewer_replicas": ("5", "4", "3")},
    "do_without": {
        "service": "score",
        "model": "risk",
        "champion": "7",
        "candidate": "m-1",
        "train_start": "2026-01-05T06:00:00Z",
        "train_end": "2026-01-05T08:00:00Z",
        "sound_until": "2026-01-05T08:15:00Z",
        "broken_since": "2026-01-05T08:25:00Z",
        "columns": ("c0", "c1"),
        "spoiled": "[]",
    },
    "convert_inputs": {
        "service": "score",
        "model": "risk",
        "champion": "7",
        "candidate": "p-1",
        "inputs": ("n0", "n1", "n2"),
        "read_from": ("n0", "n2", "n1"),
        "divided_by": ("1000.0", "1.0", "1.0"),
        "codes": ("", "", ""),
        "spoiled": "[]",
        "sound_from": "2026-01-05T07:45:00Z",
        "sound_until": "2026-01-05T08:15:00Z",
    },
    "convert_back": {"service": "score", "model": "risk", "unconverted": "6"},
    "retrain": {
        "service": "score",
        "model": "risk",
        "champion": "7",
        "candidate": "8",
        "train_start": "2026-02-01T00:00:00Z",
        "train_end": "2026-03-01T00:00:00Z",
        "train_seconds": "600.0",
    },
    "failover_replica": {"service": "chat", "replica": "chat-1"},
    "failover_node": {"node": "n1", "service": "chat", "replicas": ("chat/chat-1", "chat/chat-2", "score/score-1")},
    "failover_vendor": {"service": "ask", "from_vendor": "acme", "to_vendor": "zenith"},
}


@cache
def _library() -> Mapping[str, Playbook]:
    return {each.id: each for each in shipped()}


def plan_of(playbook: str, plan_id: str = "", bindings: Mapping[str, str | tuple[str, ...]] | None = None) -> Plan:
    """Return a plan of a shipped playbook with values that fit the fake world."""
    given = bindings or BINDINGS[playbook]
    return bind(
        _library()[playbook],
        incident="inc-1",
        plan_id=plan_id or f"plan-{playbook}",
        at=START,
        service=str(given["service"]),
        fault="some_fault",
        bindings=given,
        predicted="errors 20 % -> 0 %",
    )


def holds(_: Guard, __: Plan) -> GuardVerdict:
    """Every guard holds."""
    return GuardVerdict(verdict="holds")


@dataclass
class Stage:
    """A world, a journal and a clock that survive the executors that come and go."""

    journal: Journal
    faults: Faults = field(default_factory=Faults)
    check: Callable[[Guard, Plan], GuardVerdict] = holds
    clock: FakeClock = field(default_factory=FakeClock)
    fenced: bool = False
    crashes: int = 0

    def __post_init__(self) -> None:
        self.world = FakeWorld(self.clock, self.faults, fenced=self.fenced)

    def executor(self, owner: str = "a", limits: Limits | None = None) -> Executor:
        journal = FaultyJournal(self.journal, self.faults)
        return Executor(self.world, journal, self.clock, self.check, owner, limits or Limits())

    def finish(self, plan: Plan, executor: Executor | None = None, most: int = 400) -> Execution:
        """Advance until it is over; whenever the process dies, a new one starts with nothing but the journal."""
        executor = executor or self.executor()
        for _ in range(most):
            try:
                execution = executor.advance(plan)
            except Crash:
                self.crashes += 1
                executor = self.executor(f"again-{self.crashes}")
                continue
            if execution.state != "holding":
                return execution
            assert execution.resume_at is not None
            self.clock.at = max(self.clock.at, execution.resume_at)
        raise AssertionError(f"never ends: {execution}")
