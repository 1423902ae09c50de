"""Time, handed in."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is. The only source of time in the product."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...
