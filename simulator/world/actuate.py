"""The Actuator port: every verb with its real consequences, once per operation, fenced by epoch."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from simulator.world.declared import Owners
from simulator.world.events import Changes, Kind
from simulator.world.filling import Fills
from simulator.world.ledger import Applied
from simulator.world.pods import Pod, Pods, Workload
from simulator.world.quality import Quality
from simulator.world.vendors import Vendors
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
from tools.clock import Clock
from tools.errors import Refused

US = "prunella"


def target_of(action: Action) -> str:
    """Return what an action writes to: its fencing domain, e.g. ``service/chat``."""
    match action:
        case SetSchedulable():
            return f"node/{action.node}"
        case SetAlias() | TrainModel() | ConvertInputs():
            return f"model/{action.model}"
        case _:
            return f"service/{action.service}"


class WorldActuator:
    """Acts on the pretend fleet."""

    def __init__(  # noqa: PLR0913, PLR0917 - it acts on all of the world
        self,
        pods: Pods,
        vendors: Vendors,
        quality: Quality,
        changes: Changes,
        clock: Clock,
        record: Callable[[Applied], None],
        fills: Fills | None = None,
        owners: Owners | None = None,
    ) -> None:
        self._pods = pods
        self._vendors = vendors
        self._quality = quality
        self._changes = changes
        self._owners = owners or Owners(changes)
        self._clock = clock
        self._record = record
        self._fills = fills or Fills()
        self._receipts: dict[str, Receipt] = {}
        self._epochs: dict[str, int] = {}

    @property
    def verbs(self) -> frozenset[str]:
        """All of them."""
        return frozenset(VERBS)

    # -- reading ---------------------------------------------------------------------------------------------------
    def preimage(self, action: Action) -> Preimage:
        """Read what the action would change, and how to change it back."""
        match action:
            case SetReplicas():
                before = self._workload(action.service).wanted
                return Preimage(
                    state={"replicas": str(before)}, inverse=SetReplicas(service=action.service, replicas=before)
                )
            case RestoreRevision():
                current = self._workload(action.service).current
                inverse = RestoreRevision(service=action.service, revision=current)
                return Preimage(state={"revision": current}, inverse=inverse)
            case EvictReplica():
                machine = self._pods.machine_of(self._pod(action))
                return Preimage(state={"replica": action.replica, "node": machine.name if machine else ""})
            case SetSchedulable():
                stands = self._machine_schedulable(action.node)
                state = {"schedulable": str(stands).lower()}
                return Preimage(state=state, inverse=SetSchedulable(node=action.node, schedulable=stands))
            case SetAlias():
                version = self._quality.alias(action.model, action.alias)
                return Preimage(
                    state={action.alias: version},
                    inverse=action.model_copy(update={"version": version}) if version else None,
                )
            case SetSplit():
                weights = self._split(action.service)
                state = {backend: str(share) for backend, share in weights.items()}
                return Preimage(state=state, inverse=SetSplit(service=action.service, weights=weights))
            case TrainModel() | ConvertInputs():
                return Preimage(state={"versions": ",".join(self._quality.versions(action.model))})

    def rehearse(self, action: Action) -> str:
        """Check the action without doing it; returns what would happen, or raises ``Refused``."""
        match action:
            case SetReplicas():
                return self._check_replicas(action)
            case RestoreRevision():
                return self._check_revision(action)
            case EvictReplica():
                return f"{self._pod(action).name} would be evicted; {self._pods.free_gpus()} GPUs are free"
            case SetSchedulable():
                self._machine_schedulable(action.node)
                return f"node {action.node} would be {'un' if action.schedulable else ''}cordoned"
            case SetAlias():
                self._check_version(action.model, action.version)
                return f"{action.alias} of {action.model} would point at {action.version}"
            case SetSplit():
                return self._check_split(action)
            case TrainModel() | ConvertInputs():
                return self._quality.check(action)

    def _check_replicas(self, action: SetReplicas) -> str:
        workload = self._workload(action.service)
        if action.replicas > workload.service.max_replicas:
            raise Refused(
                f"{action.service}: {action.replicas} replicas exceed the quota {workload.service.max_replicas}"
            )
        more = action.replicas - workload.wanted
        if not workload.service.shares_gpus_of and more > (free := self._pods.free_gpus()):
            raise Refused(f"{action.service}: {more} more replicas do not fit on {free} free GPUs")
        return f"{action.service} would go from {workload.wanted} to {action.replicas} replicas"

    def _check_revision(self, action: RestoreRevision) -> str:
        workload = self._workload(action.service)
        if action.revision not in [revision.number for revision in workload.revisions]:
            raise Refused(f"{action.service} has no revision {action.revision}")
        return f"{action.service} would roll from revision {workload.current} to {action.revision}"

    def _check_version(self, model: str, version: str) -> None:
        if version not in self._quality.versions(model):
            raise Refused(f"model {model} has no version {version}")

    def _check_split(self, action: SetSplit) -> str:
        known = self._split(action.service)
        options = set(known) | set(self._quality.served_versions(action.service))
        if unknown := sorted(set(action.weights) - options):
            raise Refused(f"{action.service} has no backend {', '.join(unknown)}")
        return f"{action.service} would be split {action.weights} instead of {known}"

    # -- acting ----------------------------------------------------------------------------------------------------
    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, once; an operation that was applied before is answered with its first receipt."""
        if operation.id in self._receipts:
            return self._receipts[operation.id]
        target = target_of(action)
        highest = self._epochs.get(target, 0)
        if operation.epoch < highest:
            raise Refused(f"{target}: epoch {operation.epoch} is below {highest}: somebody newer holds it")
        if changed := operation.unmet(self.preimage(action).state):
            raise Refused(f"{target}: {changed}")
        self.rehearse(action)
        self._epochs[target] = operation.epoch
        now = self._clock.now()
        self._do(action, operation, now)
        state: Literal["running", "done"] = "running" if isinstance(action, TrainModel) else "done"
        receipt = Receipt(operation=operation.id, state=state, at=now)
        self._receipts[operation.id] = receipt
        self._record(Applied(action.verb, target, now, operation.id))
        return receipt

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Raise the target's epoch: calls here are done at once or not at all, so none is on its way."""
        target = target_of(action)
        if operation.epoch < self._epochs.get(target, 0):
            raise Refused(f"{target}: epoch {operation.epoch} is below {self._epochs[target]}: somebody newer holds it")
        self._epochs[target] = operation.epoch
        return self.lookup(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what is known of an operation; None when it certainly did not happen."""
        receipt = self._receipts.get(operation.id)
        if receipt is None or not isinstance(action, TrainModel) or receipt.state != "running":
            return receipt
        done = self._quality.trainings.ended(operation.id)
        if done is not None:
            state, at, detail = done
            receipt = receipt.model_copy(update={"state": state, "at": at, "detail": detail})
            self._receipts[operation.id] = receipt
        return receipt

    def _do(self, action: Action, operation: Operation, now: datetime) -> None:
        match action:
            case SetReplicas():
                workload = self._workload(action.service)
                before, workload.wanted = workload.wanted, action.replicas
                self._log(now, "scale", f"service/{action.service}", (str(before), str(action.replicas)))
                self._owners.noticed(workload, (before, workload.current), now)
            case RestoreRevision():
                workload = self._workload(action.service)
                old, workload.current = workload.current, action.revision
                self._log(now, "release", f"service/{action.service}", (old, action.revision))
                self._owners.noticed(workload, (workload.wanted, old), now)
            case EvictReplica():
                self._pods.remove(self._pod(action), graceful=True)
                self._log(now, "other", f"service/{action.service}", (action.replica, ""))
            case SetSchedulable():
                self._cordon(action, now)
            case SetAlias():
                before_version = self._quality.set_alias(action.model, action.alias, action.version)
                self._log(now, "promotion", f"model/{action.model}", (before_version, action.version))
            case SetSplit():
                self._set_split(action, now)
            case TrainModel() | ConvertInputs():
                self._quality.make(action, operation)

    def _cordon(self, action: SetSchedulable, now: datetime) -> None:
        machine = self._pods.machine(action.node)
        if machine is None:
            raise Refused(f"no node {action.node}")
        before, machine.schedulable = machine.schedulable, action.schedulable
        self._log(now, "node", f"node/{action.node}", (str(before).lower(), str(action.schedulable).lower()))

    def _set_split(self, action: SetSplit, now: datetime) -> None:
        before = self._split(action.service)
        if action.service in self._vendors.weights:
            self._vendors.weights[action.service] = dict(action.weights)
        else:
            self._quality.set_weights(action.service, dict(action.weights))
        self._log(now, "traffic", f"service/{action.service}", (_words(before), _words(action.weights)))

    def _log(self, at: datetime, kind: Kind, entity: str, step: tuple[str, str]) -> None:
        self._changes.add(at, kind, entity, US, step)

    # -- finding ---------------------------------------------------------------------------------------------------
    def _workload(self, service: str) -> Workload:
        workload = self._pods.workloads.get(service) or self._fills.workloads.get(service)
        if workload is None:
            raise Refused(f"no deployment of {service}")
        return workload

    def _pod(self, action: EvictReplica) -> Pod:
        pod = self._pods.pods.get(action.replica)
        if pod is None or pod.service != action.service:
            raise Refused(f"{action.service} has no replica {action.replica}")
        return pod

    def _machine_schedulable(self, node: str) -> bool:
        machine = self._pods.machine(node)
        if machine is None:
            raise Refused(f"no node {node}")
        return machine.schedulable

    def _split(self, service: str) -> dict[str, int]:
        weights = self._vendors.weights.get(service) or self._quality.weights(service)
        if not weights:
            raise Refused(f"nothing divides the traffic of {service}")
        return dict(weights)


def _words(weights: dict[str, int]) -> str:
    return " ".join(f"{backend}={share}" for backend, share in sorted(weights.items()))
