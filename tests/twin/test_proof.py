"""The proof of capacity over the wire: its numbers are those of the metrics and cluster servers, at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.headroom import LEAST_READINGS, Headroom, headroom
from agent.observe import Observation, Observer, Scene, Senses
from agent.wiring import live_senses
from config.fleet import Cadence, Fleet
from config.load import load
from simulator.episode import demo_fleet
from simulator.twin.logs import TwinLogs
from simulator.twin.serve import served, write_config
from simulator.twin.twin import Twin
from simulator.world.world import World
from tools.live.kube_api import KubeApi

pytestmark = [pytest.mark.real, pytest.mark.enable_socket, pytest.mark.slow]
LOOKS = 6


class Watched:
    """A twin seen over the wire and through its own ports, look by look."""

    def __init__(self, twin: Twin, wire: Senses) -> None:
        self.twin, world = twin, twin.world
        own = Senses(world.metrics, world.cluster, world.registry, world.log, world.serving, world.clock)
        self.fleet: Fleet = world.fleet
        self.senses = (wire, own)
        self._eyes = [Observer(senses, self.fleet, Cadence()) for senses in self.senses]
        self._seen: tuple[list[Observation], list[Observation]] = ([], [])

    def look(self, times: int) -> None:
        for _ in range(times):
            self.twin.advance()
            for eye, seen in zip(self._eyes, self._seen, strict=True):
                seen.append(eye.look())

    def scenes(self) -> list[Scene]:
        pairs = zip(self._seen, self.senses, strict=True)
        return [Scene(self.fleet, seen[-1], tuple(seen), senses, seen[-1].at) for seen, senses in pairs]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    twin = Twin(World(demo_fleet(), seed=4))
    for _ in range(6):
        twin.advance()
    with ExitStack() as stack:
        where = stack.enter_context(served(twin, twin.world.clock.now))
        file = write_config(tmp_path, twin, where, TwinLogs(twin, tmp_path / "logs"))
        settings = load(file)
        api = KubeApi(settings.cluster)
        stack.callback(api.close)
        yield Watched(twin, live_senses(settings, api, twin.world.clock))


def proofs(watched: Watched) -> tuple[Headroom, Headroom]:
    """Return what is proven over the wire, and by the twin's own ports, whose rates differ at the edges of a window."""
    service = watched.fleet.service("chat")
    wire, own = (headroom(scene, service, 3) for scene in watched.scenes())
    return wire, own


def test_the_proof_rests_on_what_the_servers_answer_now(watched: Watched) -> None:
    watched.look(LEAST_READINGS - 1)
    assert "too few" in proofs(watched)[0].text
    watched.look(LOOKS)
    calm, own = proofs(watched)
    assert calm.proven == own.proven
    assert calm.use == pytest.approx(own.use, rel=0.02)
    watched.twin.world.body.weather.rate *= 2.0
    watched.look(LOOKS)
    busy, own = proofs(watched)
    assert busy.proven == own.proven
    assert busy.use == pytest.approx(own.use, rel=0.02)
    assert busy.use is not None
    assert calm.use is not None
    assert busy.use > 1.2 * calm.use
    assert (calm.proven, busy.proven) == (True, False)
