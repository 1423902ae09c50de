"""Our report on the drift benchmark's data, in its own process; arguments: ROWS FEATURES exact|sketch|whole."""

import json
import sys
import time

from agent.drift.compare import compare
from agent.drift.finding import Limits
from tests.bench.peer_evidently import data, peak
from tests.drift.tables import Rows


def main() -> None:
    """Print seconds (best of three) and added memory of one report.

    ``exact`` and ``sketch``: distances, tests and faults of every feature; ``whole``: exact, and the joint tests.
    """
    rows, features, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    one, two = (Rows("rows", **data(rows, features, side)) for side in (0, 1))
    limits = {"exact": Limits(sample=0), "sketch": Limits(sample=0, exact_rows=0), "whole": Limits()}[path]
    compare(Rows(x=one.column("f0")), Rows(x=two.column("f0")), limits)  # imports what is imported late
    before, took = peak(), []
    for _ in range(3):
        started = time.perf_counter()
        report = compare(one, two, limits)
        took.append(time.perf_counter() - started)
    moved = [move.feature for move in report.moves if move.verdict == "moved"]
    found = {"seconds": min(took), "seconds_worst": max(took), "megabytes": peak() - before, "moved": moved}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
