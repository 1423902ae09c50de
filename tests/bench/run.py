"""Runs benchmarks, all or those named, and keeps what they found in one flat JSON object: ``build/bench.json``.

Each has a process of its own: none inherits another's memory, and one that fails takes no other's figures along.
The file is written after each: whoever stops half-way has that half.
"""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "build" / "bench.json"
STATED = ("fleet", "drift", "nab")  # what promises are made of comes first
CHILD = "import json, sys; from tests.bench.run import found; json.dump(found(sys.argv[1]), sys.stdout)"


def names() -> list[str]:
    """Return every ``bench_NAME.py`` beside this file: those whose figures are promises, then the rest by name."""
    there = {path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py")}
    return [*STATED, *sorted(there - set(STATED))]


def found(name: str) -> dict[str, float]:
    """Return what one benchmark's ``figures()`` returns; its own prints go to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        return dict(importlib.import_module(f"tests.bench.bench_{name}").figures())
    finally:
        sys.stdout = out


def _apart(name: str) -> dict[str, float] | None:
    """Return the figures of a benchmark run in its own process; None where it failed, its reason being on stderr."""
    done = subprocess.run([sys.executable, "-c", CHILD, name], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _keep(figures: dict[str, float]) -> None:
    """Write ``build/bench.json`` whole or not at all."""
    TARGET.parent.mkdir(exist_ok=True)
    fresh = TARGET.with_suffix(".new")
    fresh.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    fresh.replace(TARGET)


def main(wanted: Sequence[str]) -> int:
    """Run the benchmarks named, the others' figures being kept, or all of them anew; return how many failed."""
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(names())}\n")
        return 2
    figures = json.loads(TARGET.read_text()) if wanted and TARGET.exists() else {}
    failed, chosen = [], list(wanted) or names()
    for turn, name in enumerate(chosen, 1):
        sys.stderr.write(f"[{turn}/{len(chosen)}] {name} ...\n")
        started = time.perf_counter()
        measured = _apart(name)
        if measured is None:
            failed.append(name)
            continue
        figures |= measured
        _keep(figures)
        took = time.perf_counter() - started
        sys.stderr.write(f"[{turn}/{len(chosen)}] {name}: {len(measured)} figures, {took:.0f} s\n")
    sys.stdout.write(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    if failed:
        sys.stderr.write(f"failed, their figures are left out: {', '.join(failed)}\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
