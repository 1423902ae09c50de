"""Memory that one replica takes and never gives back: of its container until the kernel kills it, or of its GPU."""

from datetime import datetime

from simulator.world.ails import Ail
from simulator.world.body import Body
from simulator.world.cue import Cue

LIMIT, USUAL = 48 * 2.0**30, 0.55  # bytes that a container may hold; the share of them that it does
GPU_MEMORY, FREE, LEFT = 81_559.0, 18_000.0, 40.0  # MiB of a GPU, usually free of them, and when all is taken
AFTER = 0.8  # share of its limit that a container holds right after a kill: a worker died, and not all of them
WORKING_SET, FB_FREE, FB_USED = "container_memory_working_set_bytes", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED"


def leak(cue: Cue, body: Body, level: float, now: datetime) -> Ail | None:
    """Let memory grow with the level; once it is full, requests fail. Returns the trouble; None when its pod is gone.

    ``again``: seconds from one kill of a worker to the next; without it, it is the memory of the GPU, and none comes.
    """
    pod = body.pods.pods.get(cue.key)
    if pod is None:
        return None
    full, again = level >= 1, cue.values.get("again")
    if again is None:
        body.leaks.append((FB_FREE, pod.gpu, FREE + level * (LEFT - FREE)))
        return Ail("replica", cue.key, cue.service, float(full), cue.values, {})
    since = (now - cue.at).total_seconds() - cue.mutation.ramp
    kills = 1 + int(since // again) if full else 0
    if kills > cue.times:
        cue.times = kills
        body.hardware.restarted(pod.row)
        body.lose(pod)
    held = AFTER + (1 - AFTER) * (since % again) / again if full else USUAL + (1 - USUAL) * level
    body.leaks.append((WORKING_SET, pod.row, held * LIMIT))
    return Ail("replica", cue.key, cue.service, float(full), cue.values, {"oom_killed": 1.0})


def show(body: Body) -> None:
    """Write what containers and GPUs hold; called when the marks stand."""
    views = body.store.views
    views[WORKING_SET][:] = views[WORKING_SET] * 0 + USUAL * LIMIT  # NaN stays: no such pod
    for name, row, value in body.leaks:
        views[name][row, 0] = value
    views[FB_USED][:] = GPU_MEMORY - views[FB_FREE]
