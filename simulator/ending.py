"""When an episode is over: healed for good, out of patience, or after the length of a quiet run."""

from datetime import timedelta

from agent.casebook import read_cases
from simulator.baselines import Guardian
from simulator.record import patients
from simulator.score import HOLD
from simulator.world.script import Scenario
from simulator.world.world import World

PATIENCE = {"quality": timedelta(hours=5)}  # from the onset, where labels come late; else:
SHORT_PATIENCE = timedelta(minutes=90)
TELLING = timedelta(minutes=25)  # where the honest thing is to tell a person
CLOSING = timedelta(minutes=30)  # for open cases to close, once all is well
WEEK = timedelta(days=7)  # of a quiet run


def _patience(scenario: Scenario) -> timedelta:
    """Return for how long an episode is played after its onset, at most."""
    usual = PATIENCE.get(scenario.layer, SHORT_PATIENCE)
    slow = scenario.layer in ("quality", "pipeline", "cost")  # labels come late, and money is no hurry
    return usual if scenario.truth.acceptable_playbooks or slow else TELLING


def _last(scenario: Scenario) -> timedelta:
    """Return how long after the onset the last mutation is there in full: nothing is over that has not been played."""
    later = (m.at + (m.ramp if m.onset == "ramp" else 0.0) for m in scenario.mutations if m.at)
    return timedelta(seconds=max(later, default=0.0))


class Ending:
    """When an episode is over."""

    def __init__(self, world: World, scenario: Scenario, guardian: Guardian, length: timedelta | None) -> None:
        self._world, self._guardian = world, guardian
        self._cost = scenario.layer == "cost"
        self._quiet = not scenario.truth.fault
        self._told = not scenario.truth.acceptable_playbooks
        self._length = length or WEEK
        self._last = _last(scenario)
        # What comes while the first would have to hold anyway takes nothing from the time that there is.
        self._patience = length or _patience(scenario) + max(self._last - HOLD, timedelta(0))
        self._began = world.clock.now()
        self._harmed = False
        self._well = timedelta(0)
        self._seen = self._began

    def reached(self) -> bool:
        """Look at the last tick."""
        now = self._world.clock.now()
        happened = self._world.ledger.happened
        if self._quiet:
            return now >= self._began + self._length
        passed, self._seen = now - self._seen, now
        if happened is None or happened.onset_at is None or now <= happened.onset_at:
            return False
        self._feel(patients(self._world.fleet, happened), happened.service, passed)
        lasted = now - happened.onset_at
        held = self._well > HOLD and lasted > self._last + HOLD
        return lasted >= self._patience or (self._harmed and held and self._closed())

    def _feel(self, names: frozenset[str], service: str, passed: timedelta) -> None:
        fine = all(self._is_fine(name) for name in names)
        # What is a person's may hurt nobody: a second fault that does, and is healed, must not end it unseen.
        self._harmed = self._harmed or not (self._is_fine(service) if self._told else fine)
        self._well = self._well + passed if fine else timedelta(0)

    def _is_fine(self, name: str) -> bool:
        ledger = self._world.ledger
        return bool(ledger.healthy(name) if self._cost else ledger.objectives_hold(name))

    def _closed(self) -> bool:
        cases = read_cases(self._guardian.journal)
        if self._told and not any(case.phase == "escalated" for case in cases):
            return False  # what somebody felt was something else, and is over: a person has still to be told
        return self._well > HOLD + CLOSING or not any(case.is_open for case in cases)
