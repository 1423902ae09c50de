"""The composition root: the only module that names the live adapters, and hands them to the assembly."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.daemon import NOBODY, Chore, Daemon, Watch
from agent.doctor import Check, Reach, State
from agent.inspector import Inspector
from agent.observe import Senses
from agent.trust import rules_or_none, saver_or_halt, unsound
from config.fleet import Fleet
from config.settings import JournalSettings, Settings
from config.vitals import VitalsSettings
from policies.gate import DryRun
from tools.audit import Audit
from tools.clock import Clock
from tools.dispatch import Dispatch
from tools.errors import Malformed
from tools.journal import Journal
from tools.lease import TargetLeases
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator, InferenceLog, Metrics, Reasoner, Registry
from tools.tables import Table
from tools.template_reasoner import FallbackReasoner, TemplateReasoner

if TYPE_CHECKING:
    from agent.drift.rules import Constraints
    from tools.live.halt import HaltFile
    from tools.live.kube_api import KubeApi
    from tools.live.kube_routes import RouteActuator
    from tools.live.mlflow import MlflowActuator

os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

Autonomy = Literal["watch", "ask", "act"]


def build(settings: Settings) -> Daemon:
    """Return the daemon of a configuration, over the live adapters; halted, where what it rests on is malformed."""
    from agent.assembly import assemble  # the graph of agents, a second: whoever looks at a file needs none
    from tools.live.clock import SystemClock
    from tools.live.identity import own_name
    from tools.live.kube_api import KubeApi
    from tools.live.kube_lease import KubernetesLeases
    from tools.live.memory import FileMemory

    clock, fleet, api = SystemClock(), settings.fleet, KubeApi(settings.cluster)
    leases = KubernetesLeases(api, fleet, settings.cluster.lease_namespace)
    senses = live_senses(settings, api, clock)
    saver, spoilt = saver_or_halt(settings.checkpoints)
    journal, broken = journal_or_halt(settings)
    rules, unreadable = rules_or_none(settings.policy.rules)
    malformed, switch = "; ".join(filter(None, (broken, unreadable, spoilt))), halt_file(settings)
    controller = assemble(
        senses,
        live_actuator(settings, api, clock, leases),
        journal,
        fleet,
        clock,
        autonomy=settings.autonomy,
        settings=settings,
        reasoner=_reasoner(settings),
        checkpointer=saver,
        owner=own_name(settings.checkpoints.with_suffix(".lock")),
        brake=lambda: malformed or switch.reason(),
        memory=FileMemory(settings.eyes.state),
        leases=leases,
        rules=rules,
        inspector=(inspector := inspector_of(settings, clock)),
    )
    chores = _chores(senses.registry, inspector)
    return Daemon(controller, settings.cadence, settings.eyes, chores, _watch(settings.vitals))


def _watch(settings: VitalsSettings | None) -> Watch:
    """Return who is told how the daemon is: whoever asks at the address of a configuration, or nobody."""
    if settings is None:
        return NOBODY
    from tools.live.vitals import serving

    return Watch(partial(serving, settings.address), settings.stalled_after)


def journal_or_halt(settings: Settings) -> tuple[Journal, str]:
    """Open the journal; where it cannot be trusted, start halted: look, show, and change nothing."""
    try:
        opened = open_journal(settings.journal.url, settings.journal)
        reason = unsound(opened)
    except Malformed as error:
        return MemoryJournal(), f"halted: {error}"
    return (MemoryJournal(), reason) if reason else (opened, "")


def halt_file(settings: Settings) -> "HaltFile":
    """Return the kill switch of a configuration; needs no journal, cluster or metrics."""
    from tools.live.halt import HaltFile

    return HaltFile(settings.halt_file)


def live_senses(settings: Settings, api: object, clock: Clock) -> Senses:
    """Return the read ports of a configuration."""
    from tools.live.kube_routes import Routes
    from tools.live.kubernetes import KubernetesCluster
    from tools.live.serving import HttpServing

    cluster, registry = KubernetesCluster(api, settings.fleet, clock), _registry(settings, clock)  # type: ignore[arg-type]
    metrics, routes = live_metrics(settings), Routes(api, settings.fleet, registry)  # type: ignore[arg-type]
    serving = HttpServing(settings.serving, settings.fleet, cluster, clock, routes)
    return Senses(metrics, cluster, registry, _log(settings), serving, clock)


def live_metrics(settings: Settings) -> Metrics:
    """Return the metrics of a configuration alone: no cluster is asked."""
    from tools.live.prometheus import PrometheusMetrics

    return PrometheusMetrics(settings.metrics, settings.fleet)


def _registry(settings: Settings, clock: Clock) -> Registry:
    from tools.live.null import NoRegistry

    if settings.registry is None:
        return NoRegistry()
    from tools.live.mlflow import MlflowRegistry
    from tools.live.mlflow_api import MlflowApi
    from tools.live.mlflow_names import Names
    from tools.live.offline import Offline

    api, offline = MlflowApi(settings.registry), None
    if _trained(settings):
        from tools.live.log import TableLog

        offline = Offline(settings.fleet, TableLog(settings.logs), Names(api, settings.fleet))
    return MlflowRegistry(api, settings.fleet, clock, offline)


def _trained(settings: Settings) -> bool:
    """Whether new versions are trained for any service."""
    return any(service.training is not None for service in settings.fleet.services)


def _log(settings: Settings) -> InferenceLog:
    from tools.live.null import NoLog

    if not settings.logs:
        return NoLog()
    from tools.live.log import TableLog

    log = TableLog(settings.logs)
    if settings.registry is None or not _trained(settings):
        return log
    from tools.live.mlflow_api import MlflowApi
    from tools.live.mlflow_names import NamedLog, Names

    return NamedLog(log, Names(MlflowApi(settings.registry), settings.fleet), settings.fleet)


def inspector_of(settings: Settings, clock: Clock) -> Inspector | None:
    """Return who goes through the inference logs; None where there are none. Rules that cannot be read raise."""
    from tools.live.log import TableLog

    if not settings.logs:
        return None
    tables, rules = TableLog(settings.logs), _rules_of_logs(settings)
    return Inspector(tables, tables, settings.logs, clock, settings.cadence.logs, rules)


def _rules_of_logs(settings: Settings) -> "dict[str, Constraints]":
    """Return the rules that people wrote, by service; ``ConfigError`` where they cannot be read."""
    from agent.drift.constraints import ConstraintsError, read_rules
    from config.load import ConfigError

    try:
        return {log.service: read_rules(log.rules) for log in settings.logs if log.rules is not None}
    except ConstraintsError as error:
        raise ConfigError((f"logs: {error}",)) from error


def _chores(registry: Registry, inspector: Inspector | None) -> tuple[Chore, ...]:
    """Return what is to be done beside every tick: a registry that keeps no history is watched, and so are logs."""
    look = getattr(registry, "look", None)
    watched = () if look is None else (Chore("registry", look),)
    return watched if inspector is None else (*watched, Chore("logs", inspector.look))


def live_actuator(settings: Settings, api: "KubeApi", clock: Clock, leases: TargetLeases | None = None) -> Actuator:
    """Return all live hands as one. To be wrapped: handed to ``assemble``, or to a dry run."""
    from tools.live.kube_actuator import KubernetesActuator

    fleet, parts = settings.fleet, list[Actuator]()
    parts.append(KubernetesActuator(api, fleet, clock, leases))
    registry = _registry(settings, clock)
    traffic = None
    if any(service.route for service in fleet.services):
        from tools.live.kube_routes import RouteActuator

        parts.append(traffic := RouteActuator(api, fleet, clock, leases, registry))
    if settings.registry is not None:
        from tools.live.mlflow import MlflowActuator
        from tools.live.mlflow_api import MlflowApi

        aliases = MlflowActuator(MlflowApi(settings.registry), fleet, clock)
        parts.append(aliases if traffic is None else _promoting(aliases, traffic, fleet))
    if _trained(settings):
        from tools.live.kube_training import TrainingActuator

        parts.append(TrainingActuator(api, fleet, clock, registry, leases))
    return Dispatch(tuple(parts))


def _promoting(aliases: "MlflowActuator", traffic: "RouteActuator", fleet: Fleet) -> Actuator:
    """Return who moves aliases, and sends traffic home where two versions stand side by side."""
    from tools.live.promotion import PromotingActuator

    return PromotingActuator(aliases, traffic, fleet)


def reach(settings: Settings) -> Reach:
    """Return what the doctor looks at."""
    from tools.live.clock import SystemClock
    from tools.live.kube_api import KubeApi

    clock, api = SystemClock(), KubeApi(settings.cluster)
    senses = live_senses(settings, api, clock)
    return Reach(
        senses.metrics,
        senses.cluster,
        DryRun(live_actuator(settings, api, clock), clock),
        lambda: open_journal(settings.journal.url),
        lambda: (*_standing(settings), *_beyond(settings, api, clock)),
    )


def _standing(settings: Settings) -> Iterator[Check]:
    """Yield whether the kill switch is pulled, and whether the checkpoints can be read."""
    from config.load import ConfigError

    try:
        _rules_of_logs(settings)
    except ConfigError as error:
        yield Check(name="rules of logs", state="bad", text=str(error))
    if reason := halt_file(settings).reason():
        yield Check(name="kill switch", state="bad", text=f"{reason}; prunella halt --lift ends it")
    if settings.checkpoints.exists() and (spoilt := saver_or_halt(settings.checkpoints)[1]):
        yield Check(name="checkpoints", state="bad", text=spoilt)


def _beyond(settings: Settings, api: "KubeApi", clock: Clock) -> Iterator[Check]:
    """Yield what the adapters alone can look at, in the doctor's words."""
    from tools.live import doctor

    states: dict[bool | None, State] = {True: "ok", None: "missing", False: "bad"}
    for found in doctor.examine(settings, api, clock):
        text = f"{found.text} ({found.hint})" if found.hint else found.text
        yield Check(name=found.name, state=states[found.ok], text=text)


def _reasoner(settings: Settings) -> Reasoner:
    if settings.reasoner is None:
        return TemplateReasoner()
    from tools.live.openai import OpenAIReasoner

    return FallbackReasoner(OpenAIReasoner(settings.reasoner), TemplateReasoner())


def open_journal(url: str, settings: JournalSettings | None = None) -> Journal:
    """Open the journal at an SQLAlchemy address; ``Malformed`` when its chain is broken. With a key, it is signed."""
    from tools.live.journal import SqlJournal

    if settings is None or settings.signing_key is None:
        return SqlJournal(url)
    from tools.live.seal import read_seal

    return SqlJournal(url, read_seal(settings.signing_key), settings.checkpoint_every)


def audit_journal(url: str, key: Path | None, expect: tuple[int, str] | None) -> Audit:
    """Examine the journal at an address as it lies there, against the public key in a file."""
    from tools.live.evidence import audit_database
    from tools.live.seal import read_verifier

    return audit_database(url, read_verifier(key) if key is not None else None, expect)


def new_key(path: Path) -> Path:
    """Write a new key pair for signing the journal; returns where the public key is."""
    from tools.live.seal import new_key as made

    return made(path)


def table(address: str, dates: bool = True) -> Table:
    """Open a table of rows: a CSV or Parquet file, or ``URL#TABLE`` of any engine that Ibis speaks to.

    Without ``dates``, those of a text file that could be read in two ways stay text.
    """
    from tools.live.tables import open_table

    return open_table(address, dates=dates)
