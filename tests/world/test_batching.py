"""Dynamic batching against a server played request by request, as Triton's documentation describes its batcher."""

import numpy as np
import pytest

from simulator.world.batching import batch_size, gathering, more_per_request

FIRST, CAPACITY, MOST = 0.006, 200.0, 8
MORE = float(more_per_request(np.array(FIRST), np.array(CAPACITY), MOST))


def played(rate: float, delay: float, seconds: float = 400.0) -> tuple[float, float]:
    """Return mean batch and mean wait of one instance: a batch starts when it is free, and full or late enough."""
    rng = np.random.default_rng(7)
    arrivals = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    place, free, batches, waits = 0, 0.0, [], 0.0
    while place < len(arrivals):
        late = arrivals[place] + delay
        full = arrivals[place + MOST - 1] if place + MOST <= len(arrivals) else np.inf
        start = max(free, min(late, full))
        size = min(MOST, int(np.searchsorted(arrivals, start, side="right")) - place)
        waits += float((start - arrivals[place : place + size]).sum())
        batches.append(size)
        free = start + FIRST + MORE * (size - 1)
        place += size
    return float(np.mean(batches)), waits / len(arrivals)


def test_a_full_batch_gives_the_capacity() -> None:
    seconds = FIRST + MORE * (MOST - 1)
    assert pytest.approx(CAPACITY) == MOST / seconds


@pytest.mark.parametrize("rate", [20.0, 80.0, 120.0])
def test_without_a_delay_batches_are_small_until_the_server_is_busy(rate: float) -> None:
    found = float(batch_size(np.array([rate]), np.array([FIRST]), np.array([MORE]))[0])
    assert found == pytest.approx(played(rate, 0.0)[0], rel=0.25)


def test_at_saturation_batches_are_full() -> None:
    one = np.ones(1)
    assert batch_size(CAPACITY * one, FIRST * one, MORE * one)[0] == pytest.approx(MOST, rel=0.02)
    assert batch_size(2 * CAPACITY * one, FIRST * one, MORE * one)[0] == MOST


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("rate", [10.0, 40.0, 80.0])
def test_a_delay_gathers_company_up_to_the_preferred_size(rate: float, delay: float) -> None:
    exact_batch, exact_wait = played(rate, delay)
    batch = float(batch_size(np.array([rate]), np.array([FIRST]), np.array([MORE]), delay)[0])
    wait = float(gathering(np.array([rate]), delay)[0])
    assert batch == pytest.approx(exact_batch, rel=0.25)
    assert wait == pytest.approx(exact_wait, rel=0.35, abs=0.004)
    assert wait <= delay


def test_without_a_delay_nobody_waits_for_company() -> None:
    assert gathering(np.array([50.0]), 0.0)[0] == 0.0
