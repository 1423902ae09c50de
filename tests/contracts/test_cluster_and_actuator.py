"""What every cluster and every actuator must do, the pretend and the real."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.contracts.conftest import Stage
from tools.action import Action, EvictReplica, Operation, RestoreRevision, SetReplicas, SetSchedulable
from tools.errors import Absent, Refused
from tools.topology import Deployment


def op(name: str, epoch: int = 1) -> Operation:
    return Operation(id=name, incident="inc-1", epoch=epoch)


def chat(stage: Stage) -> Deployment:
    found = stage.cluster.topology().deployment("chat")
    assert found is not None
    return found


def victim(stage: Stage) -> str:
    return stage.cluster.topology().of("chat")[0].name


def actions(stage: Stage) -> list[Action]:
    return [
        SetReplicas(service="chat", replicas=chat(stage).replicas - 1),
        RestoreRevision(service="chat", revision=chat(stage).revisions[0].number),
        SetSchedulable(node=stage.node, schedulable=False),
        EvictReplica(service="chat", replica=victim(stage)),
    ]


def test_the_topology_says_who_runs_where(stage: Stage) -> None:
    seen = stage.cluster.topology()
    replicas = seen.of("chat")
    assert len(replicas) == chat(stage).replicas == chat(stage).ready
    assert {r.node for r in replicas} <= {node.name for node in seen.nodes if node.ready and node.schedulable}
    assert {r.revision for r in replicas} == {chat(stage).current} == {chat(stage).revisions[-1].number}
    assert all(node.gpus >= node.gpus_free >= 0 for node in seen.nodes)
    assert sum(node.gpus - node.gpus_free for node in seen.nodes) >= len(replicas)
    assert [r.created_at for r in chat(stage).revisions] == sorted(r.created_at for r in chat(stage).revisions)
    assert chat(stage).owners == ()
    assert not chat(stage).opted_out
    assert seen.deployment("translate") is None


def test_changes_are_in_order_and_not_older_than_asked(stage: Stage) -> None:
    stage.actuator.apply(RestoreRevision(service="chat", revision=chat(stage).revisions[0].number), op("a"))
    stage.settle()
    changes = stage.cluster.changes(stage.now() - timedelta(hours=10))
    assert [c.at for c in changes] == sorted(c.at for c in changes)
    assert len({c.id for c in changes}) == len(changes)
    release = [c for c in changes if c.kind == "release"][-1]
    first, last = (chat(stage).revisions[i].number for i in (0, -1))
    assert (release.entity, release.before, release.after) == ("service/chat", last, first)
    assert release.actor == "prunella"
    assert stage.cluster.changes(stage.now() + timedelta(seconds=1)) == ()


def test_an_operation_is_done_once_and_answered_with_its_first_receipt(stage: Stage) -> None:
    before = chat(stage).replicas
    down, up = (SetReplicas(service="chat", replicas=n) for n in (before - 1, before))
    first = stage.actuator.apply(down, op("a"))
    stage.actuator.apply(up, op("b"))
    assert stage.actuator.apply(down, op("a")) == first
    assert stage.actuator.lookup(down, op("a")) == first
    assert chat(stage).replicas == before
    assert (first.operation, first.state) == ("a", "done")


def test_a_replica_is_evicted_once(stage: Stage) -> None:
    name, before = victim(stage), chat(stage).replicas
    action = EvictReplica(service="chat", replica=name)
    first = stage.actuator.apply(action, op("a"))
    stage.settle()
    assert stage.actuator.apply(action, op("a")) == first
    assert stage.actuator.lookup(action, op("a")) == first
    stage.settle()
    replicas = stage.cluster.topology().of("chat")
    assert name not in {r.name for r in replicas}
    assert len(replicas) == before


def test_what_did_not_happen_is_not_known(stage: Stage) -> None:
    for action in actions(stage):
        assert stage.actuator.lookup(action, op("never")) is None


def test_a_lower_epoch_is_refused_on_the_same_target_alone(stage: Stage) -> None:
    stage.actuator.apply(SetReplicas(service="chat", replicas=2), op("a", epoch=7))
    stage.settle()  # the replica that goes shall not be the one to be evicted
    for action in actions(stage):
        if action.verb != "set_schedulable":
            with pytest.raises(Refused, match="epoch 6 is below 7"):
                stage.actuator.apply(action, op("b", epoch=6))
            assert stage.actuator.lookup(action, op("b", epoch=6)) is None
    assert chat(stage).replicas == 2
    stage.actuator.apply(SetSchedulable(node=stage.node, schedulable=False), op("c", epoch=6))


def test_a_fence_keeps_out_whoever_comes_late(stage: Stage) -> None:
    before = chat(stage).replicas
    action = SetReplicas(service="chat", replicas=before - 1)
    assert stage.actuator.fence(action, op("gone", epoch=9)) is None
    with pytest.raises(Refused, match="epoch 8 is below 9"):
        stage.actuator.apply(action, op("zombie", epoch=8))
    with pytest.raises(Refused, match="epoch 8 is below 9"):
        stage.actuator.fence(action, op("zombie", epoch=8))
    assert chat(stage).replicas == before
    done = stage.actuator.apply(action, op("a", epoch=9))
    assert stage.actuator.fence(action, op("a", epoch=10)) == done


def test_what_is_not_as_it_was_seen_is_left_alone(stage: Stage) -> None:
    before = chat(stage).replicas
    action = SetReplicas(service="chat", replicas=before - 1)
    seen = stage.actuator.preimage(action).state
    stage.actuator.apply(SetReplicas(service="chat", replicas=before + 1), op("somebody"))
    with pytest.raises(Refused, match="changed meanwhile"):
        stage.actuator.apply(action, op("a").model_copy(update={"expects": seen}))
    assert chat(stage).replicas == before + 1
    assert stage.actuator.lookup(action, op("a")) is None


def test_rehearsing_has_no_effect(stage: Stage) -> None:
    before = stage.cluster.topology()
    for action in actions(stage):
        assert stage.actuator.rehearse(action)
        assert stage.actuator.lookup(action, op("a")) is None
    after = stage.cluster.topology()
    assert after.model_copy(update={"at": before.at}) == before


def test_the_inverse_restores_what_the_preimage_saw(stage: Stage) -> None:
    for index, action in enumerate(actions(stage)[:3]):
        before = stage.actuator.preimage(action)
        stage.actuator.apply(action, op(f"do-{index}"))
        assert stage.actuator.preimage(action).state != before.state
        stage.settle()
        assert before.inverse is not None
        stage.actuator.apply(before.inverse, op(f"undo-{index}"))
        assert stage.actuator.preimage(action).state == before.state
        stage.settle()
        assert stage.actuator.preimage(action).state == before.state


def test_a_restored_revision_keeps_its_name(stage: Stage) -> None:
    first, last = (chat(stage).revisions[i].number for i in (0, -1))
    stage.actuator.apply(RestoreRevision(service="chat", revision=first), op("a"))
    assert chat(stage).current == first
    stage.settle()
    assert chat(stage).current == first
    assert {r.revision for r in stage.cluster.topology().of("chat")} == {first}
    assert {r.number for r in chat(stage).revisions} >= {first, last}
    stage.actuator.apply(RestoreRevision(service="chat", revision=last), op("b"))
    stage.settle()
    assert {r.revision for r in stage.cluster.topology().of("chat")} == {last}


@pytest.mark.parametrize(
    "action",
    [
        SetReplicas(service="nobody", replicas=3),
        SetReplicas(service="translate", replicas=3),
        RestoreRevision(service="chat", revision="77"),
        EvictReplica(service="chat", replica="chat-none"),
        SetSchedulable(node="mars", schedulable=False),
    ],
    ids=lambda a: f"{a.verb}",
)
def test_the_impossible_is_refused_in_rehearsal_and_in_earnest(stage: Stage, action: Action) -> None:
    for attempt in (lambda: stage.actuator.rehearse(action), lambda: stage.actuator.apply(action, op("a"))):
        with pytest.raises((Refused, Absent)):
            attempt()
