"""The proof of capacity against the pretend world: fleets on which nothing was chosen, three removals each.

The figures of the proof (most use, margin, scatter) were chosen on 500 other fleets.
"""

from collections.abc import Mapping

from tests.agent.fleets import removals

FIRST = 10_000


def figures(fleets: int = 200) -> Mapping[str, float]:
    """Return how many removals were allowed, how many of those broke an objective, and the harmless ones refused.

    ``capacity_broke_allowing_all`` is what comes of taking a replica without asking.
    """
    found = [each for seed in range(FIRST, FIRST + fleets) for each in removals(seed)]
    harmless = [each for each in found if not each.broke]
    return {
        "capacity_removals": float(len(found)),
        "capacity_allowed": float(sum(each.said.proven for each in found)),
        "capacity_allowed_and_broke": float(sum(each.said.proven and each.broke for each in found)),
        "capacity_broke_allowing_all": float(len(found) - len(harmless)),
        "capacity_harmless_refused_percent": round(
            100 * sum(not each.said.proven for each in harmless) / max(len(harmless), 1), 2
        ),
    }
