"""How late labels come, learned from when they came: it says how far back answers with labels are looked for."""

from datetime import datetime, timedelta

LEAST = timedelta(hours=1)  # how far back they are looked for at least
ROOM = 3  # times the delay seen last
WIDER = (*(LEAST * 4**step for step in range(5)), timedelta(days=31))  # where nobody knows yet: one a look


class Lateness:
    """Of one service. Labels that stop are no late ones: those looked for further back must be new.

    >>> late, now = Lateness(), datetime(2026, 3, 1)
    >>> late.take(now, None)
    False
    >>> late.reach
    datetime.timedelta(seconds=14400)
    >>> late.take(now, now - timedelta(hours=3)), late.reach
    (True, datetime.timedelta(seconds=32400))
    """

    def __init__(self) -> None:
        self._newest: datetime | None = None  # answer whose label was known
        self._delay: timedelta | None = None  # None: not known, or no longer
        self._step = 0

    @property
    def reach(self) -> timedelta:
        """How far back to look now."""
        return WIDER[self._step % len(WIDER)] if self._delay is None else max(LEAST, ROOM * self._delay)

    def since(self, now: datetime, window: timedelta) -> datetime:
        """Return from when on to look first: no further back than the window before the newest label that is known."""
        back = now - self.reach
        return back if self._newest is None or self._delay is None else max(back, self._newest - window)

    def take(self, now: datetime, newest: datetime | None) -> bool:
        """Note the newest labelled answer that a look found, None for none; whether it says how things are now."""
        if newest is not None and (self._newest is None or newest > self._newest):
            self._newest, self._delay, self._step = newest, now - newest, 0
            return True
        if newest is not None and self._delay is not None:
            return True
        self._step = 1 if self._delay is not None else self._step + 1
        self._delay = None
        return False
