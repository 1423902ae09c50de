"""Binding values to playbooks."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.plan import Plan
from tests.playbooks.fake import BINDINGS, plan_of
from tools.action import EvictReplica, SetReplicas, SetSplit, TrainModel

Given = dict[str, str | tuple[str, ...]]


def _with(playbook: str, **more: str | tuple[str, ...]) -> Plan:
    return plan_of(playbook, bindings={**BINDINGS[playbook], **more})


@pytest.mark.parametrize("playbook", sorted(BINDINGS))
def test_every_shipped_playbook_binds_and_round_trips(playbook: str) -> None:
    plan = plan_of(playbook)
    again = Plan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert again.digest() == plan.digest()
    assert "$" not in plan.model_dump_json()


def test_values_are_typed() -> None:
    assert plan_of("scale_out").steps[0].action == SetReplicas(service="chat", replicas=8)
    train = plan_of("retrain").steps[0].action
    assert isinstance(train, TrainModel)
    assert train.end_at - train.start_at == timedelta(days=28)


def test_a_list_is_put_into_a_list() -> None:
    train = plan_of("do_without").steps[0].action
    assert isinstance(train, TrainModel)
    assert train.without == ("c0", "c1")


def test_a_training_with_every_column_is_written_as_it_always_was() -> None:
    assert "without" not in plan_of("retrain").model_dump_json()
    assert '"without":["c0","c1"]' in plan_of("do_without").model_dump_json()


def test_keys_are_bound_too() -> None:
    assert plan_of("failover_vendor").steps[0].action == SetSplit(service="ask", weights={"zenith": 100, "acme": 0})
    guard = plan_of("retrain").steps[0].guards[0]
    assert guard.args == {"version": "8", "than": "7", "enough": "yes"}


def test_a_list_becomes_a_step_each() -> None:
    plan = plan_of("failover_node")
    assert [step.id for step in plan.steps] == ["cordon", "move-1", "move-2", "move-3"]
    assert plan.steps[3].action == EvictReplica(service="score", replica="score-1")


@pytest.mark.parametrize("empty", [(), "", ("",)])
def test_an_empty_list_is_an_error_never_everything(empty: str | tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"playbook failover_node.*replicas"):
        _with("failover_node", replicas=empty)


def test_a_missing_binding_is_named() -> None:
    with pytest.raises(ValueError, match="playbook scale_out: no value for more_replicas"):
        plan_of("scale_out", bindings={"service": "chat"})


@pytest.mark.parametrize(
    ("playbook", "more", "said"),
    [
        ("scale_out", {"more_replicas": "many"}, "replicas Input should be a valid integer"),
        ("scale_out", {"more_replicas": ("7", "8")}, "no single value for \\$more_replicas"),
        ("failover_vendor", {"to_vendor": "acme"}, "two keys became one"),
        ("scale_in", {"fewer_replicas": tuple(str(n) for n in range(30, 10, -1))}, "20 steps > bounds.steps 8"),
        ("scale_in", {"fewer_replicas": ("5", "5")}, "one thing twice"),
        ("failover_node", {"replicas": tuple(f"s{n}/r" for n in range(12))}, "targets > 9"),
        ("failover_node", {"replicas": ("no-service",)}, "no single value for \\$each_service"),
    ],
)
def test_what_does_not_fit_is_refused(playbook: str, more: Given, said: str) -> None:
    with pytest.raises(ValueError, match=f"playbook {playbook}: .*{said}"):
        _with(playbook, **more)


@settings(deadline=None)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
def test_law_the_steps_are_the_list_in_its_order(wanted: list[int]) -> None:
    plan = _with("scale_in", fewer_replicas=tuple(str(n) for n in wanted))
    assert [step.action.replicas for step in plan.steps if isinstance(step.action, SetReplicas)] == wanted
