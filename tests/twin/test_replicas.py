"""What a replica of the twin says of itself: the versions that it has loaded are those that the world serves."""

from __future__ import annotations

from fastapi.testclient import TestClient

from simulator.episode import demo_fleet
from simulator.twin.replicas_api import replicas_app
from simulator.twin.twin import Twin
from simulator.world.world import World
from tools.action import Operation, SetSplit


def test_the_loaded_versions_are_those_that_share_the_traffic() -> None:
    world = World(demo_fleet())
    row = world.body.pods.of("fraud")[0].row
    asked = TestClient(replicas_app(Twin(world), {row: 8000}), base_url="http://replica:8000")
    champion = world.registry.model("fraud").aliases["champion"]
    assert asked.get("/v2/models/fraud").json()["versions"] == [champion]
    other = next(v for v in world.body.quality.served_versions("fraud") if v != champion)
    both = SetSplit(service="fraud", weights={champion: 90, other: 10})
    world.actuator.apply(both, Operation(id="a", incident="", epoch=0))
    index = asked.post("/v2/repository/index").json()
    assert {(each["version"], each["state"]) for each in index} == {(champion, "READY"), (other, "READY")}
