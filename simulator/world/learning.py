"""What the pretend services learn: one problem per service, and the models that its team trained before we came.

Both belong to the service's name alone, so that every world of a process shares them and pays for the training once.
"""

import zlib
from functools import cache

from simulator.world.profile import reads_texts
from simulator.world.scorer import Accepted, Problem, accepted
from simulator.world.store import Floats
from simulator.world.streams import Streams
from simulator.world.tabular import problem
from simulator.world.texts import text_problem
from tools.training import TabularModel, fit

PAST = {"1": 1500, "2": 8000}  # rows that each version of the past was trained on
CHAMPION = "2"
EVALUATED = 2000


@cache
def problem_of(service: str) -> Problem:
    """Return the problem that a service solves."""
    seed = zlib.crc32(service.encode()) % 1000
    return text_problem(seed) if reads_texts(service) else problem(seed)


@cache
def past_model(service: str, version: str) -> TabularModel:
    """Return a model that was trained before the world began."""
    features, labels = fresh_rows(service, f"past/{version}", PAST[version])
    return fit(features, labels, seed=int(version), epochs=20)


@cache
def past_accepted(service: str, version: str) -> Accepted:
    """Return what such a model was accepted on."""
    return accepted(past_model(service, version), fresh_rows(service, "accepted", EVALUATED))


@cache
def fresh_rows(service: str, name: str, count: int) -> tuple[Floats, Floats]:
    """Return rows and labels from before anything drifted, over a whole week."""
    rng = Streams(0).named(f"{name}/{service}")
    features, _, labels = problem_of(service).draw(rng, count, rng.uniform(0, 168, count))
    return features, labels
