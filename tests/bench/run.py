"""Runs every benchmark and writes one flat JSON object of figures to ``build/bench.json``."""

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Import each ``bench_*.py`` beside this file and merge what its ``figures()`` returns."""
    figures: dict[str, float] = {}
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        sys.stderr.write(f"{path.stem} ...\n")
        figures |= importlib.import_module(f"tests.bench.{path.stem}").figures()
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    sys.stdout.write(target.read_text())


if __name__ == "__main__":
    main()
