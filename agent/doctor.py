"""The doctor: what is reachable, which metrics are missing, what the role may do. It looks and rehearses, and changes
nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from agent.trust import rules_or_none, unsound
from config.fleet import Service, ServiceKind
from config.frozen import Frozen
from config.settings import Settings
from tools.action import Action, SetReplicas, SetSchedulable
from tools.catalogue import SIGNALS, named
from tools.errors import Malformed, ToolError
from tools.journal import Journal
from tools.ports import Actuator, Cluster, Metrics
from tools.signal import metric_names
from tools.topology import Topology

OFF_BY_DEFAULT = ("DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_EXP_XID_ERRORS_COUNT")  # by dcgm-exporter's own file
LOGGED = "accuracy"  # the one signal that no metric gives
State = Literal["ok", "missing", "bad"]


class Check(Frozen):
    """One thing looked at. ``missing`` does not stop Prunella, but blinds or binds it there; ``bad`` stops it."""

    name: str
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Reach:
    """What the doctor may touch: read ports, the journal, and an actuator that is only ever asked to rehearse."""

    metrics: Metrics
    cluster: Cluster
    actuator: Actuator
    journal: Callable[[], Journal]  # opens it
    beyond: Callable[[], Iterable[Check]] = tuple  # what no port shows: clocks, rights, the language model's answer


def examine(settings: Settings, reach: Reach, now: datetime) -> tuple[Check, ...]:
    """Look at everything, in the order in which a person would mend it. One cause is told once."""
    found = (
        *_objectives(settings),
        _policy(settings),
        _journal(reach),
        *_metrics(settings, reach, now),
        *_cluster(settings, reach),
        *reach.beyond(),
        Check(name="language model", state="ok", text=_model(settings)),
    )
    return tuple(_told_once(found))


def _told_once(checks: Iterable[Check]) -> Iterator[Check]:
    """Where a later check fails for the reason of an earlier one, say so, and what else it says."""
    told: dict[str, str] = {}  # reason: the check that gave it
    for check in checks:
        if check.state == "ok":
            yield check
            continue
        reason = next((each for each in told if check.text.startswith(each)), None)
        if reason is None:
            told[check.text] = check.name
            yield check
        else:
            rest = check.text.removeprefix(reason)
            yield check.model_copy(update={"text": f"the same as {told[reason]}{rest}"})


def _model(settings: Settings) -> str:
    if settings.reasoner is None:
        return "none is configured: a template writes the summaries"
    return f"{settings.reasoner.model} at {settings.reasoner.url} writes the summaries, and a template where it fails"


def _objectives(settings: Settings) -> Iterator[Check]:
    logged = {table.service for table in settings.logs}
    for service in settings.fleet.services:
        signals = [o.signal for o in service.objectives if o.signal != LOGGED]
        wrong = [signal for signal in signals if not _measurable(signal, service)]
        if len(signals) < len(service.objectives) and service.name not in logged:
            text = f"{LOGGED} is read from an inference log, and none is named under logs"
            yield Check(name=f"objectives of {service.name}", state="bad", text=text)
        if wrong:
            text = f"no signal {', '.join(wrong)} for kind {service.kind.value}; known: {', '.join(_signals(service))}"
            yield Check(name=f"objectives of {service.name}", state="bad", text=text)
        elif not service.objectives:
            text = "none: it is shown, and never acted on"
            yield Check(name=f"objectives of {service.name}", state="missing", text=text)


def _measurable(signal: str, service: Service) -> bool:
    return any(service.kind in spec.kinds for spec in named(signal))


def _signals(service: Service) -> list[str]:
    return sorted({spec.name for spec in SIGNALS if service.kind in spec.kinds and spec.scope == "service"})


def _policy(settings: Settings) -> Check:
    rules, unreadable = rules_or_none(settings.policy.rules)
    if unreadable:
        return Check(name="policy", state="bad", text=unreadable)
    return Check(name="policy", state="ok", text=f"{len(rules.policies)} rules, policy {rules.digest}")


def _journal(reach: Reach) -> Check:
    try:
        journal = reach.journal()
        count = sum(subject.startswith("inc-") for subject in journal.subjects())
        reason = unsound(journal)
    except ToolError as error:
        return Check(
            name="journal", state="bad", text=f"halted: {error}" if isinstance(error, Malformed) else str(error)
        )
    if reason:
        return Check(name="journal", state="bad", text=reason)
    return Check(name="journal", state="ok", text=f"readable, {count} incidents")


def _metrics(settings: Settings, reach: Reach, now: datetime) -> Iterator[Check]:
    """Read every signal once, and say for each service which are there."""
    try:
        frame = reach.metrics.read(SIGNALS, now)
    except ToolError as error:
        yield Check(name="metrics", state="bad", text=str(error))
        return
    for problem in frame.problems:
        yield Check(name="metrics", state="missing", text=problem)
    yield from _hardware(
        settings, {key.signal for key, v in zip(frame.keys, frame.values, strict=True) if not np.isnan(v)}
    )
    there = {key for key, value in zip(frame.keys, frame.values, strict=True) if not np.isnan(value)}
    for service in settings.fleet.services:
        present = {key.signal for key in there if key.entity == f"service/{service.name}"}
        yield _signals_of(service, present)


def _hardware(settings: Settings, present: set[str]) -> Iterator[Check]:
    """Say which hardware signals nobody exports; some need to be switched on."""
    if all(service.kind is ServiceKind.VENDOR for service in settings.fleet.services):
        return
    for spec in SIGNALS:
        if spec.scope in ("node", "gpu") and spec.name not in present:
            names = metric_names(spec)
            off = any(name in OFF_BY_DEFAULT for name in names)
            hint = "off by default, add it to the counters file of dcgm-exporter" if off else "no exporter gives it"
            yield Check(name=f"signal {spec.name}", state="missing", text=f"NO DATA: {', '.join(names)} ({hint})")


def _signals_of(service: Service, present: set[str]) -> Check:
    wanted = _signals(service)
    absent = [name for name in wanted if name not in present]
    needed = sorted({o.signal for o in service.objectives if o.signal in absent})
    name = f"metrics of {service.name}"
    if needed:
        text = f"NO DATA for its objectives: {', '.join(needed)} (no series of {', '.join(_raw(service, needed))})"
        return Check(name=name, state="bad", text=text)
    if absent:
        text = f"NO DATA: {', '.join(absent)} (no series of {', '.join(_raw(service, absent))})"
        return Check(name=name, state="missing", text=text)
    return Check(name=name, state="ok", text=f"all {len(wanted)} signals")


def _raw(service: Service, signals: Sequence[str]) -> list[str]:
    """Return the exporters' names of what signals are computed from."""
    specs = [spec for name in signals for spec in named(name) if service.kind in spec.kinds and spec.scope == "service"]
    return sorted({name for spec in specs for name in metric_names(spec)})


def _cluster(settings: Settings, reach: Reach) -> Iterator[Check]:
    """Find every workload, and rehearse with the API server what a remedy would do there."""
    try:
        topology = reach.cluster.topology()
    except ToolError as error:
        yield Check(name="cluster", state="bad", text=str(error))
        return
    yield Check(name="cluster", state="ok", text=f"{len(topology.deployments)} workloads, {len(topology.nodes)} nodes")
    for service in settings.fleet.services:
        if service.kind is not ServiceKind.VENDOR:
            yield _workload(service, topology, reach.actuator)
    if topology.nodes:
        node = topology.nodes[0]
        yield _may("cordon nodes", SetSchedulable(node=node.name, schedulable=node.schedulable), reach.actuator)


def _workload(service: Service, topology: Topology, actuator: Actuator) -> Check:
    deployment = topology.deployment(service.name)
    name = f"workload of {service.name}"
    if deployment is None:
        return Check(name=name, state="bad", text=f"no Deployment {service.namespace}/{service.workload}")
    if deployment.opted_out:
        return Check(name=name, state="missing", text="hands off: its annotation says so")
    if deployment.owners:
        return Check(name=name, state="missing", text=f"{', '.join(deployment.owners)} writes here: Prunella will ask")
    return _may(name, SetReplicas(service=service.name, replicas=deployment.replicas), actuator)


def _may(name: str, action: Action, actuator: Actuator) -> Check:
    if action.verb not in actuator.verbs:
        return Check(name=name, state="missing", text=f"nothing here carries out {action.verb}")
    try:
        actuator.rehearse(action)
    except ToolError as error:
        return Check(name=name, state="missing", text=f"may not {action.verb}: {error}")
    return Check(name=name, state="ok", text=f"may {action.verb} (rehearsed)")
