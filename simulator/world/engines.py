"""Language-model engines: prefill, batched decoding, KV cache, waiting queue. A fluid model over all replicas at once.

A decoding step takes ``t0 + t1 * batch`` seconds, stretched by the share of time that prefill takes, so throughput
grows with the batch and saturates. The batch is bounded by the KV blocks that its requests hold; beyond that requests
wait, and those that wait longer than the client's patience fail. What of a prompt is in the replica's prefix cache need
not be prefilled; what prompts grow by is found as often as the rest of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.fleet import Service, ServiceKind
from simulator.world.flow import Load, Result, lognormal_share
from simulator.world.prefixes import PrefixCaches
from simulator.world.profile import CLIENT_LIMIT, profile_of
from simulator.world.rows import Rows
from simulator.world.store import Floats, Store, Variant
from tools.buckets import E2E as E2E_EDGES
from tools.buckets import ITL as ITL_EDGES
from tools.buckets import TTFT as TTFT_EDGES

OVERHEAD = 0.05  # seconds before the engine sees a request
TTFT_SIGMA, E2E_SIGMA, ITL_SIGMA = 0.6, 0.55, 0.3
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]
LIMIT = CLIENT_LIMIT[ServiceKind.LANGUAGE]
KIND = "language"
PREFIX = ("prefix_cache_queries_total", "prefix_cache_hits_total")  # both in tokens


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


def _constants(services: tuple[Service, ...]) -> Constants:
    profiles = [profile_of(s) for s in services]

    def column(name: str) -> Floats:
        return np.array([getattr(p, name) for p in profiles], dtype=np.float64)

    names = ("prefill", "step", "step_per_request", "kv_tokens", "max_batch", "prompt", "reuse", "families", "affinity")
    return Constants(*(column(name) for name in names))


@dataclass(frozen=True, slots=True)
class _Flow:
    finished: Floats
    failed: Floats  # expired in the queue, or died with the engine
    rate: Floats  # started per second
    offered: Floats
    seconds: float


@dataclass(frozen=True, slots=True)
class _Speed:
    """How fast each replica can go, given what its requests look like."""

    prompt: Floats
    output: Floats
    prefill_cost: Floats  # seconds of GPU per request
    step: Floats
    step_per_request: Floats
    held: Floats  # KV tokens that a running request holds
    kv_tokens: Floats
    max_batch: Floats
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
        """Return seconds from admission to the first token."""
        out: Floats = self.prefill_cost * self._stretch(rate) + self.token_time(rate)
        return out

    def queueing(self, rate: Floats) -> Floats:
        """Return the mean wait below saturation (Sakasegawa's approximation for many servers)."""
        load = np.clip(rate / np.maximum(self.most, 1e-9), 0.0, 0.97)
        held = self.max_batch / np.maximum(self.most, 1e-9)
        out: Floats = held * load ** (np.sqrt(2 * (self.max_batch + 1)) - 1) / (self.max_batch * (1 - load))
        return out


def _speed(
    c: Constants, s: Places, prompt: Floats, output: Floats, slow: Floats, found: Floats | None = None
) -> _Speed:
    """Return the speed of every row; ``found``: share of prompt tokens in its prefix cache, None: as usual."""
    held = prompt + output / 2
    max_batch = np.maximum(1.0, np.minimum(c.max_batch[s], c.kv_tokens[s] / held))
    step, more = c.step[s] * slow, c.step_per_request[s] * slow
    # The profile's prefill is that of a warm cache: what is not found costs what finding it saved.
    anew = 1.0 if found is None else (1.0 - found) / (1.0 - c.reuse[s])
    prefill = prompt / c.prefill[s] * slow * anew
    decode = max_batch / (output * (step + more * max_batch))
    most = decode / (1.0 + decode * prefill)
    return _Speed(prompt, output, prefill, step, more, held, c.kv_tokens[s], max_batch, most)


def _declare(store: Store) -> None:
    def add(name: str, *variants: Variant) -> None:
        store.add(name, "pod", variants or ((),), KIND)

    add("http_requests_total", (("status", "2xx"),), (("status", "5xx"),))
    reasons = ("stop", "length", "abort", "error", "repetition")
    add("vllm:request_success_total", *((("finished_reason", r),) for r in reasons))
    for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "num_preemptions_total"):
        add(f"vllm:{name}")
    for name in ("prompt_tokens_total", "generation_tokens_total", "iteration_tokens_total_count", *PREFIX):
        add(f"vllm:{name}")
    store.add_histogram("vllm:time_to_first_token_seconds", "pod", TTFT_EDGES, KIND)
    store.add_histogram("vllm:e2e_request_latency_seconds", "pod", E2E_EDGES, KIND)
    store.add_histogram("vllm:inter_token_latency_seconds", "pod", ITL_EDGES, KIND)


class Engines:
    """All language replicas. ``waiting`` and ``running`` are requests per row."""

    def __init__(self, services: tuple[Service, ...], store: Store) -> None:
        rows = store.sizes["pod"]
        self.services = services
        self.constants = _constants(services)
        self.mask = np.array([service.kind is ServiceKind.LANGUAGE for service in services])
        c = self.constants
        self.prefixes = PrefixCaches(rows, c.families, c.reuse, c.affinity)
        self.found = np.zeros(rows)  # share of this tick's prompt tokens that were in the cache
        self.waiting = np.zeros(rows)
        self.running = np.zeros(rows)
        self.util = np.zeros(rows)  # share of capacity used
        self.lost = np.zeros(len(services))  # requests that died with their replica, or found none
        self.ttft_seen = np.zeros((rows, len(TTFT_EDGES) + 1))  # what this tick added to the histograms
        self.e2e_seen = np.zeros((rows, len(E2E_EDGES) + 1))
        self._edges = tuple(np.array(e) for e in (TTFT_EDGES, E2E_EDGES, ITL_EDGES))
        self._views = store.views
        _declare(store)

    def tick(self, load: Load, rows: Rows) -> Result:
        """Serve one tick; writes the metrics, returns what came of the requests."""
        c, s = self.constants, rows.service
        mine = rows.alive & self.mask[s]
        prompt = np.maximum(load.prompt[s] * rows.prompt, 1.0)
        output = np.maximum(load.output[s] * rows.output, 1.0)
        clock = rows.clocked(load.clock)
        slow = rows.slow * load.slow[s] / clock
        arriving = np.where(mine, load.arrivals[s] * rows.share, 0.0)
        self.found = self._found(rows, arriving, prompt, output)
        speed = _speed(c, s, prompt, output, slow, self.found)
        dead = rows.crashing & mine
        flow = self._serve(load, arriving, speed, rows.hung, dead)
        return self._report(load, rows, flow, speed, mine)

    def _found(self, rows: Rows, arriving: Floats, prompt: Floats, output: Floats) -> Floats:
        """Look this tick's prompts up. Running requests come first; what they leave of the memory is the cache's."""
        c, s = self.constants, rows.service
        one = np.maximum(c.reuse[s] * c.prompt[s], 1.0)  # tokens of a shared prefix: templates do not grow with prompts
        left = c.kv_tokens[s] - self.running * (prompt + output / 2)
        pinned = np.minimum(self.running, c.families[s]) * one  # in use: not to be evicted
        mates = rows.sum(rows.ready.astype(float))[s]
        found = self.prefixes.look_up(s, arriving, np.maximum(left, np.minimum(pinned, c.kv_tokens[s])) / one, mates)
        return found * rows.prefix

    def _serve(self, load: Load, arriving: Floats, speed: "_Speed", hung: Bools, dead: Bools) -> "_Flow":
        """Move requests through queue and batch. Every request is conserved."""
        seconds = load.seconds
        most = np.where(hung | dead, 0.0, speed.most)
        offered = self.waiting + arriving
        started = np.minimum(offered, most * seconds)
        waiting = offered - started
        patience = np.where(hung, arriving / seconds, most) * LIMIT
        expired = np.where(dead, waiting, np.maximum(0.0, waiting - patience))
        waiting -= expired
        rate = started / seconds
        batch = np.where(hung | dead, 0.0, speed.batch_at(rate))
        stuck = np.where(hung, self.running, 0.0)
        gone = np.where(dead, self.running, 0.0)
        batch = np.minimum(batch, self.running - stuck - gone + started)
        finished = self.running - stuck - gone + started - batch
        self.waiting = waiting + stuck
        self.running = batch
        return _Flow(finished, expired + gone, rate, offered, seconds)

    def _report(self, load: Load, rows: Rows, flow: "_Flow", speed: "_Speed", mine: Bools) -> Result:
        s = rows.service
        wait = speed.queueing(flow.rate) + np.where(speed.most > 0, self.waiting / speed.most, 0.0)
        jitter = np.exp(load.noise * load.jitter)
        ttft = (OVERHEAD + wait + speed.prefill_time(flow.rate)) * jitter + load.delay[s]
        token = speed.token_time(flow.rate) * jitter
        e2e = ttft + speed.output * token
        share = 1.0 - (1.0 - rows.errors) * (1.0 - load.errors[s])
        wobble = load.jitter[::-1]
        errors = np.clip(flow.finished * share + np.sqrt(flow.finished * share) * 0.5 * wobble, 0.0, flow.finished)
        good = flow.finished - errors
        self.util = np.where(mine & (speed.most > 0), flow.rate / np.maximum(speed.most, 1e-9), 0.0)
        fast = self._histograms(mine, good, (ttft, e2e, token), speed.output)
        self._counters(flow, good, errors, speed)
        tokens = good * (speed.prompt + speed.output)
        failed = rows.sum(errors + flow.failed) + self.lost
        finished = rows.sum(good)
        answered = np.maximum(finished + failed, 1e-9)
        self.lost = np.zeros(len(self.services))
        normal = np.zeros(len(self.services))
        return Result(finished, failed, rows.sum(fast), rows.sum(tokens), normal, failed / answered)

    def _histograms(self, mine: Bools, good: Floats, times: tuple[Floats, Floats, Floats], output: Floats) -> Floats:
        """Add this tick's times to the histograms of the rows that live; all others answered nothing."""
        views, edges = self._views, self._edges
        ttft, e2e, token = (each[mine] for each in times)
        answered = good[mine][:, None]
        self.ttft_seen, self.e2e_seen = np.zeros_like(self.ttft_seen), np.zeros_like(self.e2e_seen)
        self.ttft_seen[mine] = answered * lognormal_share(edges[0], ttft, TTFT_SIGMA)
        self.e2e_seen[mine] = answered * lognormal_share(edges[1], e2e, E2E_SIGMA)
        views["vllm:time_to_first_token_seconds_bucket"] += self.ttft_seen
        views["vllm:e2e_request_latency_seconds_bucket"] += self.e2e_seen
        tokens = (good * output)[mine][:, None]
        views["vllm:inter_token_latency_seconds_bucket"][mine] += tokens * lognormal_share(edges[2], token, ITL_SIGMA)
        return self.e2e_seen[:, -1]

    def _counters(self, flow: "_Flow", good: Floats, errors: Floats, speed: "_Speed") -> None:
        views = self._views
        http = views["http_requests_total"]
        http[:, 0] += good
        http[:, 1] += errors + flow.failed
        success = views["vllm:request_success_total"]
        success[:, 0] += good * 0.97
        success[:, 1] += good * 0.03
        success[:, 2] += flow.failed
        success[:, 3] += errors
        views["vllm:prompt_tokens_total"][:, 0] += good * speed.prompt
        asked = flow.rate * flow.seconds * speed.prompt  # looked up when a request is scheduled
        views["vllm:prefix_cache_queries_total"][:, 0] += asked
        views["vllm:prefix_cache_hits_total"][:, 0] += asked * self.found
        views["vllm:generation_tokens_total"][:, 0] += good * speed.output
        steps = np.where(self.running > 0, flow.seconds / np.maximum(speed.token_time(flow.rate), 1e-3), 0.0)
        views["vllm:iteration_tokens_total_count"][:, 0] += steps
        kv = np.clip(self.running * speed.held / speed.kv_tokens, 0.0, 1.0)
        views["vllm:num_preemptions_total"][:, 0] += np.maximum(0.0, kv - 0.95) * 4.0 * flow.seconds
        alive = views["vllm:num_requests_running"][:, 0] * 0.0  # NaN where no series lives
        views["vllm:num_requests_running"][:, 0] = alive + np.round(self.running)
        views["vllm:num_requests_waiting"][:, 0] = alive + np.round(self.waiting)
        views["vllm:kv_cache_usage_perc"][:, 0] = alive + kv

    def hang(self, row: int) -> None:
        """What ran now waits for an engine that will not come."""
        self.waiting[row] += self.running[row]
        self.running[row] = 0.0

    def removed(self, row: int, service: int, heirs: list[int]) -> None:
        """Empty a row: heirs take over what waits and runs; without heirs it is lost."""
        self.prefixes.emptied(row)
        left = self.waiting[row] + self.running[row]
        self.waiting[row] = self.running[row] = 0.0
        if heirs:
            self.waiting[heirs] += left / len(heirs)
        else:
            self.lost[service] += left
