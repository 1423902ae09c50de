"""Spot nodes that their provider takes back.

One leaves as on AWS: a notice two minutes before (docs.aws.amazon.com/AWSEC2/latest/UserGuide,
"spot-instance-termination-notices"; GCP and Azure give 30 s), shown as the taint of aws-node-termination-handler. Then
nothing on it answers; the node controller sees that after its grace of 50 s (``node-monitor-grace-period``, 40 s before
Kubernetes 1.32), pods are evicted after the 300 s for which they tolerate it, and the node object goes with them.
"""

from datetime import datetime, timedelta

from simulator.world.ails import Ail
from simulator.world.body import Body
from simulator.world.cue import Cue
from simulator.world.pods import Machine, Pod
from simulator.world.profile import GPUS_PER_NODE

GRACE, TOLERATED = 50.0, 300.0  # seconds until a dead node counts as not ready, and from then until its pods go
HELD = 0.5  # share of its calls on connections that clients hold; Linux gives one up after 15 min (tcp_retries2)
BOOT = 90.0  # seconds from a node's registering until it is ready
MARKS = {"spot_notice": 1.0}


def reclaim(cue: Cue, body: Body, now: datetime) -> Ail | None:
    """Let a node go on its way: notice, silence, not ready, gone, and another in its place; returns its trouble now."""
    index = next((i for i, each in enumerate(body.pods.machines) if each.name == cue.key), None)
    since = (now - cue.at).total_seconds() - cue.values["notice"]
    if index is None:  # another has come
        return None
    machine = body.pods.machines[index]
    if machine.gone:
        if since >= GRACE + TOLERATED + cue.values["back"]:
            replace(index, body, now)
        return None
    if since >= GRACE + TOLERATED:
        leave(index, body)
        return None
    if since >= 0 and not machine.silent:
        machine.silent = True
        for pod in on(index, body):
            body.lose(pod)
    body.pods.leaving.add(cue.key)
    values = {} if since < 0 else {"errors": 1.0} if since < GRACE else {"errors": HELD, "dead": 1.0}
    return Ail("node", cue.key, cue.service, 1.0, values, MARKS)


def on(index: int, body: Body) -> list[Pod]:
    """Return the pods on a node."""
    gpus = body.pods.owner[index * GPUS_PER_NODE : (index + 1) * GPUS_PER_NODE]
    return [pod for pod in gpus if pod is not None]


def leave(index: int, body: Body) -> None:
    """Take a node out of the cluster with all upon it."""
    machine = body.pods.machines[index]
    for pod in on(index, body):
        body.pods.remove(pod, graceful=False)
    machine.gone, machine.ready = True, False
    body.pods.version += 1


def replace(index: int, body: Body, now: datetime) -> None:
    """Let another node register in the place of one that went: bare, and not ready before it has booted."""
    old = body.pods.machines[index]
    number = 1 + max(int(each.name[5:]) for each in body.pods.machines if each.zone == old.zone)
    new = Machine(f"gpu-{old.zone}{number}", old.zone, ready=False, ready_at=now + timedelta(seconds=BOOT))
    body.pods.machines[index] = new
    body.pods.bare.add(new.name)
    for gpu in range(index * GPUS_PER_NODE, (index + 1) * GPUS_PER_NODE):
        body.pods.lost[gpu] = False
        body.hardware.reset(gpu)
        body.store.born("gpu", gpu)
    body.store.born("node", index)
    body.pods.version += 1
