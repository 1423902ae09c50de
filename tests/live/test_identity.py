"""A restarted process bears its predecessor's name; a second one beside it does not."""

import subprocess
import sys
from pathlib import Path

from tools.live.identity import own_name

SAY = (
    "import sys; from pathlib import Path; from tools.live.identity import own_name; print(own_name(Path(sys.argv[1])))"
)


def _another(lock: Path) -> str:
    done = subprocess.run([sys.executable, "-c", SAY, str(lock)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_name_belongs_to_one_living_process(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    first, second = _another(lock), _another(lock)
    assert first == second
    assert "#" not in first
    assert own_name(lock) == first
    assert _another(lock).startswith(f"{first}#")
    assert _another(tmp_path / "b.lock") != first


def test_a_lock_that_cannot_be_made_gives_a_name_of_ones_own(tmp_path: Path) -> None:
    assert "#" in own_name(tmp_path / "no" / "such" / "folder.lock")
