"""The independent reverter: ``python -m simulator.staging.reverter``, run by a Job inside the cluster.

It says on the object that it stands ready, waits for the fault, and takes it back when its time is over. It needs the
API server and nothing else. It ends only when no field of that drill stands and none can come any more.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.servers import ClusterSettings
from simulator.staging.hands import Hands, Place
from simulator.staging.mark import last_drill, mark_of
from tools.errors import Absent, ToolError

STEP_S = 1.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Duty:
    """What one reverter has to take back; ``wait_s``: how long it waits for the fault."""

    place: Place
    operation: str
    wait_s: float


def stand_by(hands: Hands, duty: Duty, say: Say, sleep: Callable[[float], None] = time.sleep) -> None:
    """Stand ready, wait, take back. Raises ``ToolError`` where the API server fails: to be begun anew, from the top."""
    if last_drill(hands.read(duty.place)).startswith(f"{duty.operation}:"):
        say(f"{duty.operation}: taken back before")
        return
    hands.stand_ready(duty.place, duty.operation)
    say(f"{duty.operation}: ready to take back what is done to {duty.place.namespace}/{duty.place.name}")
    seen, began = False, hands.now()
    while True:
        mark = mark_of(hands.read(duty.place))
        now = hands.now()
        if mark is not None and mark.operation == duty.operation:
            seen = True
            if now >= mark.until:
                say(hands.take_back(duty.place, duty.operation))
                return
        elif seen:
            say(f"{duty.operation}: it was taken back before its time")
            return
        elif (now - began).total_seconds() > duty.wait_s and hands.stand_down(duty.place, duty.operation):
            say(f"{duty.operation}: no fault came within {duty.wait_s:g} s, and none can come any more")
            return
        sleep(STEP_S)


def main() -> int:
    """Stand by until nothing is left to do, whatever the API server does meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--operation", required=True)
    parser.add_argument("--wait", type=float, required=True)
    options = parser.parse_args()
    config = os.environ.get("KUBECONFIG")  # left out: the pod's own service account
    hands = Hands(ClusterSettings(kubeconfig=Path(config) if config else None))
    duty = Duty(Place(options.namespace, options.deployment), options.operation, options.wait)
    while True:
        try:
            stand_by(hands, duty, _say)
        except Absent as error:
            _say(f"{options.operation}: {error}: nothing is left to take back")
            return 0
        except ToolError as error:
            _say(f"{options.operation}: {error}; trying again")
            time.sleep(STEP_S)
        else:
            return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
