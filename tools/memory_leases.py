"""Leases in memory, for drills and tests: same contract as those of a cluster."""

import threading
from dataclasses import replace

from tools.lease import Hold


class MemoryLeases:
    """Implements ``tools.lease.TargetLeases``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[str, Hold] = {}

    def read(self, target: str) -> Hold | None:
        """Return the last hold on a target."""
        with self._lock:
            return self._all.get(target)

    def write(self, target: str, hold: Hold) -> bool:
        """Change a lease that is still as it was read."""
        with self._lock:
            known = self._all.get(target)
            if hold.version != (known.version if known else ""):
                return False
            self._all[target] = replace(hold, version=str(int(hold.version or 0) + 1))
            return True
