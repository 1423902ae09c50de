"""Show a daemon while it works: once, or until told to stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from rich.console import Console

from agent.casebook import Snapshot
from agent.view.logs import set_up
from agent.view.screen import Screen, screen
from config.settings import LogSettings

_REDRAW = 0.5  # seconds


class Daemon(Protocol):
    """What ``agent.wiring.build`` returns."""

    def tick(self) -> object:
        """Observe, reason and act once."""
        ...

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set."""
        ...

    def snapshot(self) -> Snapshot:
        """Return what there is to see now; safe to call from another thread."""
        ...


def look_once(daemon: Daemon) -> bool:
    """Tick once and show what was seen; True when all is well, and nothing keeps Prunella from acting."""
    daemon.tick()
    console = Console()
    seen = daemon.snapshot()
    with screen(console, headless=False) as shown:
        shown.show(seen)
    if not console.is_terminal:
        for row in seen.services:
            console.print(f"{row.name} {row.state}", markup=False, highlight=False)
    halted = any(problem.startswith("halted") for problem in seen.problems)
    well = all(row.state == "ok" for row in seen.services) and not any(case.is_open for case in seen.cases)
    return well and not halted


def guard(daemon: Daemon, log: LogSettings, *, headless: bool) -> bool:
    """Run the daemon until SIGINT or SIGTERM; True when it stopped as told. Its own failure is raised here."""
    console = Console()
    plain = headless or not console.is_terminal
    set_up(log if plain else log.model_copy(update={"level": "error"}), sys.stderr)
    stop = threading.Event()
    with (
        _stopping_on_signals(stop),
        ThreadPoolExecutor(1, thread_name_prefix="daemon") as pool,
        screen(console, headless=plain) as shown,
    ):
        shown.catch_up(daemon.snapshot())
        running = pool.submit(daemon.run, stop)
        try:
            _watch(daemon, running, shown, stop)
        finally:
            stop.set()
        running.result()
    return True


def _watch(daemon: Daemon, running: "Future[None]", shown: Screen, stop: threading.Event) -> None:
    while not running.done() and not stop.wait(_REDRAW):
        shown.show(daemon.snapshot())
    shown.show(daemon.snapshot())


@contextmanager
def _stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` on SIGINT and SIGTERM for the length of a block."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
