"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """Implements ``tools.clock.Clock``."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)
