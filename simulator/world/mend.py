"""What a person's repair does to the world: the cause is gone, whatever it was."""

from datetime import datetime

from simulator.world.body import Body
from simulator.world.cue import Cue
from simulator.world.pods import Effect
from simulator.world.reclaim import leave, replace


def mend(cue: Cue, body: Body) -> None:
    """Take away what one mutation did. Drifts and other lasting ones end by ``Cue.mended`` alone."""
    cue.mended = True
    workload = body.pods.workloads.get(cue.service)
    match cue.mutation.what:
        case "release" if workload is not None and cue.made in workload.effects:
            bad = workload.effects[cue.made]  # other releases on top of it carry it along
            workload.effects = {n: Effect() if e == bad else e for n, e in workload.effects.items()}  # fixed forward
        case "promote":
            _withdraw(cue, body)
        case "gpu_lost" if cue.gpu >= 0:
            _replace(cue.gpu, body)
        case "reclaim":
            _restore(cue, body)
        case "hang":
            for pod in [pod for pod in body.pods.of(cue.service) if pod.hung]:
                body.restart(pod, 45.0)
        case "scale" if workload is not None:
            workload.wanted = min(workload.wanted, workload.profile.replicas)


def _withdraw(cue: Cue, body: Body) -> None:
    model = body.services[cue.service].model
    if body.quality.alias(model, "champion") == cue.made:
        body.quality.set_alias(model, "champion", cue.stood)


def _restore(cue: Cue, body: Body) -> None:
    """Let another node stand at once where one goes or has gone."""
    for index, machine in enumerate(body.pods.machines):
        if machine.name == cue.key and (machine.silent or machine.gone):
            leave(index, body)
            replace(index, body, body.clock.now())


def _replace(gpu: int, body: Body) -> None:
    """Put a new GPU in; a replica that still sits there starts anew."""
    body.pods.lost[gpu] = False
    body.hardware.reset(gpu)
    pod = body.pods.owner[gpu]
    if pod is not None and pod.crashing:
        body.pods.remove(pod, graceful=False)


class Tickets:
    """Nodes that were taken out of service are looked after within a day, and come back sound."""

    def __init__(self, body: Body, seconds: float = 86400.0) -> None:
        self._body, self._seconds = body, seconds
        self._since: dict[str, datetime] = {}

    def tick(self, now: datetime) -> list[str]:
        """Return the names of nodes that came back now."""
        back = []
        for machine in self._body.pods.machines:
            if (machine.schedulable and machine.ready) or machine.gone or machine.ready_at is not None:
                self._since.pop(machine.name, None)
                continue
            since = self._since.setdefault(machine.name, now)
            if (now - since).total_seconds() >= self._seconds:
                machine.schedulable = machine.ready = True
                for gpu in self._body.pods.gpus_of(machine):
                    self._body.hardware.reset(gpu)
                back.append(machine.name)
        return back
