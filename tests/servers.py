"""Have the real servers that the tests start: ``python -m tests.servers``.

Run before the tests, so that none of them waits for a build, and no two build at once. What cannot be had is said here;
the tests that need it then skip with the same words, and fail under ``CI=true``.
"""

import sys
from collections.abc import Callable

from simulator.lab.binaries import LabError, find_control_plane, find_prometheus
from tests.contracts.mlflow_server import find_mlflow
from tests.contracts.spark import find_spark
from tests.drill.ray_cluster import find_ray

SERVERS: dict[str, Callable[[], object]] = {
    "control plane": lambda: find_control_plane(_say),
    "Prometheus": lambda: find_prometheus(_say),
    "MLflow": find_mlflow,
    "Spark": find_spark,
    "Ray": find_ray,
}


def main() -> None:
    """Find or install each; a failure is told, and the next is tried."""
    for name, find in SERVERS.items():
        try:
            find()
        except LabError as error:
            _say(f"{name}: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
