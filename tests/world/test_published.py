"""Batching against measurements that others published: what was measured predicts what else was measured.

LMDeploy 0.1.0a1 on A100-80G, FP16, static batches (docs/en/benchmark/a100_fp16.md of InternLM/lmdeploy): Llama 2 of 7
and 70 billion parameters (70: over four GPUs). The median time of a token at batch 1 and 16 and the time to a first
token at batch 1 make the constants of an engine; tokens per second at batch 16, 32 and 64 are foretold, within 15 %.
"""

from typing import NamedTuple

import pytest

from config.fleet import ServiceKind
from simulator.world.profile import DEFAULTS
from tests.world.serving import SECONDS, Replica

TOLERANCE = 0.15


class Measured(NamedTuple):
    """One shape of requests. Times in seconds; tokens a second by batch."""

    model: str
    prompt: float
    output: float
    first: float  # to the first token, batch 1
    alone: float  # median between two tokens, batch 1
    sixteen: float  # the same, batch 16
    tokens: dict[int, float]


MEASURED = (
    Measured("Llama 2 7B", 128, 128, 0.022, 0.0100, 0.011, {16: 1272, 32: 2125, 64: 3024}),
    Measured("Llama 2 70B", 128, 2048, 0.074, 0.031, 0.033, {16: 483, 32: 854, 64: 1392}),
    Measured("Llama 2 70B", 2048, 128, 0.402, 0.031, 0.035, {16: 189, 32: 233, 64: 270}),
    Measured("Llama 2 70B", 2048, 2048, 0.405, 0.031, 0.036, {16: 399, 32: 636, 64: 930}),
)


def replica(measured: Measured, batch: int) -> Replica:
    """Return an engine with the constants of a measurement at batch 1 and 16."""
    more = (measured.sixteen - measured.alone) / 15
    prefill = measured.prompt / (measured.first - measured.alone)
    constants = {"prefill": prefill, "step": measured.alone - more, "step_per_request": more}
    return Replica(measured.prompt, measured.output, max_batch=float(batch), **constants)


def throughput(engine: Replica, rate: float) -> float:
    """Return generated tokens a second under more load than it can bear."""
    engine.play(rate, ticks=40)
    before = engine.counted("vllm:generation_tokens_total")
    engine.play(rate, ticks=20)
    return (engine.counted("vllm:generation_tokens_total") - before) / (20 * SECONDS)


@pytest.mark.parametrize("batch", [16, 32, 64])
@pytest.mark.parametrize("measured", MEASURED, ids=lambda m: f"{m.model} {m.prompt}+{m.output}")
def test_tokens_a_second_by_batch_are_those_that_were_measured(measured: Measured, batch: int) -> None:
    found = throughput(replica(measured, batch), rate=3 * measured.tokens[batch] / measured.output)
    assert found == pytest.approx(measured.tokens[batch], rel=TOLERANCE)


def test_the_constants_of_the_fleet_lie_between_the_measured_models() -> None:
    profile = DEFAULTS[ServiceKind.LANGUAGE]
    slopes = [(m.sixteen - m.alone) / 15 for m in MEASURED]
    assert min(m.alone for m in MEASURED) <= profile.step <= max(m.alone for m in MEASURED)
    assert min(slopes) <= profile.step_per_request <= max(slopes)


def test_latency_is_flat_in_the_load_up_to_a_knee() -> None:
    """As Orca (OSDI 2022), PagedAttention (SOSP 2023) and Sarathi-Serve (OSDI 2024) measure it."""
    measured = MEASURED[1]
    most = throughput(replica(measured, 64), 100.0) / measured.output
    idle, half, near, beyond = (replica(measured, 64).play(share * most, ticks=60) for share in (0.05, 0.5, 0.7, 1.3))
    assert half < 1.5 * idle
    assert near < 4 * idle
    assert beyond > 100 * idle
