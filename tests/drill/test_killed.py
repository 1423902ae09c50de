"""A drill that is killed outright goes on where it was, and its result is the same to the last byte."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow
WORDS = ("drill", "vendor_outage", "vendor_slow", "--seeds", "2", "--for", "20m")
PATIENCE = 400.0  # seconds
RUN = "from simulator.cli import main; main()"


def drill(*more: str) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    argv = [sys.executable, "-c", RUN, *WORDS, *more]
    return subprocess.Popen(argv, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def until_kept(kept: Path, count: int) -> None:
    """Wait until so many episodes are in the file."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if kept.exists() and kept.read_text(encoding="utf-8").count('{"key"') >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"not {count} episodes within {PATIENCE} s")


def test_what_is_killed_twice_leaves_nobody_behind_and_ends_as_if_it_were_not(tmp_path: Path) -> None:
    whole, kept, card = tmp_path / "whole.json", tmp_path / "kept.jsonl", tmp_path / "card.json"
    assert drill("--json", str(whole), "--jobs", "1").wait(PATIENCE) == 0
    for count in (2, 5):
        killed = drill("--json", str(card), "--resume", str(kept), "--jobs", "2")
        until_kept(kept, count)
        workers = psutil.Process(killed.pid).children(recursive=True)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert workers
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive, "a process that nobody waits for any more plays on, or waits for ever"
    assert not card.exists()
    written = kept.read_bytes()
    assert drill("--json", str(card), "--resume", str(kept), "--jobs", "2").wait(PATIENCE) == 0
    assert kept.read_bytes().startswith(written), "what was finished is not played again"
    assert card.read_bytes() == whole.read_bytes()
