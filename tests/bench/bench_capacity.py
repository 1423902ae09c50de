"""The proof of capacity against the pretend world: 1,000 fleets on which nothing was chosen, three removals each.

The figures of the proof (margin, deviations above the trend, variation of a server's work) were chosen on fleets with
even seeds below 4,000, on what went wrong from 20,000 and 30,000 on and, last, on 2,339 fleets from 60,000 on.
A removal breaks an objective that is over its target, for two readings running, at a time at which it holds in the
twin from which nothing was taken: same weather, same requests. It is harmless where it breaks none in the twenty
minutes that come, nor in ``FUTURES`` others that might have come (from that moment on, another weather): what breaks
in some weather is not harmless because it was lucky in this one. ``_lucky_too`` counts those as harmless as well.

``python -m tests.bench.bench_capacity --keep build/capacity.jsonl`` goes on where it was stopped.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.agent.fleets import Removal, removals

FIRST, FLEETS, FUTURES = 80_000, 1_000, 4
FEW = 150  # for ``make bench``; all of them take most of an hour
Row = Mapping[str, float]


def figures(fleets: int = FEW) -> Mapping[str, float]:
    """Return how many removals were allowed, how many of those broke an objective, and the harmless ones refused."""
    return told([row for seed in range(FIRST, FIRST + fleets) for row in rows(seed)])


def told(found: Sequence[Row]) -> Mapping[str, float]:
    """Return the figures. ``by_rule``: what a plain rule of thumb (60 % used afterwards) would have come to."""
    calm = [each for each in found if not each["broke"]]
    harmless = [each for each in calm if not each["elsewhere"]]
    return {
        "capacity_removals": float(len(found)),
        "capacity_broken_anyway": sum(each["anyway"] for each in found),
        **_of("capacity", "proven", found, harmless),
        **_of("capacity_by_rule", "by_rule", found, harmless),
        "capacity_harmless_refused_percent_lucky_too": _refused("proven", calm),
        "capacity_by_rule_harmless_refused_percent_lucky_too": _refused("by_rule", calm),
        "capacity_broke_allowing_all": float(len(found) - len(calm)),
        "capacity_refused_but_for_a_first_stage": sum(each["first"] and not each["proven"] for each in found),
    }


def _of(name: str, by: str, found: Sequence[Row], harmless: Sequence[Row]) -> Mapping[str, float]:
    return {
        f"{name}_allowed": sum(each[by] for each in found),
        f"{name}_allowed_and_broke": sum(each[by] and each["broke"] for each in found),
        f"{name}_allowed_and_broke_elsewhere": sum(each["elsewhere"] for each in found if each[by]),
        f"{name}_harmless_refused_percent": _refused(by, harmless),
    }


def _refused(by: str, harmless: Sequence[Row]) -> float:
    return round(100 * sum(not each[by] for each in harmless) / max(len(harmless), 1), 2)


def rows(seed: int, most: int = 1) -> list[Row]:
    """Return what came of the removals of one fleet, as numbers."""
    return [_row(each) for each in removals(seed, most, FUTURES)]


def _row(each: Removal) -> Row:
    said = {"proven": each.said.proven, "first": each.first.proven, "by_rule": each.by_rule}
    came = {"broke": each.broke, "anyway": each.anyway, "elsewhere": sum(each.elsewhere)}
    return {name: float(value) for name, value in (said | came).items()}


def _kept(path: Path, seeds: Sequence[int], most: int) -> Iterator[Row]:
    """Yield the rows of each seed; what the file has is not played again."""
    known: dict[int, list[Row]] = {}
    if path.exists():
        known = {each["seed"]: each["rows"] for each in map(json.loads, path.read_text().splitlines())}
    for seed in seeds:
        if seed not in known:
            known[seed] = rows(seed, most)
            with path.open("a") as out:
                out.write(json.dumps({"seed": seed, "rows": known[seed]}) + "\n")
        yield from known[seed]


def main() -> None:
    """Play fleets, keep what came of them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=FIRST, help="first seed")
    parser.add_argument("--fleets", type=int, default=FLEETS)
    parser.add_argument("--step", type=int, default=1, help="between two seeds")
    parser.add_argument("--most", type=int, default=1, help="replicas that are taken at once, at most")
    parser.add_argument("--keep", type=Path, default=Path("build/capacity.jsonl"), help="one line for each fleet")
    asked = parser.parse_args()
    asked.keep.parent.mkdir(parents=True, exist_ok=True)
    seeds = range(asked.first, asked.first + asked.step * asked.fleets, asked.step)
    sys.stdout.write(json.dumps(told(list(_kept(asked.keep, seeds, asked.most))), indent=2) + "\n")


if __name__ == "__main__":
    main()
