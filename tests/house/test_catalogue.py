"""The catalogue of faults: each is known to the diagnostician, and is cured by a playbook or honestly a person's."""

import pytest

from playbooks.faults import shipped_faults
from playbooks.library import shipped
from simulator.scenario import Scenario, load_scenarios
from tools.action import VERBS
from tools.marks import MARKS

FAULTS = [scenario for scenario in load_scenarios().values() if scenario.truth.fault]
PROFILES = {profile.id: profile for profile in shipped_faults()}
CURED = {fault: {p.id for p in shipped() if fault in p.cures} for p in shipped() for fault in p.cures}
FINDINGS = {mark.finding for mark in MARKS}


@pytest.mark.parametrize("scenario", FAULTS, ids=lambda s: s.id)
def test_a_fault_has_a_profile_and_a_remedy_or_a_person(scenario: Scenario) -> None:
    truth = scenario.truth
    assert truth.fault in PROFILES
    assert PROFILES[truth.fault].scope == truth.entity.split("/")[0]
    assert set(truth.acceptable_playbooks) <= CURED.get(truth.fault, set())
    if not truth.acceptable_playbooks:  # a person's: no playbook may reach for it, and no verb is innocent
        assert truth.fault not in CURED
        assert set(truth.forbidden_verbs) == set(VERBS)


@pytest.mark.parametrize("scenario", FAULTS, ids=lambda s: s.id)
def test_a_fault_shows_marks_that_its_profile_asks_for(scenario: Scenario) -> None:
    shown = {finding for mutation in scenario.mutations for finding in mutation.marks}
    assert shown <= FINDINGS
    if scenario.layer != "ourselves":
        assert shown <= set(PROFILES[scenario.truth.fault].signs)


def test_every_mark_speaks_for_a_fault() -> None:
    assert {finding for profile in PROFILES.values() for finding in profile.needs} >= FINDINGS


def test_two_profiles_never_ask_for_the_same() -> None:
    needs = [(profile.scope, profile.needs, tuple(sorted(profile.signs.items()))) for profile in PROFILES.values()]
    assert len(set(needs)) == len(needs)


def test_the_page_of_faults_is_current() -> None:
    from pathlib import Path

    from simulator.catalogue import page

    assert (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8") == page()
