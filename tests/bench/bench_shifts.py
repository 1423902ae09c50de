"""Injected shifts: how often they are found, beside Evidently, alibi-detect, NannyML and river at their defaults."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agent.drift.compare import compare
from agent.drift.finding import DriftReport
from tests.bench.peers import python_of
from tests.bench.shifts import CONCERNED, SHIFTS, Columns, table, until
from tests.drift.tables import Rows

NEEDS = {
    "evidently": ("evidently>=0.7.23,<0.8", "pandas<3"),
    "alibi": ("alibi-detect",),
    "nannyml": ("nannyml", "statsmodels", "pandas<3"),
    "river": ("river",),
}
TRIALS, FEW = 5, 3
QUICK = {"river", "alibi"}  # that are asked again for every size
PATIENCE = 900  # seconds for all trials of one peer


def figures() -> Mapping[str, float]:
    """Return, per shift and tool, the share of trials in which it was found; ``none``: in which anything was."""
    found = {f"shift_{shift}_prunella": share for shift, share in own(TRIALS).items()}
    for peer, requirements in NEEDS.items():
        python = python_of(peer, *requirements)
        if python is None:
            continue
        shares = _asked(peer, python)
        found |= {f"shift_{name}_{peer}": share for name, share in shares.items()}
        if peer in {"river", "nannyml"}:
            strict = _asked(peer, python, "strict")
            found |= {f"shift_{name}_{peer}_silent": share for name, share in strict.items()}
        if peer in QUICK:
            found |= {f"rows_until_{name}_{peer}": rows for name, rows in _asked(peer, python, "until").items()}
    rows = {shift: until(_columns, shift, FEW) for shift in SHIFTS[1:]}
    return found | {f"rows_until_{shift}_prunella": n for shift, n in rows.items() if n < float("inf")}


def _columns(one: Columns, two: Columns) -> set[str]:
    return _named(compare(_held(one), _held(two)))


def _asked(peer: str, python: Path, *how: str) -> dict[str, float]:
    """Run a peer in its own environment; nothing, with a word, where it fails or takes too long."""
    trials = FEW if how == ("until",) else TRIALS
    command = [str(python), str(Path(__file__).parent / "shifts.py"), peer, str(trials), *how]
    quiet = os.environ | {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{peer}: not done after {PATIENCE} s\n")
        return {}
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{peer}: {(error.stderr.strip().splitlines() or ['failed'])[-1]}\n")
        return {}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def own(trials: int) -> dict[str, float]:
    """Return our own shares."""
    shares = {}
    for shift in SHIFTS:
        hits = 0
        for trial in range(trials):
            report = compare(_rows(2 * trial), _rows(2 * trial + 1, shift))
            hits += report.alarming if shift == "none" else bool(_named(report) & CONCERNED[shift])
        shares[shift] = hits / trials
    return shares


def _rows(seed: int, shift: str = "none") -> Rows:
    return _held(table(seed, shift))


def _held(columns: Columns) -> Rows:
    return Rows(
        "rows",
        **{name: column.tolist() if column.dtype.kind == "U" else column for name, column in columns.items()},
    )


def _named(report: DriftReport) -> set[str]:
    """Return every column that the report asks a person to look at."""
    names = {move.feature for move in report.moves if move.verdict == "moved"}
    names |= {fault.column for fault in report.faults} | {segment.feature for segment in report.segments}
    for one in report.joint:
        if one.verdict == "moved" and one.test == "correlation":
            names |= set(np.array(one.text.split())) & {f"f{at}" for at in range(8)}
    return names
