"""Language-model engines: prefill, batched decoding, KV cache, waiting queue. A fluid model over all replicas at once.

How fast a replica goes is ``simulator.world.speed``'s. Beyond that requests wait, and those that wait longer than the
client's patience fail. Whoever calls with a timeout of its own is gone when the first token comes later: the engine,
which nobody told, has worked in vain. What of a prompt is in the replica's prefix cache need not be prefilled.

A poison request stops the engine for a while and takes the running batch with it; who comes meanwhile waits behind it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.fleet import Service, ServiceKind
from simulator.world.flow import TTFT_SIGMA, Load, Result, in_time, lognormal_share
from simulator.world.prefixes import PrefixCaches
from simulator.world.profile import CLIENT_LIMIT
from simulator.world.rows import Rows
from simulator.world.speed import Speed, constants_of, speed_of
from simulator.world.store import Floats, Store, Variant
from tools.buckets import E2E as E2E_EDGES
from tools.buckets import ITL as ITL_EDGES
from tools.buckets import TTFT as TTFT_EDGES

OVERHEAD = 0.05  # seconds before the engine sees a request
E2E_SIGMA, ITL_SIGMA = 0.55, 0.3
Bools = NDArray[np.bool_]
LIMIT = CLIENT_LIMIT[ServiceKind.LANGUAGE]
KIND = "language"
MOST_STUCK = 0.95  # share of time that poison may take
PREFIX = ("prefix_cache_queries_total", "prefix_cache_hits_total")  # both in tokens


@dataclass(frozen=True, slots=True)
class _Flow:
    finished: Floats
    failed: Floats  # expired in the queue, or died with the engine
    rate: Floats  # started per second
    stuck: Floats  # share of time in which a poison request stopped the engine
    pause: Floats  # seconds of one such stop
    seconds: float

    def behind(self, most: Floats) -> Floats:
        """Return the mean wait for a stopped engine: Pollaczek and Khinchine's, of two kinds of requests."""
        free = np.maximum((1 - self.stuck) * (1 - self.rate / np.maximum(most, 1e-9)), 0.05)
        return self.stuck * self.pause / 2 / free


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
    add("vllm:num_requests_waiting_by_reason", (("reason", "deferred"),), (("reason", "capacity"),))
    store.add_histogram("vllm:time_to_first_token_seconds", "pod", TTFT_EDGES, KIND)
    store.add_histogram("vllm:e2e_request_latency_seconds", "pod", E2E_EDGES, KIND)
    store.add_histogram("vllm:inter_token_latency_seconds", "pod", ITL_EDGES, KIND)


class Engines:
    """All language replicas. ``waiting`` and ``running`` are requests per row."""

    def __init__(self, services: tuple[Service, ...], store: Store) -> None:
        rows = store.sizes["pod"]
        self.services = services
        self.constants = constants_of(services)
        self.mask = np.array([service.kind is ServiceKind.LANGUAGE for service in services])
        c = self.constants
        self.prefixes = PrefixCaches(rows, c.families, c.reuse, c.affinity)
        self.found = np.zeros(rows)  # share of this tick's prompt tokens that were in the cache
        self.waiting = np.zeros(rows)
        self.running = np.zeros(rows)
        self.util = np.zeros(rows)  # share of capacity used
        self.ttft = np.zeros(rows)  # mean seconds to the first token, of this tick
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
        speed = speed_of(c, rows, (prompt, output), slow, self.found, self.waiting + self.running)
        dead = rows.crashing & mine
        flow = self._serve(load, arriving, speed, rows, dead)
        return self._report(load, rows, flow, speed, mine)

    def _found(self, rows: Rows, arriving: Floats, prompt: Floats, output: Floats) -> Floats:
        """Look this tick's prompts up. Running requests come first; what they leave of the memory is the cache's."""
        c, s = self.constants, rows.service
        one = np.maximum(c.reuse[s] * c.prompt[s], 1.0)  # tokens of a shared prefix: templates do not grow with prompts
        kv = c.kv_tokens[s] * rows.kv
        left = kv - self.running * (prompt + output / 2)
        pinned = np.minimum(self.running, c.families[s]) * one  # in use: not to be evicted
        mates = rows.sum(rows.ready.astype(float))[s]
        found = self.prefixes.look_up(s, arriving, np.maximum(left, np.minimum(pinned, kv)) / one, mates)
        return found * rows.prefix

    def _serve(self, load: Load, arriving: Floats, speed: Speed, rows: Rows, dead: Bools) -> _Flow:
        """Move requests through queue and batch. Every request is conserved."""
        seconds, hung = load.seconds, rows.hung
        stuck = np.minimum(rows.poison * (1 + load.tries[rows.service]) * rows.share * rows.pause, MOST_STUCK)
        most = np.where(hung | dead, 0.0, speed.most * (1 - stuck))
        offered = self.waiting + arriving
        started = np.minimum(offered, most * seconds)
        waiting = offered - started
        patience = np.where(hung, arriving / seconds, most) * LIMIT
        expired = np.where(dead, waiting, np.maximum(0.0, waiting - patience))
        waiting -= expired
        rate = started / seconds
        batch = np.where(hung | dead, 0.0, speed.batch_at(rate) / (1 - stuck))
        kept = np.where(hung, self.running, 0.0)
        killed = self.running * np.minimum(stuck / np.maximum(rows.pause, 1.0) * seconds, 1.0)
        gone = np.where(dead, self.running, np.where(hung, 0.0, killed))
        batch = np.minimum(batch, self.running - kept - gone + started)
        finished = self.running - kept - gone + started - batch
        self.waiting = waiting + kept
        self.running = batch
        return _Flow(finished, expired + gone, rate, stuck, rows.pause, seconds)

    def _report(self, load: Load, rows: Rows, flow: _Flow, speed: Speed, mine: Bools) -> Result:
        s = rows.service
        most = speed.most * (1 - flow.stuck)
        wait = speed.queueing(flow.rate) + np.where(most > 0, self.waiting / np.maximum(most, 1e-9), 0.0)
        wait = wait + flow.behind(most)
        jitter = np.exp(load.noise * load.jitter)
        ttft = (OVERHEAD + wait + speed.prefill_time(flow.rate)) * jitter + load.delay[s]
        token = speed.token_time(flow.rate) * jitter
        self.ttft, e2e = ttft, ttft + speed.output * token
        share = 1.0 - (1.0 - rows.errors) * (1.0 - load.errors[s])
        wobble = load.jitter[::-1]
        errors = np.clip(flow.finished * share + np.sqrt(flow.finished * share) * 0.5 * wobble, 0.0, flow.finished)
        served = flow.finished - errors
        good = served * in_time(ttft, load.timeout[s])
        self.util = np.where(mine & (speed.most > 0), flow.rate / np.maximum(speed.most, 1e-9), 0.0)
        self._histograms(mine, served, (ttft, e2e, token), speed.output)
        self._counters(flow, (good, served, errors), speed)
        tokens = served * (speed.prompt + speed.output)
        failed = rows.sum(errors + flow.failed + (served - good)) + self.lost
        finished = rows.sum(good)
        answered = np.maximum(finished + failed, 1e-9)
        self.lost = np.zeros(len(self.services))
        normal = np.zeros(len(self.services))
        fast = rows.sum(np.where(mine, good, 0.0))
        return Result(finished, failed, fast, rows.sum(tokens), normal, failed / answered)

    def _histograms(self, mine: Bools, good: Floats, times: tuple[Floats, Floats, Floats], output: Floats) -> None:
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

    def _counters(self, flow: _Flow, answers: tuple[Floats, Floats, Floats], speed: Speed) -> None:
        views, (good, served, errors) = self._views, answers
        http = views["http_requests_total"]
        http[:, 0] += good
        http[:, 1] += errors + flow.failed + (served - good)  # whose client had gone: 504 of its proxy
        success = views["vllm:request_success_total"]
        success[:, 0] += good * 0.97
        success[:, 1] += good * 0.03
        success[:, 2] += flow.failed + (served - good)
        success[:, 3] += errors
        views["vllm:prompt_tokens_total"][:, 0] += served * speed.prompt
        asked = flow.rate * flow.seconds * speed.prompt  # looked up when a request is scheduled
        views["vllm:prefix_cache_queries_total"][:, 0] += asked
        views["vllm:prefix_cache_hits_total"][:, 0] += asked * self.found
        views["vllm:generation_tokens_total"][:, 0] += served * speed.output
        steps = np.where(self.running > 0, flow.seconds / np.maximum(speed.token_time(flow.rate), 1e-3), 0.0)
        views["vllm:iteration_tokens_total_count"][:, 0] += steps
        kv = np.clip(self.running * speed.held / speed.kv_tokens, 0.0, 1.0)
        views["vllm:num_preemptions_total"][:, 0] += flow.rate * flow.seconds * speed.preempted
        alive = views["vllm:num_requests_running"][:, 0] * 0.0  # NaN where no series lives
        views["vllm:num_requests_running"][:, 0] = alive + np.round(self.running)
        views["vllm:num_requests_waiting"][:, 0] = alive + np.round(self.waiting)
        views["vllm:kv_cache_usage_perc"][:, 0] = alive + kv
        behind = flow.rate * flow.behind(speed.most * (1 - flow.stuck))  # Little: how many wait for it
        reasons = views["vllm:num_requests_waiting_by_reason"]
        reasons[:, 0], reasons[:, 1] = alive + np.ceil(behind), alive

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
