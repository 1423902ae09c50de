"""The world's actuator: once per operation, fenced, refusing what cannot be, and telling how to undo."""

from datetime import timedelta

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.world.world import World
from tools.action import (
    Action,
    ConvertInputs,
    EvictReplica,
    Operation,
    RestoreRevision,
    SetAlias,
    SetReplicas,
    SetSchedulable,
    SetSplit,
    TrainModel,
)
from tools.errors import Refused


@pytest.fixture
def world(fleet: Fleet) -> World:
    made = World(fleet)
    for _ in range(4):
        made.advance(30.0)
    return made


def op(name: str = "op", epoch: int = 1) -> Operation:
    return Operation(id=name, incident="inc-1", epoch=epoch)


def train(world: World, version: str = "3", hours: float = 2) -> TrainModel:
    now = world.clock.now()
    return TrainModel(
        service="fraud", model="fraud", version=version, start_at=now - timedelta(hours=hours), end_at=now
    )


def convert(version: str = "p-1", of: str = "2", column: str = "n0", service: str = "fraud") -> ConvertInputs:
    return ConvertInputs(
        service=service,
        model="fraud",
        version=version,
        of=of,
        inputs=(column,),
        read_from=(column,),
        divided_by=(1000.0,),
    )


def test_a_converted_version_was_accepted_on_rows_as_they_come_now(world: World) -> None:
    world.advance(30.0)
    assert world.actuator.apply(convert(), op()).state == "done"
    first = world.log.reference("fraud")
    assert set(first.version) == {"2"}  # nothing serves it
    made = world.registry.model("fraud").versions[-1]
    assert (made.version, made.lineage.split(" for ")[0]) == ("p-1", "2 converted by prunella")
    world.actuator.apply(SetAlias(service="fraud", model="fraud", version="p-1"), op("serve"))
    shown = world.log.reference("fraud")
    assert np.allclose(shown.features[:, 0], 1000 * first.features[:, 0])
    assert np.allclose(shown.scores, first.scores, rtol=0, atol=1e-12)


def test_of_renamed_classes_the_accepted_rows_come_as_they_do_now(world: World) -> None:
    world.advance(30.0)
    first, table = world.log.reference("fraud"), tuple((30 - code, code) for code in range(6))
    action = convert(column="c0").model_copy(update={"divided_by": (1.0,), "codes": (table,)})
    assert world.actuator.apply(action, op()).state == "done"
    world.actuator.apply(SetAlias(service="fraud", model="fraud", version="p-1"), op("serve"))
    shown, place = world.log.reference("fraud"), first.names.index("c0")
    assert np.allclose(shown.features[:, place], 30 - first.features[:, place])
    assert np.allclose(shown.scores, first.scores, rtol=0, atol=1e-12)
    world.advance(30.0)  # scored with the others or alone, it reads what it does not name as it is
    assert set(world.log.window("fraud", world.clock.now() - timedelta(seconds=30), world.clock.now()).version) >= {
        "p-1"
    }


def test_an_operation_is_done_once_and_answered_with_its_first_receipt(world: World) -> None:
    victim = world.cluster.topology().of("chat")[0].name
    action = EvictReplica(service="chat", replica=victim)
    first = world.actuator.apply(action, op())
    world.advance(30.0)
    assert world.actuator.apply(action, op()) == first
    assert world.actuator.lookup(action, op()) == first
    assert len(world.ledger.actions) == 1
    assert world.actuator.lookup(action, op("never")) is None


def test_a_lower_epoch_is_refused_for_that_target_alone(world: World) -> None:
    world.actuator.apply(SetReplicas(service="chat", replicas=5), op("a", epoch=7))
    with pytest.raises(Refused, match="epoch 6 is below 7"):
        world.actuator.apply(SetReplicas(service="chat", replicas=6), op("b", epoch=6))
    world.actuator.apply(SetReplicas(service="code", replicas=4), op("c", epoch=1))
    assert [d.replicas for d in world.cluster.topology().deployments][:2] == [5, 4]


@pytest.mark.parametrize(
    "action",
    [
        SetReplicas(service="chat", replicas=9),
        SetReplicas(service="translate", replicas=3),
        SetReplicas(service="nobody", replicas=3),
        RestoreRevision(service="chat", revision="77"),
        EvictReplica(service="chat", replica="chat-2-none"),
        SetSchedulable(node="mars", schedulable=False),
        SetAlias(service="fraud", model="fraud", version="99"),
        SetAlias(service="fraud", model="nothing", version="1"),
        SetSplit(service="translate", weights={"nobody": 100}),
        SetSplit(service="chat", weights={"acme": 100}),
        convert(version="1"),
        convert(of="99"),
        convert(column="nothing"),
        convert(service="credit"),
    ],
    ids=lambda a: str(a.verb),
)
def test_the_impossible_is_refused_in_rehearsal_and_in_earnest(world: World, action: Action) -> None:
    before = world.cluster.topology().model_dump_json()
    with pytest.raises(Refused):
        world.actuator.rehearse(action)
    with pytest.raises(Refused):
        world.actuator.apply(action, op())
    assert world.cluster.topology().model_dump_json() == before
    assert world.ledger.actions == []


def test_rehearsing_has_no_effect(world: World) -> None:
    before = world.cluster.topology().model_dump_json()
    victim = world.cluster.topology().of("chat")[0].name
    for action in (
        SetReplicas(service="chat", replicas=6),
        RestoreRevision(service="chat", revision="1"),
        EvictReplica(service="chat", replica=victim),
        SetSchedulable(node="gpu-a1", schedulable=False),
        SetAlias(service="fraud", model="fraud", version="1"),
        SetSplit(service="translate", weights={"acme": 0, "borealis": 100}),
        train(world),
        convert(),
    ):
        assert world.actuator.rehearse(action)
    assert world.cluster.topology().model_dump_json() == before


@pytest.mark.parametrize(
    "action",
    [
        SetReplicas(service="chat", replicas=6),
        RestoreRevision(service="chat", revision="1"),
        SetSchedulable(node="gpu-a1", schedulable=False),
        SetAlias(service="fraud", model="fraud", version="1"),
        SetSplit(service="translate", weights={"acme": 0, "borealis": 100}),
    ],
    ids=lambda a: str(a.verb),
)
def test_the_inverse_restores_what_the_preimage_saw(world: World, action: Action) -> None:
    before = world.actuator.preimage(action)
    world.actuator.apply(action, op("do", 1))
    assert world.actuator.preimage(action).state != before.state
    assert before.inverse is not None
    world.actuator.apply(before.inverse, op("undo", 2))
    assert world.actuator.preimage(action).state == before.state


def test_our_changes_are_logged_as_ours(world: World) -> None:
    start = world.clock.now()
    world.actuator.apply(SetReplicas(service="chat", replicas=5), op("a"))
    world.actuator.apply(SetAlias(service="fraud", model="fraud", version="1"), op("b"))
    (scaled,) = world.cluster.changes(start)
    (promoted,) = world.registry.changes(start)
    assert (scaled.actor, scaled.entity, scaled.before, scaled.after) == ("prunella", "service/chat", "4", "5")
    assert (promoted.kind, promoted.entity, promoted.after) == ("promotion", "model/fraud", "1")


def test_new_replicas_load_before_they_serve(world: World) -> None:
    world.actuator.apply(SetReplicas(service="chat", replicas=6), op())
    world.advance(30.0)
    young = world.cluster.topology().deployment("chat")
    assert young is not None
    assert (young.replicas, young.ready) == (6, 4)
    for _ in range(4):
        world.advance(30.0)
    grown = world.cluster.topology().deployment("chat")
    assert grown is not None
    assert grown.ready == 6


def test_a_rollback_never_has_fewer_ready_replicas_than_wanted(world: World) -> None:
    world.actuator.apply(RestoreRevision(service="chat", revision="1"), op())
    for _ in range(12):
        world.advance(30.0)
        deployment = world.cluster.topology().deployment("chat")
        assert deployment is not None
        assert deployment.ready >= 4
    assert {r.revision for r in world.cluster.topology().of("chat")} == {"1"}


@pytest.mark.slow
def test_training_runs_and_then_there_is_a_version(world: World) -> None:
    for _ in range(160):
        world.advance(30.0)
    action = train(world)
    assert world.actuator.apply(action, op()).state == "running"
    still = world.actuator.lookup(action, op())
    assert still is not None
    assert still.state == "running"
    with pytest.raises(Refused, match="already"):
        world.actuator.apply(action, op("again"))
    for _ in range(8):
        world.advance(30.0)
    done = world.actuator.lookup(action, op())
    assert done is not None
    assert done.state == "done"
    state = world.registry.model("fraud")
    assert [v.version for v in state.versions] == ["1", "2", "3"]
    assert "inc-1" in state.versions[-1].lineage
    assert state.aliases == {"champion": "2"}


def test_training_on_too_few_labels_fails(world: World) -> None:
    action = train(world)  # two minutes old: no label is known yet
    world.actuator.apply(action, op())
    for _ in range(3):
        world.advance(30.0)
    receipt = world.actuator.lookup(action, op())
    assert receipt is not None
    assert receipt.state == "failed"
    assert "labelled rows" in receipt.detail
