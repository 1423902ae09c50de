"""The person on call: paged by alerts or by Prunella, awake or asleep, and as quick as good teams are.

Times are lognormal, as incident durations appear to be (Davidovic, Incident Metrics in SRE, 2021, which did not test
that another distribution fits less). The median of a repair is 45 minutes, which favours the person: the elite cluster
of DORA's survey of 2024, a fifth of the teams, restores service within an hour. A model that must learn anew takes a
working day: ours, and kind as well. In Algorithmia's survey (2021 Enterprise Trends in Machine Learning) 64 % need a
month or more to deploy a model, though a new one. Times to acknowledge are ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp, log

from agent.case import Incident
from policies.approvals import KIND, answer, pending
from simulator.arrivals import DAY, Arrival
from simulator.record import hurt
from simulator.world.mend import Tickets
from simulator.world.world import World
from tools.journal import Journal

REPAIR, REPAIR_SPREAD = 45.0, 0.8  # minutes, median; sigma of its logarithm
RETRAINING = 480.0  # the same, where a model must learn anew
ACKNOWLEDGE = {True: 5.0, False: 15.0}  # minutes, median: awake, asleep
ACKNOWLEDGE_SPREAD = 0.5
AWAKE = range(7, 23)  # hours
AT_WORK = range(8, 18)  # hours, in which questions are answered
ALERT = timedelta(minutes=5)  # an objective is missed for so long: the pager rings
LATE_ALERT = timedelta(minutes=45)  # the same where quality is known by labels that come late
GUARDED = {False: timedelta(minutes=30), True: timedelta(hours=2)}  # and where Prunella is at work on it; on a model
WELL = timedelta(minutes=15)  # without a missed objective: nothing is left to repair
UNNOTICED = timedelta(seconds=DAY)  # whatever nobody noticed is found in the daily review


@dataclass
class _Watched:
    """One event as the person knows it."""

    arrival: Arrival
    at: datetime
    patients: frozenset[str]
    bad_since: datetime | None = None
    well_since: datetime | None = None
    repaired_at: datetime | None = None  # when the repair will be done
    felt: bool = False
    settled: bool = False  # well again, without anybody's repair
    champion: str = ""  # version of the model that served when it came
    closed: bool = False


@dataclass
class OnCall:
    """Repairs what nobody else repaired. ``alerts``: the pager is wired to plain alerts too; else only to a review."""

    world: World
    arrivals: Sequence[Arrival]
    journal: Journal
    guarded: bool = False
    alerts: bool = True
    pages: list[Arrival] = field(default_factory=list)
    answered: int = 0

    def __post_init__(self) -> None:
        start = self.world.clock.now()
        self._seen = 0
        self._watched = [
            _Watched(each, start + timedelta(seconds=each.at), hurt(self.world.fleet, each.service))
            for each in self.arrivals
            if each.scenario
        ]
        self._tickets = Tickets(self.world.body)

    def tick(self) -> None:
        """Look at pager, questions and repairs."""
        now = self.world.clock.now()
        told = self._told() if self.guarded else frozenset[str]()
        self._tickets.tick(now)
        for watched in self._watched:
            if not watched.closed and now >= watched.at:
                self._attend(watched, now, told)
        if self.guarded and now.hour in AT_WORK and now.weekday() < 5:
            self._answer(now)

    def _told(self) -> frozenset[str]:
        """Return the services of cases that were handed to a person since the last look."""
        entries = self.journal.entries(kinds=("INCIDENT", "OUTCOME"), after=self._seen)
        self._seen = max((entry.seq for entry in entries), default=self._seen)
        given = {e.subject for e in entries if e.kind == "OUTCOME" and e.body["verdict"] == "escalated"}
        cases = (self.journal.entries(subject=subject, kinds=("INCIDENT",)) for subject in sorted(given))
        return frozenset(Incident.model_validate(found[-1].body).service for found in cases if found)

    def _attend(self, watched: _Watched, now: datetime, told: Iterable[str]) -> None:
        well = all(self.world.ledger.objectives_hold(name) for name in watched.patients)
        watched.champion = watched.champion or self._champion(watched.arrival.service)
        watched.bad_since = None if well else watched.bad_since or now
        watched.well_since = (watched.well_since or now) if well else None
        watched.felt = watched.felt or not well
        lasting = watched.well_since is not None and now - watched.well_since >= WELL
        watched.settled = watched.settled or (watched.felt and lasting)
        if watched.repaired_at is None and not watched.settled and self._rings(watched, now, told):
            self.pages.append(watched.arrival)
            watched.repaired_at = now + self._takes(watched.arrival, now)
        done = watched.repaired_at is not None and now >= watched.repaired_at
        if done or now - watched.at >= UNNOTICED:
            if done or not self._relearnt(watched):
                self.world.mend(watched.arrival.numbers)
            watched.closed = True

    def _relearnt(self, watched: _Watched) -> bool:
        """Whether another model has answered a change of the world for good: there is nothing left to repair.

        A repair takes a cause away. Of a drift the cause is the world, which does not go back because a day is over: to
        take it away from under a model that has learnt it would be a second drift.
        """
        replaced = self._champion(watched.arrival.service) != watched.champion
        return watched.arrival.kind == "drift" and watched.settled and replaced and watched.well_since is not None

    def _champion(self, service: str) -> str:
        model = self.world.fleet.service(service).model
        return self.world.body.quality.alias(model, "champion") if model else ""

    def _rings(self, watched: _Watched, now: datetime, told: Iterable[str]) -> bool:
        if self.guarded and watched.arrival.service in told:
            return True
        if not self.alerts or watched.bad_since is None:
            return False
        model = bool(self.world.fleet.service(watched.arrival.service).model)
        alert = LATE_ALERT if model else ALERT
        return now - watched.bad_since >= (GUARDED[model] if self.guarded else alert)

    def _takes(self, arrival: Arrival, now: datetime) -> timedelta:
        """Return how long the person needs for this event; the same whoever guards the fleet."""
        rng = self.world.body.streams.named(f"person/{arrival.at:.0f}")
        z = rng.standard_normal(2)
        waking = exp(log(ACKNOWLEDGE[now.hour in AWAKE]) + ACKNOWLEDGE_SPREAD * float(z[0]))
        usual = RETRAINING if arrival.kind == "drift" else REPAIR
        return timedelta(minutes=waking + exp(log(usual) + REPAIR_SPREAD * float(z[1])))

    def _answer(self, now: datetime) -> None:
        """Say yes to questions that have been there for as long as it takes to see them."""
        for question in pending(self.journal.entries(kinds=(KIND,)), now):
            if now - question.asked_at >= timedelta(minutes=ACKNOWLEDGE[True]):
                answer(self.journal, question.id, "on-call", yes=True, now=now)
                self.answered += 1
