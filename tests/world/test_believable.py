"""What the world's mechanics have in common with theory and with published measurements.

Queues: Erlang's C formula (M/M/c) and Pollaczek and Khinchine's (M/D/1). Engines: tokens per second rise almost in
proportion to a small batch and flatten for a large one, and latency is flat in the load up to a knee, as measured by
Yu et al. (Orca, OSDI 2022), Kwon et al. (PagedAttention, SOSP 2023) and Agrawal et al. (Sarathi-Serve, OSDI 2024).
Prefix caches have a page of their own: test_prefixes.py.
"""

import math

import numpy as np
import pytest

from config.fleet import Objective, Service, ServiceKind
from simulator.world.flow import Load
from simulator.world.profile import DEFAULTS
from simulator.world.rows import Rows
from simulator.world.scoring import Scoring
from simulator.world.speed import Speed, constants_of, speed_of
from simulator.world.store import Store

ROWS = 64
PROFILE = DEFAULTS[ServiceKind.LANGUAGE]


def erlang_c(servers: int, load: float) -> float:
    """Return the mean wait of M/M/c in service times; ``load`` is per server."""
    offered, term, total = servers * load, 1.0, 1.0
    for n in range(1, servers):
        term *= offered / n
        total += term
    last = term * offered / servers / (1 - load)
    return last / (total + last) / (servers * (1 - load))


def engine(prompt: float = 1150.0, output: float = 210.0, kv_share: float = 1.0) -> Speed:
    service = Service(name="any", kind=ServiceKind.LANGUAGE)
    constants = constants_of((service,))
    constants.kv_tokens[:] *= kv_share
    one = np.ones(1)
    return speed_of(constants, Rows(("any",), 1), (prompt * one, output * one), one)


@pytest.mark.parametrize("load", [0.5, 0.7, 0.85, 0.95])
@pytest.mark.parametrize("kv_share", [0.05, 0.2, 1.0])
def test_waiting_for_a_seat_in_the_batch_is_erlangs(load: float, kv_share: float) -> None:
    speed = engine(kv_share=kv_share)
    seats, most = round(float(speed.max_batch[0])), float(speed.most[0])
    held = float(speed.max_batch[0]) / most
    wait = float(speed.queueing(np.array([load * most]))[0]) / held
    assert wait == pytest.approx(erlang_c(seats, load), rel=0.2, abs=0.02)
    assert wait < 20


def mean_latency(load: float) -> float:
    """Return the mean time of an answer of one replica at that load, in seconds, without noise or backlog."""
    service = Service(name="any", kind=ServiceKind.TABULAR, objectives=(Objective(signal="latency_mean", target=1.0),))
    store = Store({"pod": ROWS, "gpu": 2, "node": 1, "service": 1, "vendor": 0})
    scoring, rows = Scoring((service,), store), Rows(("any",), ROWS)
    store.seal()
    store.now[:] = 0.0
    rows.alive[0] = rows.ready[0] = True
    rows.rebalance()
    capacity = DEFAULTS[ServiceKind.TABULAR].capacity
    zero, one = np.zeros(1), np.ones(1)
    scoring.tick(
        Load(
            30.0,
            load * capacity * 30 * one,
            zero,
            zero,
            zero,
            zero,
            one,
            np.ones(2),
            np.zeros(ROWS),
            0.0,
            one,
            np.inf * one,
        ),
        rows,
    )
    return float(scoring.latency[0])


def test_a_scoring_server_waits_as_an_m_d_1_queue_does_in_heavy_traffic_and_never_longer() -> None:
    base = DEFAULTS[ServiceKind.TABULAR].base
    loads = np.array([0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
    waits = np.array([mean_latency(float(load)) for load in loads]) / base - 1.0
    theory = 0.5 * loads / (1 - loads)  # Pollaczek-Khinchine without variance
    two = np.array([0.5 * erlang_c(2, load) for load in loads])  # batches in two instances: M/D/2, nearly
    assert (waits <= theory + 1e-9).all()
    assert (waits >= 0.9 * two).all()
    assert waits[-2:] == pytest.approx(theory[-2:], rel=0.12)


def test_a_cache_that_holds_fewer_tokens_holds_fewer_requests_and_serves_less() -> None:
    whole, half = engine(), engine(kv_share=0.5)
    assert half.max_batch[0] == pytest.approx(whole.max_batch[0] / 2)
    assert 0.4 < half.most[0] / whole.most[0] < 0.95


def test_the_first_token_comes_at_a_steady_pace_up_to_a_knee() -> None:
    speed = engine()
    loads = np.linspace(0.05, 0.97, 40)
    rates = loads * float(speed.most[0])
    first = np.array([float((speed.queueing(np.array([r])) + speed.prefill_time(np.array([r])))[0]) for r in rates])
    assert (np.diff(first) >= -1e-12).all()
    idle, half = first[0], float(np.interp(0.5, loads, first))
    assert half < 2.5 * idle  # flat
    assert first[-1] > 6 * idle  # the knee
    assert math.isclose(idle, 1150 / PROFILE.prefill + PROFILE.step, rel_tol=0.15)
