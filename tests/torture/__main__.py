"""``python -m tests.torture --seeds 10000``: many seeds, and for one that fails the command that replays it."""

import argparse
import sys
import time

from tests.torture.trials import replay, trials


def main() -> int:
    """Parse the arguments, play, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    began, failed, points = time.monotonic(), 0, 0
    for seed, violation, passed in trials(range(args.first, args.first + args.seeds), args.jobs):
        points += passed
        if violation:
            failed += 1
            print(f"seed {seed}: {violation}\n  replay: {replay(seed)}", flush=True)
    took = time.monotonic() - began
    print(f"{args.seeds} seeds, {points} fault points, {failed} with violations, {took:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
