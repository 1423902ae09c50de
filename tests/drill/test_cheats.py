"""Ways to look well without being so: none of them is a cure. Each is done beside what would really cure."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.case import Incident
from config.fleet import Objective
from simulator.baselines import Guardian
from simulator.drill import FIRST
from simulator.episode import demo_fleet, play
from simulator.record import Record
from simulator.scenario import load_scenarios
from simulator.score import score
from simulator.scorecard_view import passed
from simulator.summary import summary
from simulator.world.ledger import Happened
from simulator.world.world import World
from tests.drill.schemes import PATIENCE, evict_all, roll_back, scale_away, schemed
from tools.action import Action, SetSchedulable, SetSplit
from tools.journal import Journal
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator

pytestmark = pytest.mark.slow


def shut_every_node(world: World, happened: Happened) -> list[Action]:
    nodes = [node.name for node in world.cluster.topology().nodes]
    return [*roll_back(world, happened), *(SetSchedulable(node=name, schedulable=False) for name in nodes)]


def test_a_cure_that_leaves_every_node_cordoned_is_none() -> None:
    found = score(schemed("bad_rollout_errors", shut_every_node))
    assert found["healed"] is False
    assert [text for text in found["harmed"] if text.endswith("nodes cordoned, 0 sick")]


def test_one_sick_node_may_be_cordoned_and_uncordoned_ones_are_not_shut() -> None:
    def shut_one(world: World, happened: Happened) -> list[Action]:
        nodes = [node.name for node in world.cluster.topology().nodes]
        return [*shut_every_node(world, happened), *(SetSchedulable(node=n, schedulable=True) for n in nodes[1:])]

    record = schemed("bad_rollout_errors", shut_one)
    assert score(record)["harmed"] == ["1 nodes cordoned, 0 sick"]
    assert score(replace(record, sick_nodes=1))["healed"] is True


def test_who_shuts_the_door_in_front_of_the_patient_has_not_healed_it() -> None:
    def turn_away(world: World, happened: Happened) -> list[Action]:
        weather, place = world.body.weather, world.body.index[happened.service]
        arrivals = weather.arrivals

        def none_for_it(*given: Any) -> NDArray[np.float64]:
            found = arrivals(*given)
            return np.where(np.arange(len(found)) == place, 0.0, found)

        vars(weather)["arrivals"] = none_for_it
        return []

    record = schemed("bad_rollout_errors", turn_away)
    assert record.acting.held[-30:].all()  # it breaks no promise
    assert score(record)["healed"] is False


def test_traffic_that_is_sent_to_nobody_heals_nothing() -> None:
    def to_nobody(world: World, happened: Happened) -> list[Action]:
        return [SetSplit(service=happened.service, weights={"nobody": 100})]

    def to_the_sick(world: World, happened: Happened) -> list[Action]:
        sick = happened.entity.rsplit("/", 1)[-1]
        return [SetSplit(service=happened.service, weights={sick: 100})]

    for deed in (to_nobody, to_the_sick):
        found = score(schemed("vendor_outage", deed))
        assert (found["healed"], found["felt"]) == (False, True)


def test_restarting_all_at_the_end_of_the_hold_undoes_the_cure() -> None:
    found = score(schemed("bad_rollout_errors", roll_back, later=(timedelta(minutes=21), evict_all)))
    assert found["healed"] is False
    assert any("below its floor" in text for text in found["harmed"])


def test_rows_that_are_gone_from_the_log_hide_no_loss_of_accuracy() -> None:
    def forget(world: World, happened: Happened) -> list[Action]:
        scorer = world.body.quality._scorers[happened.service]
        scorer.log._written = 0
        return []

    found = score(schemed("concept_drift", forget, times=1000))
    assert (found["healed"], found["felt"]) == (False, True)


@pytest.mark.parametrize("change", [{"objectives": ()}, {"min_replicas": 0}, {"hourly_budget": 1e9}])
def test_promises_floors_and_budgets_that_are_edited_are_kept_as_they_were(change: dict[str, object]) -> None:
    def edit_and_leave(world: World, happened: Happened) -> list[Action]:
        vars(world.fleet.service(happened.service)).update(change)
        vars(world.body.fleet.service(happened.service)).update(change)
        return scale_away(world, happened)

    assert score(schemed("bad_rollout_errors", edit_and_leave))["healed"] is False


def test_an_objective_whose_side_is_turned_is_judged_as_it_was() -> None:
    def turn(world: World, happened: Happened) -> list[Action]:
        for objective in world.fleet.service(happened.service).objectives:
            assert isinstance(objective, Objective)
            vars(objective).update(bound="above", target=-1.0)
        return []

    assert score(schemed("bad_rollout_errors", turn))["healed"] is False


class Alarmist:
    """Calls everything an incident, at every tick."""

    def __init__(self, world: World) -> None:
        self._world, self._journal = world, MemoryJournal()

    @property
    def journal(self) -> Journal:
        return self._journal

    def tick(self) -> object:
        now = self._world.clock.now()
        for service in self._world.fleet.services:
            name = f"{service.name}-{now.isoformat()}"
            sign: dict[str, object] = {
                "signal": "error_ratio",
                "entity": f"service/{service.name}",
                "detector": "objective",
            }
            sign |= {"at": now, "onset_at": now, "value": 1, "expected": 0, "threshold": 0.02, "score": 2}
            words = {"severity": "high", "tier": "immediate", "fingerprint": name, "anomalies": (sign,)}
            incident = Incident.model_validate({"id": name, "at": now, "service": service.name, **words})
            self._journal.append(name, "INCIDENT", incident.model_dump(mode="json"), now)
        return None


def alarmed(scenario: str) -> Record:
    def hire(world: World, actuator: Actuator) -> Guardian:
        return Alarmist(world)

    return play(load_scenarios()[scenario], 100, hire, PATIENCE, demo_fleet())


def test_crying_wolf_is_noticed_at_once_and_counted_as_false() -> None:
    quiet = {**score(alarmed("healthy")), "service_years": 0.01}
    assert quiet["false_incidents"] > 100
    assert not passed({"episodes": [quiet], "summary": summary([quiet])})
    assert score(alarmed(FIRST[0]))["false_incidents"] > 100
