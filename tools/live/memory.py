"""A few bytes that outlive the process: one file, replaced as a whole."""

import os
from pathlib import Path

from tools.errors import Refused


class FileMemory:
    """Implements ``tools.ports.Memory``. Whoever reads sees the old bytes or the new ones, never a part."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """Return what was written last; None where nothing was."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(f"{self._path}: {error.strerror}") from error

    def write(self, content: bytes) -> None:
        """Replace what is kept."""
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise Refused(f"{self._path}: {error.strerror}") from error
