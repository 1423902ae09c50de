"""Environments of peers, for benchmarks alone: never in the product's own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_of(peer: str, *requirements: str) -> Path | None:
    """Return the interpreter of an environment that holds ``requirements``, made on first use; None where it cannot be.

    ``PRUNELLA_PEER_<NAME>`` names one that exists already.
    """
    given = os.environ.get(f"PRUNELLA_PEER_{peer.upper()}")
    if given:
        return Path(given)
    folder = ROOT / "build" / "peers" / peer
    python, ready, wanted = folder / "bin" / "python", folder / ".ready", "\n".join(requirements)
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=False)
        if done.returncode:
            sys.stderr.write(f"{peer}: cannot be installed here; its figures are left out\n")
            return None
        ready.write_text(wanted)
    return python
