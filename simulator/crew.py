"""Who guards a world in a drill: one controller that lives on, or one that is killed, or two of them by mistake."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from agent.casebook import Snapshot
from simulator.baselines import Guardian
from simulator.trouble import Killed, Lasts
from tools.clock import Clock
from tools.errors import ToolError
from tools.journal import Journal

AWAY = timedelta(minutes=3)  # until a killed controller has been started anew
AHEAD = timedelta(hours=1)  # by which a clock jumps


class JumpyClock:
    """The controller's clock; it jumps ahead while that trouble lasts."""

    def __init__(self, inner: Clock, lasts: Lasts) -> None:
        self._inner, self._lasts = inner, lasts

    def now(self) -> datetime:
        """Return what the controller takes for the present."""
        return self._inner.now() + (AHEAD if self._lasts("clock_jump") else timedelta())


class Shown(Guardian, Protocol):
    """A guardian that can be looked at."""

    def snapshot(self) -> Snapshot:
        """Return what there is to see now."""
        ...


class Crew:
    """Ticks whoever is on duty. A tick that fails is followed by the next one, as the daemon does it."""

    def __init__(self, journal: Journal, hire: Callable[[str], Shown], clock: Clock, lasts: Lasts) -> None:
        self._journal, self._hire, self._clock, self._lasts = journal, hire, clock, lasts
        self._first: Shown | None = hire("first")
        self._seen = self._first.snapshot()
        self._second: Shown | None = None
        self._died_at: datetime | None = None

    @property
    def journal(self) -> Journal:
        """What all of them write down."""
        return self._journal

    def snapshot(self) -> Snapshot:
        """Return what there is to see now; while the controller is dead, what was seen last."""
        self._seen = self._seen if self._first is None else self._first.snapshot()
        return self._seen

    def tick(self) -> None:
        """Let everybody who lives look once."""
        now = self._clock.now()
        if self._first is None and self._died_at is not None and now - self._died_at >= AWAY:
            self._first = self._hire("again")
        two = self._lasts("two_controllers")
        self._second = (self._second or self._hire("second")) if two else None
        for guardian in (self._first, self._second):
            if guardian is not None:
                self._let(guardian, now)

    def _let(self, guardian: Guardian, now: datetime) -> None:
        try:
            guardian.tick()
        except ToolError:
            return  # as the daemon does
        except Killed:
            self._first, self._died_at = None, now
