"""Ails: troubles that sit on something (a replica, a GPU, a node, a zone, a revision, a service, a vendor's route) and
fall on whatever runs there, for as long as it runs there. The scenario says how hard, and which marks exporters show.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from simulator.world.pods import Pod, Pods
from simulator.world.profile import GPUS_PER_NODE
from simulator.world.rows import Rows
from simulator.world.script import Carrier


@dataclass(frozen=True, slots=True)
class Ail:
    """One trouble in this tick. ``key`` names its carrier; ``level`` is 0..1."""

    carrier: Carrier
    key: str
    service: str
    level: float
    values: Mapping[str, float]
    marks: Mapping[str, float]

    def sufferers(self, pods: Pods) -> list[Pod]:
        """Return the pods that it falls on, by name."""
        return sorted((pod for pod in pods.pods.values() if self._falls_on(pod, pods)), key=lambda pod: pod.name)

    def share(self, pods: Pods) -> float:
        """Return the share of its service's ready replicas that it falls on."""
        ready = [pod for pod in pods.of(self.service) if pod.ready]
        return sum(self._falls_on(pod, pods) for pod in ready) / len(ready) if ready else 0.0

    def _falls_on(self, pod: Pod, pods: Pods) -> bool:
        machine = pods.machine_of(pod)
        match self.carrier:
            case "replica":
                return pod.name == self.key
            case "gpu":
                return str(pod.gpu) == self.key
            case "node":
                return machine is not None and machine.name == self.key
            case "zone":
                return pod.service == self.service and machine is not None and machine.zone == self.key
            case "revision":
                effect = pods.workloads[pod.service].effects.get(pod.revision)
                return effect is not None and effect.ail == self.key
            case "service":
                return pod.service == self.service
            case "vendor":
                return False

    def downed(self, pods: Pods) -> list[Pod]:
        """Return the sufferers that are kept from being ready: the share ``down`` of them, the youngest first."""
        found = sorted(self.sufferers(pods), key=lambda pod: (-pod.created_at.timestamp(), pod.name))
        share = self.values.get("down", 0.0) * (self.level > 0)
        return found[: max(1, round(share * len(found)))] if found and share else []

    def gpus(self, pods: Pods) -> list[int]:
        """Return the GPUs that show its marks."""
        return [int(self.key)] if self.carrier == "gpu" else [p.gpu for p in self.sufferers(pods) if p.gpu >= 0]

    def nodes(self, pods: Pods) -> list[int]:
        """Return the places of the nodes that show its marks."""
        names = [machine.name for machine in pods.machines]
        if self.carrier == "node":
            return [names.index(self.key)] if self.key in names else []
        if self.carrier == "zone":
            return [i for i, machine in enumerate(pods.machines) if machine.zone == self.key]
        return sorted({gpu // GPUS_PER_NODE for gpu in self.gpus(pods)})


def afflict(ails: Iterable[Ail], pods: Pods, rows: Rows) -> None:
    """Let every ail fall on the rows of its sufferers."""
    for ail in ails:
        for pod in ail.sufferers(pods):
            _fall(ail, pod.row, rows)
        for pod in ail.downed(pods):
            pod.ready = rows.ready[pod.row] = False
            if ail.values["down"] >= 1.0:  # of what never becomes ready, no rollout ever sees one that is
                pod.ready_at = None
        if ail.carrier == "node" and ail.values.get("dead") and (machine := pods.machine(ail.key)):
            machine.ready = False


def _fall(ail: Ail, row: int, rows: Rows) -> None:
    values, level = ail.values, ail.level
    rows.errors[row] = 1 - (1 - rows.errors[row]) * (1 - level * values.get("errors", 0.0))
    rows.slow[row] *= 1 + level * (values.get("slow", 1.0) - 1)
    rows.output[row] *= 1 + level * (values.get("output", 1.0) - 1)
    rows.prompt[row] *= 1 + level * (values.get("prompt", 1.0) - 1)
    rows.prefix[row] *= 1 + level * (values.get("prefix", 1.0) - 1)
    rows.kv[row] *= 1 + level * (values.get("kv", 1.0) - 1)
    rows.spread[row] *= 1 + level * (values.get("spread", 1.0) - 1)
    rows.poison[row] += level * values.get("poison", 0.0)
    rows.pause[row] = max(rows.pause[row], values.get("pause", 0.0) * (level > 0))
    rows.admit[row] = min(rows.admit[row], values.get("admit", np.inf) if level > 0 else np.inf)
