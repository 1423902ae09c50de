"""Faults with modifiers, for score: every modifier is drilled, always with the same sample of faults."""

from collections import Counter

import pytest

from simulator.drill import listing, run_drill
from simulator.modifiers import MODIFIERS
from simulator.pairs import EACH, label, sampled, split
from simulator.scenario import load_scenarios


def test_every_modifier_is_drilled_with_faults_of_several_layers() -> None:
    known = load_scenarios()
    pairs = [split(name) for name in listing()["suites"]["modifiers"]]
    assert Counter(modifier for _, (modifier,) in pairs) == dict.fromkeys(MODIFIERS, EACH)
    assert all(known[fault].truth.fault for fault, _ in pairs)
    for modifier in MODIFIERS:
        assert len({known[fault].layer for fault, (other,) in pairs if other == modifier}) == EACH


def test_the_sample_is_always_the_same_and_names_round_trip() -> None:
    layers = {name: scenario.layer for name, scenario in load_scenarios().items() if scenario.truth.fault}
    assert sampled(layers) == sampled(dict(reversed(layers.items())))
    assert split(label("oom_kill", ("red_herring", "relapse"))) == ("oom_kill", ("red_herring", "relapse"))
    assert split("a+b.yaml") == ("a+b.yaml", ())


@pytest.mark.slow
def test_a_pair_is_scored_under_its_own_name() -> None:
    (episode,) = run_drill(["vendor_outage+red_herring"], None, 1, 1)["episodes"]
    assert (episode["scenario"], episode["modifiers"]) == ("vendor_outage", ["red_herring"])
    assert episode["healed"]
