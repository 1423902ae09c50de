"""A real Ray on this machine, for ``prunella drill --engine ray``: 79 MB to fetch, so not everybody installs it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.contracts.parts import ROOT, find_parts

PARTS = ("ray", "jsonschema", "jsonschema-specifications", "msgpack", "protobuf", "referencing", "rpds-py")


def find_ray() -> Path:
    """Return the folder to put on Python's path; raises LabError where Ray cannot be had."""
    return find_parts("ray", PARTS)


def with_ray(arguments: Sequence[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run ``prunella`` where Ray can be imported; what Ray keeps at home it keeps in ``home``."""
    own = {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(find_ray()))),
        "HOME": str(home),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    argv = [sys.executable, "-c", "from simulator.cli import main; main()", *arguments]
    return subprocess.run(argv, cwd=home, env=inherited | own, capture_output=True, text=True, check=False)
