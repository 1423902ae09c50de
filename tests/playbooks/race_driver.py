"""Sixteen people and sixteen executors in one process, all at once: ``python -m tests.playbooks.race_driver FOLDER``.

Each thread answers the one question with yes, then carries the plan out if anybody's yes stands. Run it twice at once.
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playbooks.executor import Executor
from policies.approvals import KIND, answer, fold
from tests.playbooks.fake import FakeClock, holds, plan_of
from tests.playbooks.kill9_driver import FileWorld
from tools.errors import Refused, Transient
from tools.live.journal import SqlJournal

THREADS = 16


def main(folder: Path, question: str) -> None:
    """Race; prints how many answers of this process counted."""
    journal, plan = SqlJournal(f"sqlite:///{folder / 'journal.sqlite'}"), plan_of("rollback_release")
    barrier = threading.Barrier(THREADS)
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.001)

    def one(number: int) -> bool:
        clock = FakeClock()
        barrier.wait()
        try:
            answer(journal, question, f"{os.getpid()}-{number}", yes=True, now=clock.now())
            won = True
        except (Refused, Transient):
            won = False
        if fold(journal.entries(kinds=(KIND,)))[question].state == "approved":
            world = FileWorld(folder / "world.sqlite", clock)
            Executor(world, journal, clock, holds, f"{os.getpid()}-{number}").advance(plan)
            world.close()
        return won

    with ThreadPoolExecutor(THREADS) as pool:
        print(sum(pool.map(one, range(THREADS))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
