"""Whether others fell ill in the same minute and as badly: then what was changed here is hardly the cause."""

from datetime import datetime, timedelta
from math import inf
from statistics import median

from agent.analysts.evidence import onset
from agent.case import Incident
from agent.correlate import upstream
from agent.observe import Scene
from config.fleet import Service

SIGNAL = "error_ratio"  # of all promises the one that is measured alike everywhere
SAME = timedelta(minutes=2)  # the window of a rate: nearer than that nobody can say who was first
OTHERS = 2  # that have nothing to do with one another: with the patient three, the fewest that make a storm
WORSE = 2.0  # times as many errors as the others have are not theirs


def ill_alike(incident: Incident, scene: Scene) -> dict[str, float]:
    """Return what share of requests those services fail lately that came to fail as many as the patient when it did.

    They still do; empty: nobody.
    """
    patient = scene.fleet.service(incident.service)
    near, since = upstream(patient, scene.fleet), onset(incident)
    rates: dict[str, float] = {}
    for other in scene.fleet.services:
        apart = other.name not in near and patient.name not in {other.name, *upstream(other, scene.fleet)}
        if apart and (rate := _came_with(other, since, scene)):
            rates[other.name] = rate
    roots = {n: rate for n, rate in rates.items() if not upstream(scene.fleet.service(n), scene.fleet) & set(rates)}
    mine = next((rate for _, rate in reversed(_errors(patient, scene))), 0.0)
    return roots if len(roots) >= OTHERS and mine <= WORSE * median(roots.values()) else {}


def _came_with(service: Service, since: datetime, scene: Scene) -> float:
    """Return what a service fails lately that was well and fell ill when the patient did; 0 where that is over."""
    target = next((each.target for each in service.objectives if each.signal == SIGNAL), inf)
    told = _errors(service, scene)
    before = [rate for at, rate in told if at < since - SAME]
    then = max((rate for at, rate in told if since - SAME <= at <= since + SAME), default=0.0)
    lately = max((rate for at, rate in told if at > scene.now - SAME), default=0.0)
    was_well = not before or before[-1] <= target
    return lately if was_well and min(then, lately) > target else 0.0


def _errors(service: Service, scene: Scene) -> list[tuple[datetime, float]]:
    known = ((seen.at, seen.value(SIGNAL, f"service/{service.name}")) for seen in scene.history)
    return [(at, rate) for at, rate in known if rate is not None]
