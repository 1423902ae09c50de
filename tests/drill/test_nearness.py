"""How far off a diagnosis was: nought for the true entity, more the less it has to do with it."""

import pytest

from simulator.episode import demo_fleet
from simulator.nearness import FAR, steps
from simulator.world.ledger import Happened
from simulator.world.script import Truth


def happened(entity: str, service: str, *beside: str) -> Happened:
    truth = Truth(fault="any", entity=entity)
    return Happened(truth=truth, entity=entity, service=service, onset_at=None, beside=frozenset(beside))


@pytest.mark.parametrize(
    ("named", "true", "far"),
    [
        ("service/chat", happened("service/chat", "chat"), 0),
        ("replica/chat/chat-1", happened("service/chat", "chat"), 1),
        ("model/fraud", happened("service/fraud", "fraud"), 1),
        ("vendor/moderate/cirrus", happened("vendor/moderate/borealis", "moderate"), 1),
        ("gpu/n1/3", happened("gpu/n1/0", "chat"), 1),
        ("service/credit", happened("node/n1", "chat", "credit"), 1),  # it sits on the sick machine
        ("service/moderate", happened("service/chat", "chat"), 2),  # chat leans on it
        ("service/chat", happened("vendor/moderate/borealis", "moderate"), 2),
        ("service/fraud", happened("service/chat", "chat", "fraud"), FAR),  # a second fault of its own
        ("gpu/n2/0", happened("node/n1", "chat"), FAR),
    ],
)
def test_how_far_off_it_was(named: str, true: Happened, far: int) -> None:
    assert steps(named, true, demo_fleet()) == far
