"""A service that has left a sick machine is not hurt by it any more, as far as anybody can see."""

import pytest

from agent.moving import node_left
from tests.agent.handmade import REPLICA, case_of, guess, seen, topology
from tools.topology import Topology


def away() -> Topology:
    return topology().model_copy(update={"replicas": (REPLICA.model_copy(update={"node": "n2"}),)})


@pytest.mark.parametrize(
    ("entity", "where", "left"),
    [
        ("node/n1", away(), "n1"),
        ("gpu/n1/3", away(), "n1"),
        ("node/n1", topology(), ""),  # something of it is there
        ("service/talk", away(), ""),  # no machine
        ("vendor/a", away(), ""),
    ],
)
def test_a_machine_is_left_when_nothing_of_the_service_is_on_it(entity: str, where: Topology, left: str) -> None:
    assert node_left(case_of(guess("node_not_ready", entity)), seen(0, {}, where=where)) == left


def test_what_could_not_be_read_is_no_proof_that_it_was_left() -> None:
    case = case_of(guess("node_not_ready", "node/n1"))
    assert not node_left(case, seen(0, {}, where=away(), problems=("no cluster",)))
    assert not node_left(case_of(), seen(0, {}, where=away()))
