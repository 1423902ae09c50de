"""Batch work on the GPUs of others: what it costs them, and that nothing else of the world moves."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from config.fleet import Fleet, Service, ServiceKind
from simulator.copies import copies, with_batch
from simulator.episode import demo_fleet
from simulator.world.world import World
from tools.action import Operation, SetReplicas
from tools.catalogue import OWN_USE
from tools.errors import Refused


def batch(**more: object) -> Service:
    """Return batch work beside chat."""
    fields = {"name": "chat-batch", "kind": "batch", "shares_gpus_of": "chat", "min_replicas": 1, **more}
    return Service.model_validate(fields)


def fleet(*more: Service) -> Fleet:
    return Fleet(services=(*demo_fleet().services, *more))


def run(world: World, ticks: int) -> World:
    for _ in range(ticks):
        world.advance(30.0)
    return world


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"shares_gpus_of": ""}, "they need it"),
        ({"kind": "language"}, "for services of kind batch"),
        ({"objectives": [{"signal": "error_ratio", "target": 0.1}]}, "neither objectives nor a model"),
        ({"model": "m"}, "neither objectives nor a model"),
    ],
)
def test_batch_work_that_cannot_be_is_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        batch(**more)


@pytest.mark.parametrize("host", ["nobody", "moderate", "chat-batch"])
def test_batch_work_runs_on_gpus_that_somebody_holds(host: str) -> None:
    with pytest.raises(ValidationError, match=f"shares the GPUs of {host}, which holds none"):
        fleet(batch(shares_gpus_of=host))


def test_two_do_not_share_the_gpus_of_one() -> None:
    with pytest.raises(ValidationError, match="two batch services share the GPUs of chat"):
        fleet(batch(), batch(name="chat-night"))


def test_every_copy_has_batch_work_of_its_own() -> None:
    made = with_batch(copies(demo_fleet()))
    assert (len(made.services), made.size, len(made.batches)) == (70, 40, 30)
    assert made.host(made.service("fraud-3-batch")).name == "fraud-3"
    assert copies(with_batch(demo_fleet())).service("chat-batch-2").shares_gpus_of == "chat-2"


def test_work_that_is_not_there_changes_nothing_and_its_weather_is_the_same() -> None:
    plain, shared = run(World(demo_fleet(), seed=4), 40), run(World(fleet(batch()), seed=4), 40)
    assert plain.ledger.arrived.tolist() == shared.ledger.arrived.tolist()
    others = [i for i, name in enumerate(plain.ledger.services) if name not in ("chat", "moderate")]
    assert (plain.ledger.good_requests == shared.ledger.good_requests)[others].all()


def test_a_shared_gpu_is_busy_and_slower_and_what_its_service_uses_is_still_told() -> None:
    plain, shared = run(World(demo_fleet(), seed=4), 60), World(fleet(batch()), seed=4)
    door = shared.actuator
    assert door.preimage(SetReplicas(service="chat-batch", replicas=4)).state == {"replicas": "1"}
    door.apply(SetReplicas(service="chat-batch", replicas=4), Operation(id="o", epoch=1, incident="i"))
    run(shared, 60)
    topology = shared.cluster.topology()
    found = topology.deployment("chat-batch")
    assert found is not None
    assert (found.replicas, found.ready, len(topology.of("chat-batch"))) == (4, 4, 4)
    device = {
        gpu: shared.body.store.views["DCGM_FI_DEV_GPU_UTIL"][gpu, 0] for gpu in range(len(shared.body.pods.owner))
    }
    beside = [pod.gpu for pod in shared.body.pods.of("chat")]
    assert min(device[gpu] for gpu in beside) > 85
    frame = shared.metrics.read((OWN_USE,), shared.clock.now())
    own = dict(zip((key.entity for key in frame.keys), frame.values.tolist(), strict=True))["service/chat"]
    assert 20 < own < 70
    assert shared.utilisation_by_users() < shared.utilisation()
    assert shared.ledger.values["chat"]["latency_p95"] > plain.ledger.values["chat"]["latency_p95"]
    assert 0.2 < shared.batch_hours["chat-batch"] / (4 * 29 / 60) < 0.8  # of so many GPU-hours


def test_a_worker_goes_with_the_replica_it_sits_beside_and_more_than_there_are_gpus_do_not_start() -> None:
    world = World(fleet(batch(max_replicas=8)), seed=4)
    world.actuator.apply(SetReplicas(service="chat-batch", replicas=8), Operation(id="o", epoch=1, incident="i"))
    run(world, 10)
    assert len(world.body.fills.of("chat-batch")) == 4
    gone = world.body.pods.of("chat")[0]
    world.body.pods.remove(gone, graceful=True)
    run(world, 1)
    assert gone.name not in {worker.beside.name for worker in world.body.fills.of("chat-batch")}
    run(world, 20)
    assert len(world.body.fills.of("chat-batch")) == 4
    with pytest.raises(Refused, match="exceed the quota 8"):
        world.actuator.rehearse(SetReplicas(service="chat-batch", replicas=9))
    assert world.clock.now() - world.body.fills.of("chat-batch")[-1].created_at < timedelta(minutes=20)
    assert world.fleet.service("chat-batch").kind is ServiceKind.BATCH
