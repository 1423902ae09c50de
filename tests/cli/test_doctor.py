"""The doctor says what is missing, and does nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from agent.doctor import Check, Reach, examine
from config.fleet import Fleet, Objective, Service, ServiceKind
from config.logs import LogTable
from config.servers import MetricsSettings
from config.settings import Settings
from tools.action import Action, Operation, Preimage, Receipt
from tools.errors import Refused, Transient
from tools.memory_journal import MemoryJournal
from tools.signal import Frame, SeriesKey, SignalSpec
from tools.topology import Deployment, Node, Topology

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Measured:
    """Metrics where every signal of chat is there, but for those named."""

    def __init__(self, *absent: str) -> None:
        self.absent = absent

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        names = sorted({spec.name for spec in specs if ServiceKind.LANGUAGE in spec.kinds})
        keys = tuple(SeriesKey(name, "service/chat") for name in names)
        return Frame(at, keys, np.array([np.nan if name in self.absent else 1.0 for name in names]))

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        return ()


class World:
    """A cluster with one workload; an actuator that may do some things, and does none."""

    def __init__(self, deployment: Deployment | None, *, forbidden: tuple[str, ...] = ()) -> None:
        self.deployment, self.forbidden = deployment, forbidden

    def topology(self) -> Topology:
        node = Node(name="n1", ready=True, schedulable=True, gpus=1, gpus_free=0)
        return Topology(at=NOW, deployments=(self.deployment,) if self.deployment else (), replicas=(), nodes=(node,))

    def changes(self, since: datetime) -> tuple[Any, ...]:
        return ()

    @property
    def verbs(self) -> frozenset[str]:
        return frozenset(("set_replicas", "set_schedulable"))

    def rehearse(self, action: Action) -> str:
        if action.verb in self.forbidden:
            raise Refused("deployments.apps is forbidden")
        return "would"

    def preimage(self, action: Action) -> Preimage:
        raise AssertionError("the doctor only rehearses")

    def apply(self, action: Action, operation: Operation) -> Receipt:
        raise AssertionError("the doctor changes nothing")

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        return self.lookup(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        raise AssertionError("the doctor only rehearses")


class Deaf(World, Measured):
    """A world that does not answer."""

    def __init__(self) -> None:
        super().__init__(None)

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        raise Transient("no answer from http://127.0.0.1:9")

    def topology(self) -> Topology:
        raise Transient("no answer from the API server")


CHAT = Deployment(service="chat", replicas=3, ready=3, current="1")


def reach(metrics: Measured | None = None, cluster: World | None = None) -> Reach:
    """What the doctor may touch."""
    world = cluster or World(CHAT)
    return Reach(metrics or Measured(), world, world, MemoryJournal)


def settings(*objectives: str) -> Settings:
    held = tuple(Objective(signal=signal, target=1.0) for signal in objectives)
    chat = Service(name="chat", kind=ServiceKind.LANGUAGE, objectives=held)
    return Settings(fleet=Fleet(services=(chat,)), metrics=MetricsSettings(url="http://p"), checkpoints=Path("c.db"))


def seen(found: Reach, *objectives: str) -> dict[str, tuple[str, str]]:
    return {check.name: (check.state, check.text) for check in examine(settings(*objectives), found, NOW)}


def test_all_is_well() -> None:
    checks = seen(reach(), "ttft_p95")
    assert {state for state, _ in checks.values()} == {"ok"}
    assert checks["workload of chat"][1] == "may set_replicas (rehearsed)"
    assert checks["cordon nodes"][1] == "may set_schedulable (rehearsed)"


def test_a_missing_metric_is_named_and_is_bad_where_an_objective_needs_it() -> None:
    assert seen(reach(Measured("ttft_p95")), "error_ratio")["metrics of chat"] == (
        "missing",
        "NO DATA: ttft_p95 (no series of vllm:time_to_first_token_seconds_bucket)",
    )
    needed = seen(reach(Measured("ttft_p95")), "ttft_p95")["metrics of chat"]
    assert needed == (
        "bad",
        "NO DATA for its objectives: ttft_p95 (no series of vllm:time_to_first_token_seconds_bucket)",
    )


def test_an_objective_that_nothing_measures_is_bad() -> None:
    state, text = seen(reach(), "vibes")["objectives of chat"]
    assert state == "bad"
    assert text.startswith("no signal vibes for kind language; known: answer_length, ")


def test_accuracy_is_measured_where_a_log_is_named() -> None:
    given = settings("accuracy", "ttft_p95")
    state, text = {c.name: (c.state, c.text) for c in examine(given, reach(), NOW)}["objectives of chat"]
    assert (state, text) == ("bad", "accuracy is read from an inference log, and none is named under logs")
    logged = given.model_copy(update={"logs": (LogTable(service="chat", rows="chat.parquet"),)})
    assert "objectives of chat" not in {check.name for check in examine(logged, reach(), NOW)}


def test_a_service_without_objectives_is_said_to_be_unguarded() -> None:
    assert seen(reach())["objectives of chat"] == ("missing", "none: it is shown, and never acted on")


def test_workloads_that_are_not_there_not_ours_or_not_allowed() -> None:
    assert seen(reach(cluster=World(None)))["workload of chat"] == ("bad", "no Deployment default/chat")
    owned = World(CHAT.model_copy(update={"owners": ("hpa",)}))
    assert seen(reach(cluster=owned))["workload of chat"] == ("missing", "hpa writes here: Prunella will ask")
    free = World(CHAT.model_copy(update={"opted_out": True}))
    assert seen(reach(cluster=free))["workload of chat"][0] == "missing"
    barred = World(CHAT, forbidden=("set_replicas",))
    text = "may not set_replicas: deployments.apps is forbidden"
    assert seen(reach(cluster=barred))["workload of chat"] == ("missing", text)


def test_what_does_not_answer_is_said_and_the_rest_still_examined() -> None:
    checks = seen(reach(metrics=Deaf(), cluster=Deaf()), "ttft_p95")
    assert checks["metrics"] == ("bad", "no answer from http://127.0.0.1:9")
    assert checks["cluster"] == ("bad", "no answer from the API server")
    assert checks["journal"][0] == "ok"


def test_hardware_that_nobody_exports_is_named_with_what_to_do() -> None:
    checks = seen(reach(Measured("xid", "hw_thermal")))
    assert checks["signal xid"] == ("missing", "NO DATA: DCGM_FI_DEV_XID_ERRORS (no exporter gives it)")
    state, text = checks["signal hw_thermal"]
    assert state == "missing"
    assert "off by default, add it to the counters file of dcgm-exporter" in text


def test_what_only_the_adapters_can_look_at_is_shown_as_well() -> None:
    world = World(CHAT)
    clocks = Check(name="clocks", state="missing", text="9 s between the API server's clock and ours")
    found = Reach(Measured(), world, world, MemoryJournal, lambda: iter([clocks]))
    assert seen(found, "ttft_p95")["clocks"] == ("missing", clocks.text)


def test_one_cause_is_told_once() -> None:
    away = "no answer from the API server"
    beyond = [
        Check(name="Kubernetes", state="bad", text=f"{away} (see cluster.kubeconfig)"),
        Check(name="rights", state="bad", text=f"{away} (see cluster.kubeconfig)"),
        Check(name="clocks", state="missing", text="9 s apart"),
    ]
    deaf = Deaf()
    checks = seen(Reach(Measured(), deaf, deaf, MemoryJournal, lambda: iter(beyond)), "ttft_p95")
    assert checks["cluster"] == ("bad", away)
    assert checks["Kubernetes"] == checks["rights"] == ("bad", "the same as cluster (see cluster.kubeconfig)")
    assert checks["clocks"] == ("missing", "9 s apart")
