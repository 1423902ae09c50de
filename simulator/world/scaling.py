"""Horizontal autoscalers as somebody sets them up, and as kube-state-metrics shows them."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from simulator.world.autoscaler import STABLE, Autoscaler
from simulator.world.body import Body
from simulator.world.cue import Cue
from simulator.world.pods import Workload
from simulator.world.store import Floats

BASE = "kube_horizontalpodautoscaler"
CONDITION = f"{BASE}_status_condition"


def set_up(cue: Cue, body: Body) -> None:
    """Let an autoscaler see to a service from now on, within the quota of its owner."""
    workload, values = body.pods.workloads[cue.service], cue.values
    high = min(round(values["high"]), workload.service.max_replicas)
    stable = timedelta(seconds=values.get("window", STABLE.total_seconds()))
    queue, blind = bool(values.get("queue")), bool(values.get("blind"))
    low = min(round(values["low"]), high)
    body.autoscalers[cue.service] = Autoscaler(values["target"], low, high, stable, queue, blind, workload.wanted)
    cue.stood = str(workload.wanted)
    if not blind:  # one that cannot measure writes nothing
        workload.owners = (*workload.owners, "hpa")


def take_away(cue: Cue, body: Body) -> None:
    """Undo ``set_up``: as many replicas as before, and nobody who changes them."""
    if body.autoscalers.pop(cue.service, None) is not None:
        workload = body.pods.workloads[cue.service]
        workload.owners = tuple(owner for owner in workload.owners if owner != "hpa")
        workload.wanted = int(cue.stood)


def show(body: Body) -> None:
    """Write the series of the autoscalers that there are; a service without one has none."""
    views = body.store.views
    for name in (CONDITION, *(f"{BASE}_{each}" for each in NUMBERS)):
        views[name][:] = np.nan
    for service, scaler in body.autoscalers.items():
        _show(scaler, body.pods.workloads[service], views, body.index[service])


NUMBERS = ("spec_min_replicas", "spec_max_replicas", "status_current_replicas", "status_desired_replicas")


def _show(scaler: Autoscaler, workload: Workload, views: Mapping[str, Floats], row: int) -> None:
    for name, value in zip(NUMBERS, (scaler.low, scaler.high, workload.wanted, scaler.desired), strict=True):
        views[f"{BASE}_{name}"][row, 0] = value
    views[CONDITION][row, 0] = float(scaler.blind)
