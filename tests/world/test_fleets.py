"""A world of any fleet that can be configured: without vendors, without GPUs, of one service, of forty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.fleet import Fleet, Objective, Service, ServiceKind
from simulator.world.world import World
from tools.catalogue import SIGNALS
from tools.errors import Absent

ONLINE = [kind for kind in ServiceKind if kind is not ServiceKind.BATCH]
KINDS = st.lists(st.sampled_from(ONLINE), min_size=1, max_size=9)


def fleet_of(kinds: list[ServiceKind], replicas: int = 8, vendors: int = 2, objectives: bool = True) -> Fleet:
    """Return a fleet of services of these kinds; each depends on the one before."""
    made: list[Service] = []
    for number, kind in enumerate(kinds):
        made.append(
            Service(
                name=f"s{number}",
                kind=kind,
                model=f"m{number}" if kind is ServiceKind.TABULAR and number == 1 else "",
                vendors=tuple(f"v{i}" for i in range(vendors)) if kind is ServiceKind.VENDOR else (),
                objectives=(Objective(signal="error_ratio", target=0.03),) if objectives else (),
                depends_on=(made[-1].name,) if made else (),
                min_replicas=1,
                max_replicas=replicas,
            )
        )
    return Fleet(services=tuple(made))


def lived(fleet: Fleet, ticks: int = 4) -> World:
    world = World(fleet, seed=5)
    for _ in range(ticks):
        world.advance(30.0)
    return world


@pytest.mark.parametrize("missing", ONLINE)
def test_a_world_needs_no_kind_of_service(missing: ServiceKind) -> None:
    world = lived(fleet_of([kind for kind in ONLINE if kind is not missing]))
    assert (world.ledger.requests > 0).all()


@pytest.mark.parametrize("kind", ONLINE)
def test_a_world_of_one_service_serves_it(kind: ServiceKind) -> None:
    world = lived(fleet_of([kind]))
    assert world.ledger.good_requests[0] > 0
    assert bool(world.cluster.topology().nodes) == (kind is not ServiceKind.VENDOR)  # vendors need no GPU of ours


@settings(max_examples=25)
@given(KINDS, st.integers(1, 12), st.integers(1, 4), st.booleans())
def test_any_fleet_lives(kinds: list[ServiceKind], replicas: int, vendors: int, objectives: bool) -> None:
    fleet = fleet_of(kinds, replicas, vendors, objectives)
    world = lived(fleet)
    frame = world.metrics.read(SIGNALS, world.clock.now())
    read = {key.entity for key in frame.keys}
    assert {f"service/{service.name}" for service in fleet.services} <= read
    assert np.isfinite(world.ledger.requests).all()
    assert (world.ledger.good_requests <= world.ledger.requests + 1e-6).all()
    for deployment in world.cluster.topology().deployments:
        assert deployment.ready <= deployment.replicas <= replicas


def test_a_service_never_has_more_replicas_than_its_quota() -> None:
    world = lived(fleet_of([ServiceKind.LANGUAGE], replicas=2))
    assert len(world.cluster.topology().of("s0")) == 2


def test_more_vendors_than_replicas_have_rows() -> None:
    world = lived(fleet_of([ServiceKind.VENDOR] * 40, vendors=2))
    assert (world.ledger.good_requests > 0).all()


def test_forty_services_with_all_their_replicas_fit() -> None:
    kinds = [(ServiceKind.LANGUAGE, ServiceKind.TABULAR)[i % 2] for i in range(40)]
    world = lived(fleet_of(kinds), ticks=2)
    assert len(world.cluster.topology().replicas) == 120
    assert (world.ledger.good_requests > 0).all()


def test_a_fleet_without_models_logs_nothing() -> None:
    world = lived(fleet_of([ServiceKind.LANGUAGE]))
    with pytest.raises(Absent):
        world.log.reference("s0")
