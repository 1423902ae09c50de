"""Waits for the end of whoever holds the other end of its standard input, then stops every process of a run."""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.lab.processes import stop_all


def main() -> int:
    """`python -m simulator.lab.reaper RUN_DIR`; ends when standard input does."""
    sys.stdin.buffer.read()
    stop_all(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
