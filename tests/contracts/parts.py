"""Packages that few need, installed once into a folder outside the checkout, at the versions of the constraints."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from simulator.lab.binaries import LabError, cache_dir

ROOT = Path(__file__).parents[2]


def find_parts(name: str, parts: Sequence[str]) -> Path:
    """Return the folder of these packages, to put on Python's path; raises LabError where they cannot be had.

    The first part's version names the folder. What they need besides is to be among them, or the project's own.
    """
    versions = _pinned(parts)
    folder = cache_dir().with_name(f"{name}-{versions[parts[0]]}")
    if not folder.exists():
        _install(folder, versions)
    return folder


def _pinned(parts: Sequence[str]) -> dict[str, str]:
    lines = (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {name: version for name, _, version in lines if name in parts}


def _install(folder: Path, versions: dict[str, str]) -> None:
    """Put the parts into a folder: into another beside it first, so that no half of one is ever found."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as beside:
        argv = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", beside]
        argv += [f"{name}=={version}" for name, version in versions.items()]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"{folder.name} cannot be installed: {done.stderr.strip()[-200:]}")
        Path(beside).chmod(0o755)
        Path(beside).rename(folder)
