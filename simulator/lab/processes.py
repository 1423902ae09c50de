"""Real processes of one run: started in sessions of their own, written down at once, stopped as whole groups.

The book is a file (`RUN_DIR/pids`, one line `name pid start-time` each), so that another process can stop the run, and
so that a process number which the kernel has handed to somebody else since is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PIDS = "pids"


@dataclass(frozen=True, slots=True)
class Running:
    """One process of the book; `born` is its start time in clock ticks since boot."""

    name: str
    pid: int
    born: int


def born_at(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None when it is gone or only its exit status is left."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def spawn(argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, stdin: int | None = None) -> int:
    """Start a command in a session of its own, its output appended to `log`; returns its process number."""
    log.parent.mkdir(parents=True, exist_ok=True)
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    if stdin is None:
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    else:
        actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    environment = dict(os.environ if env is None else env)
    return os.posix_spawnp(argv[0], list(argv), environment, file_actions=actions, setsid=True)


class ProcessBook:
    """Starts the processes of one run directory and writes each down before anything else happens."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> int:
        """Start and record a command; its output goes to `RUN_DIR/logs/NAME.log` unless told otherwise."""
        pid = spawn(argv, log or self._run_dir / "logs" / f"{name}.log", env)
        record(self._run_dir, name, pid)
        return pid


def record(run_dir: Path, name: str, pid: int) -> None:
    """Write a process into the book; one `write` of one line, so several writers may share the file."""
    with (run_dir / PIDS).open("a") as book:
        book.write(f"{name} {pid} {born_at(pid) or 0}\n")


def running(run_dir: Path) -> list[Running]:
    """The processes of the book that still live, oldest first."""
    book = run_dir / PIDS
    lines = book.read_text().splitlines() if book.exists() else []
    entries = [Running(name, int(pid), int(born)) for name, pid, born in (line.rsplit(" ", 2) for line in lines)]
    return [entry for entry in entries if alive(entry)]


def alive(entry: Running) -> bool:
    """Whether the very process that was written down still lives."""
    reap(entry.pid)
    return born_at(entry.pid) == entry.born


def reap(pid: int) -> int | None:
    """Exit status of a child that has ended, None when it runs still or is no child of ours."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if done else None


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the whole session of a process started here; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def stop_all(run_dir: Path, grace_s: float = 6.0) -> int:
    """Stop every process of the book: politely, then for good after `grace_s` seconds; returns how many there were."""
    found = running(run_dir)
    for entry in reversed(found):
        signal_group(entry.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while any(alive(entry) for entry in found) and time.monotonic() < deadline:
        time.sleep(0.05)
    # Containers may have been started between the first look and the kubelet's own end: look until none is left.
    while late := running(run_dir):
        for entry in late:
            signal_group(entry.pid, signal.SIGKILL)
        time.sleep(0.02)
    return len(found)


class Guard:
    """Stops a run when its holder dies in whatever way: a reaper waits on a pipe that only the holder keeps open."""

    def __init__(self, run_dir: Path) -> None:
        read_end, self._write_end = os.pipe()
        argv = [sys.executable, "-m", "simulator.lab.reaper", str(run_dir)]
        self._pid = spawn(argv, run_dir / "logs" / "reaper.log", python_env(), stdin=read_end)
        os.close(read_end)

    def close(self) -> None:
        """Let the reaper stop the run (nothing, if it is stopped already) and wait for its end."""
        os.close(self._write_end)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


@contextlib.contextmanager
def held(run_dir: Path) -> Iterator[Path]:
    """A run directory whose processes end with this block, or with this process however that ends."""
    run_dir.mkdir(parents=True, exist_ok=True)
    guard = Guard(run_dir)
    try:
        yield run_dir
    finally:
        stop_all(run_dir)
        guard.close()


def python_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment in which `python -m simulator.lab...` finds this very code and its interpreter, from any folder."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    bin_dir = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PATH": bin_dir + os.pathsep + os.environ.get("PATH", ""),
        "PYTHONUNBUFFERED": "1",
        **(extra or {}),
    }
