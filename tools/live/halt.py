"""The kill switch: a file. It works while the journal is down, and whoever can write a file can pull it."""

import json
from datetime import datetime
from pathlib import Path

from tools.errors import Absent, Refused


class HaltFile:
    """While the file is there, or cannot be looked for, nothing at all is changed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reason(self) -> str:
        """Return why nothing may be changed; empty: something may."""
        try:
            text = self._path.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"halted: {self._path.name} cannot be read ({error.strerror})"
        return f"halted: {_words(text)}"

    def pull(self, by: str, why: str, at: datetime) -> None:
        """Stop everything. ``Refused`` where the file cannot be written."""
        if not by.strip():
            raise Refused("halting wants a name of who halts")
        try:
            self._path.write_text(json.dumps({"by": by, "why": why, "at": at.isoformat()}) + "\n")
        except OSError as error:
            raise Refused(f"{self._path}: {error.strerror}") from error

    def lift(self) -> None:
        """Let Prunella act again. ``Absent`` when she was not halted."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            raise Absent("nothing is halted") from None
        except OSError as error:
            raise Refused(f"{self._path}: {error.strerror}") from error


def _words(text: str) -> str:
    """Return what the file says; whatever it says, it halts."""
    try:
        said = json.loads(text)
        return f"by {said['by']} at {said['at']}" + (f", {said['why']}" if said.get("why") else "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(text.split())[:120] or "the file is there"
