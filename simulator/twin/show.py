"""Shows a twin until told to stop: makes the world, gives it a past, serves it, and lets it go on with our time."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulator.casting import Cast
from simulator.twin.pace import Pace
from simulator.twin.twin import Twin
from simulator.world.world import World

PAST = timedelta(minutes=30)  # simulated, lived before anybody looks: rates and baselines need one


@dataclass(frozen=True, slots=True)
class Stage:
    """What is shown: spans in simulated seconds; no scenario is a healthy fleet."""

    cast: Cast
    after: float
    speed: float
    tick: float
    seed: int

    def open(self, now: datetime) -> Twin:
        """Return a twin that has lived its past, and stands at ``now``."""
        script = self.cast.begun_at(PAST.total_seconds() + self.after)
        world = World(self.cast.fleet, seed=self.seed, start=now - PAST, scenario=script)
        twin = Twin(world, self.tick, Pace(now, now, self.speed))
        twin.follow(now)
        return twin


Say = Callable[[str], object]


def show(stage: Stage, folder: Path, ports: tuple[int, int], length: float | None, say: Say) -> None:
    """Serve until a signal comes, or ``length`` simulated seconds have passed."""
    from simulator.twin.logs import TwinLogs
    from simulator.twin.serve import served, write_config

    twin = stage.open(_now())
    end = None if length is None else twin.world.clock.now() + timedelta(seconds=length)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with served(twin, _now, ports) as where:
        logs = TwinLogs(twin, folder / "logs")
        config = write_config(folder, twin, where, logs)
        say(f"Prometheus API   {where.metrics_url}")
        say(f"Kubernetes API   {where.cluster_url}   KUBECONFIG={folder / 'kubeconfig'}")
        say(f"registry         {where.registry_url}")
        say(f"vendors          {where.vendors_url}/vendors/NAME/v1")
        say(f"guard it:        prunella run --config {config}")
        logs.follow()
        while not stop.is_set() and (end is None or twin.world.clock.now() < end):
            stop.wait(min(1.0, twin.follow(_now())))
            logs.follow()


def _now() -> datetime:
    return datetime.now(UTC)
