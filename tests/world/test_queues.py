"""The world's queues where theory knows the answer: beside the formula, and beside a queue played request by request.

Erlang's C (M/M/c), Pollaczek and Khinchine's (M/G/1, also with a server that stops), through ``Engines.tick`` and
``Scoring.tick`` themselves. Tolerances: 20 % (Sakasegawa's approximation of M/M/c) and 12 % (M/G/1, a finite run).
"""

import heapq

import numpy as np
import pytest

from simulator.world.store import Floats
from tests.world.serving import Replica

CALLS = 60_000


def played(servers: int, gaps: Floats, service: Floats) -> float:
    """Return the mean wait of a first-come, first-served queue, seconds."""
    free = [0.0] * servers
    waits, at = 0.0, 0.0
    for gap, takes in zip(gaps, service, strict=True):
        at += gap
        begun = max(at, heapq.heappop(free))
        waits += begun - at
        heapq.heappush(free, begun + takes)
    return waits / len(gaps)


def erlang_c(servers: int, load: float) -> float:
    """Return the mean wait of M/M/c in service times; ``load`` is per server."""
    offered, term, total = servers * load, 1.0, 1.0
    for n in range(1, servers):
        term *= offered / n
        total += term
    last = term * offered / servers / (1 - load)
    return last / (total + last) / (servers * (1 - load))


@pytest.mark.parametrize("load", [0.5, 0.7, 0.85])
@pytest.mark.parametrize("seats", [1, 4, 16])
def test_seats_in_a_batch_are_an_m_m_c_queue(seats: int, load: float) -> None:
    rng = np.random.default_rng(seats)
    gaps, service = rng.exponential(1 / (seats * load), CALLS), rng.exponential(1.0, CALLS)
    exact = erlang_c(seats, load)
    assert played(seats, gaps, service) == pytest.approx(exact, rel=0.15, abs=0.01)
    replica = Replica(prompt=1.0, output=100.0, step=0.01, max_batch=float(seats))  # an answer takes a second
    assert replica.play(seats * load) - 0.01 == pytest.approx(exact, rel=0.2, abs=0.03)


def prompts(rng: np.random.Generator, share: float, times: float) -> Floats:
    """Return seconds of prefill: exponential, of mean 0.1, but for a share that is so many times as long."""
    return np.asarray(rng.exponential(0.1, CALLS) * np.where(rng.random(CALLS) < share, times, 1.0))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
@pytest.mark.parametrize(("share", "times"), [(0.0, 1.0), (0.05, 10.0)])
def test_prompts_wait_behind_each_other_as_in_m_g_1(share: float, times: float, load: float) -> None:
    rng = np.random.default_rng(3)
    service = prompts(rng, share, times)
    mean, square = service.mean(), (service**2).mean()
    rate = load / mean
    theory = rate * square / 2 / (1 - load)
    assert played(1, rng.exponential(1 / rate, CALLS), service) == pytest.approx(theory, rel=0.12)
    replica = Replica(prompt=1000.0, output=1.0, prefill=1000.0 / mean)
    replica.rows.spread[:] = square / mean**2
    assert replica.play(rate) - mean == pytest.approx(theory, rel=0.12)


@pytest.mark.parametrize(("poison", "pause"), [(0.01, 20.0), (0.02, 25.0)])
@pytest.mark.parametrize("rate", [0.2, 2.0])
def test_who_comes_behind_a_request_that_stops_the_engine_waits_as_in_m_g_1(
    rate: float, poison: float, pause: float
) -> None:
    rng = np.random.default_rng(5)
    both = rate + poison
    stops = rng.random(4 * CALLS) < poison / both
    service = np.where(stops, pause, 0.01)
    exact = played(1, rng.exponential(1 / both, len(service)), service)
    replica = Replica(prompt=1.0, output=1.0, step=0.01, max_batch=1.0)
    usual = replica.play(rate)
    replica.rows.poison[:], replica.rows.pause[:] = poison / 2, pause  # its client calls once more
    wait = replica.play(rate)
    assert usual < 0.02
    assert wait == pytest.approx(exact, rel=0.15)
    assert replica.counted("vllm:num_requests_waiting_by_reason") == np.ceil(rate * (wait - usual))  # Little
    assert replica.counted("http_requests_total") > 0


def test_what_runs_dies_with_the_engine_and_everybody_else_is_answered_late() -> None:
    well, ill = (Replica(prompt=100.0, output=100.0, step=0.02, max_batch=64.0) for _ in range(2))
    ill.rows.poison[:], ill.rows.pause[:] = 0.01, 20.0
    assert well.play(2.0, ticks=40) < 0.1
    assert ill.play(2.0, ticks=40) > 5.0
    assert ill.engines.waiting[0] == 0.0  # the rate is what it was, and within the capacity
    failed = 1 - ill.counted("http_requests_total") / well.counted("http_requests_total")
    assert 0.03 < failed < 0.15


def test_requests_that_are_let_in_before_there_is_room_push_each_other_out_and_cost_throughput() -> None:
    usual, hasty = (Replica(1000.0, 200.0, prefill=9000.0, step=0.02, kv_tokens=11_000.0) for _ in range(2))
    hasty.rows.admit[:] = 256.0
    for replica in (usual, hasty):
        replica.play(0.5, ticks=10)
        assert replica.counted("vllm:num_preemptions_total") == 0.0  # there is room
        replica.play(5.0, ticks=40)
    calm, wild = (r.counted("vllm:num_preemptions_total") / r.counted("http_requests_total") for r in (usual, hasty))
    assert calm < 0.2  # an answer's tokens over those of a prompt, at most
    assert wild > 2.0
    assert hasty.counted("vllm:generation_tokens_total") < 0.85 * usual.counted("vllm:generation_tokens_total")


def test_a_cache_that_holds_less_preempts_more() -> None:
    seen = []
    for kv in (8.0, 4.0, 2.0, 1.0):
        replica = Replica(1000.0, 1000.0, prefill=9000.0, step=0.02, kv_tokens=kv * 1500.0)
        replica.play(0.2, ticks=40)
        seen.append(replica.counted("vllm:num_preemptions_total") / replica.counted("http_requests_total"))
    assert (np.diff(seen) > -1e-3).all()
    assert seen[0] == 0.0 < seen[-1]
