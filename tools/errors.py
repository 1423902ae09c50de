"""The tree of failures that ports may raise. Adapters translate foreign exceptions into these and nothing else.

::

    ToolError
    +-- Transient    may pass; carries ``retry_after``
    +-- Refused      the other side said no (forbidden, conflict, invalid); retrying the same is useless
    +-- Absent       the thing is not there
    +-- Malformed    an answer that cannot be trusted
    +-- Ambiguous    an effect that may or may not have happened: ask before doing it again
"""

from datetime import timedelta


class ToolError(Exception):
    """Root of the tree; ``str`` of it is one line that a person can act on."""


class Transient(ToolError):
    """May pass by itself."""

    def __init__(self, message: str, retry_after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(ToolError):
    """The other side said no."""


class Held(Refused):
    """Not now: what held it up passes by itself, and says nothing of what was asked for."""


class Absent(ToolError):
    """The thing asked for does not exist."""


class Malformed(ToolError):
    """An answer that cannot be read, or contradicts itself."""


class Ambiguous(ToolError):
    """An effect that may have happened: the reply was lost."""
