"""Ports that are handed out stay free for whoever they were handed to, and worlds that were served are let go."""

import gc
import socket
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from simulator.episode import demo_fleet
from simulator.lab.servers import free_port
from simulator.twin.serve import served
from simulator.twin.twin import Twin
from simulator.world.world import World

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]


def bound(port: int, *, reuse: bool) -> bool:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            server.bind(("127.0.0.1", port))
            server.listen()
        except OSError:
            return False
    return True


def test_no_port_is_handed_out_twice_and_its_server_gets_it() -> None:
    with ThreadPoolExecutor(8) as pool:
        ports = list(pool.map(lambda _: free_port(), range(64)))
    assert len(set(ports)) == 64
    assert all(20_000 <= port < 32_768 for port in ports)  # none that an outgoing connection may take
    assert [bound(port, reuse=False) for port in ports[:5]] == [False] * 5  # as whoever looks for a free one does
    assert [bound(port, reuse=True) for port in ports] == [True] * 64  # as servers do


def test_a_world_that_was_served_is_let_go() -> None:
    twin = Twin(World(demo_fleet()))
    body, clock = weakref.ref(twin.world.body), twin.world.clock
    with served(twin, clock.now):
        pass
    del twin
    gc.collect()
    assert body() is None
