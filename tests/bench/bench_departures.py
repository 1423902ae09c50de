"""What departs from its past in the simulator: a fault of each half of the public suite, and a day without any.

The pace of ``agent.eyes.joint`` was chosen on the faults at even places of the alphabet; those at odd ones are the
held-out half. Nobody acts here, so that what is seen is the fault alone. Every fault of a half was tried once
(``docs/decisions/0012-one-watch.md``); here every eighth, to keep it short.
"""

from collections.abc import Mapping
from datetime import timedelta

from agent.case import Anomaly
from agent.departures import Departures
from agent.observe import Observation
from config.eyes import EyesSettings
from config.fleet import Cadence
from simulator.drill import listing
from simulator.episode import TICK, demo_fleet
from simulator.scenario import load_scenarios
from simulator.world.world import World
from tools.catalogue import SIGNALS

HOURS, QUIET_HOURS, STEP = 3.0, 24.0, 8


def figures() -> Mapping[str, float]:
    """Return shares of faults found on either half, false departures before them, and on a quiet day; budget beside."""
    names = sorted(listing()["suites"]["public"])
    found: dict[str, float] = {}
    for half, chosen in (("chosen", names[::2][::STEP]), ("heldout", names[1::2][::STEP])):
        results = [_departures(name, HOURS) for name in chosen]
        found[f"departures_{half}_found"] = sum(after for _, after in results) / len(results)
        found[f"departures_{half}_false"] = sum(before for before, _ in results)
    found["departures_quiet_false"] = _departures("healthy", QUIET_HOURS)[0]
    found["departures_quiet_allowed"] = round(len(demo_fleet().services) * QUIET_HOURS / 24 / 30, 2)
    return {**found, "departures_do_nothing_found": 0.0}


def _departures(scenario: str, hours: float) -> tuple[int, bool]:
    """Return how many departures came before the fault, and whether any came after."""
    world = World(demo_fleet(), seed=0, scenario=load_scenarios()[scenario])
    eyes = Departures(demo_fleet(), Cadence(), EyesSettings())
    told: list[Anomaly] = []
    for _ in range(int(timedelta(hours=hours).total_seconds() / TICK)):
        world.advance(TICK)
        now = world.clock.now()
        told += eyes.update(Observation(now, world.metrics.read(SIGNALS, now), world.cluster.topology()))
    happened = world.ledger.happened
    onset = happened.onset_at if happened is not None else None
    before = sum(onset is None or each.at < onset for each in told)
    return before, before < len(told)
