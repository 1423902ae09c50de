"""A person's change of a plan: what it may be, and what it may not."""

import json

import pytest

from playbooks.change import changed
from tests.playbooks.fake import START, plan_of
from tools.errors import Refused


def test_a_changed_plan_is_another_plan_of_the_same_attempt() -> None:
    plan = plan_of("scale_out")
    made = changed(plan, {"widen.replicas": "7"}, "dana", START)
    assert [step.action.model_dump()["replicas"] for step in made.steps] == [7]
    assert made.digest() != plan.digest()
    assert (made.id, made.attempt, made.bounds) == (f"{plan.id}-m1", plan.attempt, plan.bounds)
    assert made.predicted.endswith("; changed by dana: widen.replicas=7")
    again = changed(made, {"widen.replicas": "6"}, "lee", START)
    assert again.id == f"{plan.id}-m2"


def test_a_step_may_be_left_out_and_a_split_set_anew() -> None:
    plan = plan_of("scale_in")
    assert [step.id for step in changed(plan, {"narrow-3": "skip"}, "dana", START).steps] == ["narrow-1", "narrow-2"]
    vendor = plan_of("failover_vendor")
    step = vendor.steps[0].id
    made = changed(vendor, {f"{step}.weights": json.dumps({"acme": 50, "zenith": 50})}, "dana", START)
    assert made.steps[0].action.model_dump()["weights"] == {"acme": 50, "zenith": 50}


@pytest.mark.parametrize(
    ("playbook", "changes", "words"),
    [
        ("scale_out", {"widen.replicas": "8"}, "that is the plan as it is"),
        ("scale_out", {"widen.replicas": "-1"}, "step widen: replicas Input should be greater than or equal to 0"),
        ("scale_out", {"widen.replicas": "many"}, "step widen: replicas Input should be a valid integer"),
        ("scale_out", {"widen.service": "code"}, "its service is what was judged and approved, and stays"),
        ("scale_out", {"widen.verb": "evict_replica"}, "its verb is what was judged"),
        ("scale_out", {"widen.colour": "blue"}, "step widen has no colour; it has replicas"),
        ("scale_out", {"wide": "skip"}, "the plan has no step 'wide'; there are widen"),
        ("scale_out", {"widen": "7"}, "write STEP.FIELD=VALUE, or STEP=skip"),
        ("scale_out", {"widen": "skip"}, "no step would be left"),
        ("failover_node", {"cordon.node": "n2"}, "its node is what was judged and approved, and stays"),
        ("failover_vendor", {"switch.weights": "{"}, "'{' is no JSON"),
        ("failover_vendor", {"switch.weights": '{"acme": 90}'}, "weights sum to 90, not 100"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(playbook: str, changes: dict[str, str], words: str) -> None:
    plan = plan_of(playbook)
    if playbook == "failover_vendor":
        changes = {f"{plan.steps[0].id}.weights": value for value in changes.values()}
    with pytest.raises(Refused) as told:
        changed(plan, changes, "dana", START)
    assert words in str(told.value)
    assert "\n" not in str(told.value)
