"""Prefix caches against an exact LRU, against published hit rates, and in what they do to engines and their metrics.

Published: Qin et al. (Mooncake, FAST 2025) replay an hour of a chat service's requests through an LRU cache: growing it
from 1,000 to 50,000 blocks lifts the hits from 30 to 50 %, and more brings next to nothing. Zheng et al. (SGLang,
NeurIPS 2024): the more of the prompts is found, the sooner the first token comes and the more requests a second fit.
"""

from collections import OrderedDict

import numpy as np
import pytest

from config.fleet import Fleet, Service, ServiceKind
from simulator.world.prefixes import PrefixCaches, curves, hit_share
from simulator.world.rows import Rows
from simulator.world.speed import constants_of, speed_of
from simulator.world.store import Floats
from simulator.world.world import World

ALWAYS = np.full(1, np.inf)


def lru(families: int, room: int, requests: int, seed: int) -> Floats:
    """Return hit or miss of every request, of a real LRU that begins cold."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, families + 1) ** 1.1
    kept: OrderedDict[int, None] = OrderedDict()
    hits = np.zeros(requests)
    for number, prefix in enumerate(rng.choice(families, requests, p=weight / weight.sum())):
        hits[number] = prefix in kept
        kept[int(prefix)] = None
        kept.move_to_end(int(prefix))
        if len(kept) > room:
            kept.popitem(last=False)
    return hits


@pytest.mark.parametrize(("families", "room"), [(16, 4), (16, 12), (200, 20), (200, 100), (200, 200)])
def test_hits_are_those_of_an_exact_lru(families: int, room: int) -> None:
    exact = lru(families, room, 12_000, seed=1)[4_000:].mean()
    assert hit_share(families, ALWAYS, np.array([float(room)]))[0] == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("families", [16, 200])
def test_a_cold_cache_warms_as_an_exact_lru_does(families: int) -> None:
    exact = np.mean([lru(families, families, 120, seed) for seed in range(60)], axis=0)
    for at in (5, 20, 60, 110):
        expected = exact[at - 3 : at + 4].mean()
        found = hit_share(families, np.array([float(at)]), np.array([float(families)]))[0]
        assert found == pytest.approx(expected, abs=0.06)


def test_hits_by_capacity_have_the_published_shape() -> None:
    blocks = np.array([1e3, 1e4, 3e4, 5e4, 1e5])
    hits = 0.51 * hit_share(10_000, np.full(5, np.inf), np.minimum(blocks / 8, 10_000.0))  # prefixes of 8 blocks
    assert hits[0] == pytest.approx(0.30, abs=0.03)
    assert hits[3] == pytest.approx(0.50, abs=0.02)
    assert hits[4] - hits[3] < 0.03
    assert (np.diff(hits) > 0).all()
    assert (np.diff(np.diff(hits) / np.diff(blocks)) < 0).all()  # every block more brings less


def test_what_is_found_speeds_the_first_token_and_makes_room_for_more() -> None:
    constants = constants_of((Service(name="any", kind=ServiceKind.LANGUAGE),))
    one = np.ones(1)
    speeds = [
        speed_of(constants, Rows(("any",), 1), (1150 * one, 210 * one), one, share * one)
        for share in (0.0, 0.3, 0.6, 0.8)
    ]
    first = [float(speed.prefill_time(one)[0]) for speed in speeds]
    most = [float(speed.most[0]) for speed in speeds]
    assert first == sorted(first, reverse=True)
    assert most == sorted(most)
    assert speeds[0].prefill_cost[0] / speeds[3].prefill_cost[0] == pytest.approx(5.0)  # a fifth is left to do
    usual = speed_of(constants, Rows(("any",), 1), (1150 * one, 210 * one), one)
    assert speeds[3].prefill_cost[0] == pytest.approx(usual.prefill_cost[0])  # the profile's: warm


def caches(affinity: float) -> PrefixCaches:
    return PrefixCaches(2, np.array([64.0]), np.array([0.8]), np.array([affinity]))


def test_routing_by_prefix_finds_more_in_the_same_memory() -> None:
    service, asked, room, mates = np.zeros(2, dtype=np.intp), np.full(2, 30.0), np.full(2, 20.0), np.full(2, 4.0)
    anywhere, sticky = (caches(a).look_up(service, asked, room, mates) for a in (0.0, 1.0))
    assert (sticky > anywhere + 0.1).all()
    assert sticky == pytest.approx(0.8)  # 16 of 64 each: all fit


def test_an_emptied_cache_is_cold_and_warms_up() -> None:
    cache, service = caches(0.0), np.zeros(2, dtype=np.intp)
    cache.emptied(0)
    room, few, mates = np.full(2, 64.0), np.full(2, 5.0), np.ones(2)
    cold, warm = cache.look_up(service, few, room, mates)
    assert cold < 0.3
    assert warm == pytest.approx(0.8)
    for _ in range(200):
        later = cache.look_up(service, few, room, mates)[0]
    assert later > 0.75


def test_curves_rise_and_end_with_everything_stored() -> None:
    hits, stored = curves(16)
    assert (np.diff(hits) >= 0).all()
    assert hits[-1] == pytest.approx(1.0)
    assert stored[-1] == pytest.approx(16.0)


def test_engines_export_hits_and_queries_in_tokens() -> None:
    world = World(Fleet(services=(Service(name="chat", kind=ServiceKind.LANGUAGE),)))
    for _ in range(4):
        world.advance(30.0)
    views = world._body.store.views
    alive = world._body.rows.alive
    queries = views["vllm:prefix_cache_queries_total"][alive, 0]
    hits = views["vllm:prefix_cache_hits_total"][alive, 0]
    prompts = views["vllm:prompt_tokens_total"][alive, 0]
    assert hits / queries == pytest.approx(0.8)
    assert queries.sum() == pytest.approx(prompts.sum(), rel=0.1)
