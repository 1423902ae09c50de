"""How fast a language-model replica goes: prefill, decoding steps, seats in the KV cache, preemption. Pure.

A decoding step takes ``t0 + t1 * batch`` seconds, stretched by the share of time that prefill takes, so throughput
grows with the batch and saturates. Prompts are prefilled one after another, so a long one keeps those behind it
waiting: Pollaczek and Khinchine's wait, which grows with the square of the length.

The batch is bounded by the KV blocks that its requests hold. A request is admitted when its prompt fits (or the first
piece of it, where the scheduler cuts prompts up), though it will hold more: while others wait for its place, what is
admitted beyond the memory is pushed out again, and what was computed of it is computed anew.
"""

from dataclasses import dataclass

import numpy as np

from config.fleet import Service
from simulator.world.profile import profile_of
from simulator.world.rows import Rows
from simulator.world.store import Floats


@dataclass(frozen=True, slots=True)
class Constants:
    """Profile numbers by service, shape (S,)."""

    prefill: Floats
    step: Floats
    step_per_request: Floats
    kv_tokens: Floats
    max_batch: Floats
    prompt: Floats
    reuse: Floats
    families: Floats
    affinity: Floats


def constants_of(services: tuple[Service, ...]) -> Constants:
    """Return the profiles of services as columns."""
    profiles = [profile_of(s) for s in services]

    def column(name: str) -> Floats:
        return np.array([getattr(p, name) for p in profiles], dtype=np.float64)

    names = ("prefill", "step", "step_per_request", "kv_tokens", "max_batch", "prompt", "reuse", "families", "affinity")
    return Constants(*(column(name) for name in names))


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast each replica can go, given what its requests look like."""

    prompt: Floats
    output: Floats
    prefill_cost: Floats  # seconds of GPU per request, with what is computed anew
    spread: Floats  # mean square of prefill times over the square of their mean
    step: Floats
    step_per_request: Floats
    held: Floats  # KV tokens that a running request holds
    kv_tokens: Floats
    max_batch: Floats
    preempted: Floats  # times that a request is pushed out before it is done
    most: Floats  # requests per second at saturation

    def _stretch(self, rate: Floats) -> Floats:
        return 1.0 / np.maximum(0.05, 1.0 - rate * self.prefill_cost)

    def batch_at(self, rate: Floats) -> Floats:
        """Return the batch that sustains a rate (Little's law)."""
        stretch = self._stretch(rate)
        grow = np.maximum(0.05, 1.0 - rate * self.output * self.step_per_request * stretch)
        batch: Floats = np.minimum(rate * self.output * self.step * stretch / grow, self.max_batch)
        return batch

    def token_time(self, rate: Floats) -> Floats:
        """Return seconds between two tokens of one answer."""
        out: Floats = (self.step + self.step_per_request * self.batch_at(rate)) * self._stretch(rate)
        return out

    def prefill_time(self, rate: Floats) -> Floats:
        """Return seconds from admission to the first token: behind earlier prompts, then its own, then a step."""
        behind = rate * self.prefill_cost**2 * self.spread / 2 * self._stretch(rate)
        out: Floats = behind + self.prefill_cost + self.token_time(rate)
        return out

    def queueing(self, rate: Floats) -> Floats:
        """Return the mean wait for a seat below saturation (Sakasegawa's approximation for many servers)."""
        load = np.clip(rate / np.maximum(self.most, 1e-9), 0.0, 0.97)
        held = self.max_batch / np.maximum(self.most, 1e-9)
        out: Floats = held * load ** (np.sqrt(2 * (self.max_batch + 1)) - 1) / (self.max_batch * (1 - load))
        return out


def speed_of(
    c: Constants,
    rows: Rows,
    shape: tuple[Floats, Floats],
    slow: Floats,
    found: Floats | None = None,
    demand: Floats | float = 0.0,
) -> Speed:
    """Return the speed of every row.

    ``shape``: tokens of a prompt and of an answer; ``found``: share of prompt tokens in its prefix cache, None: as
    usual; ``demand``: requests that run or wait.
    """
    s, (prompt, output) = rows.service, shape
    held, kv = prompt + output / 2, c.kv_tokens[s] * rows.kv
    seats = np.maximum(1.0, kv / held)
    max_batch = np.minimum(c.max_batch[s], seats)
    step, more = c.step[s] * slow, c.step_per_request[s] * slow
    # The profile's prefill is that of a warm cache: what is not found costs what finding it saved.
    anew = 1.0 if found is None else (1.0 - found) / (1.0 - c.reuse[s])
    first = np.minimum(rows.admit, prompt)  # tokens that must fit for a request to be let in
    # A request that is done frees its prompt and answer, and so many are let in for it; all but one are too many.
    preempted = np.clip(np.minimum(demand, c.max_batch[s]) / seats - 1.0, 0.0, (prompt + output) / first - 1.0)
    lost = preempted * (first + held) / 2 / prompt  # prefills: between being let in and being nearly done
    prefill = prompt / c.prefill[s] * slow * anew * (1.0 + lost)
    decode = max_batch / (output * (step + more * max_batch))
    most = decode / (1.0 + decode * prefill)
    return Speed(prompt, output, prefill, rows.spread, step, more, held, kv, max_batch, preempted, most)
