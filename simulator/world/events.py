"""The world's change log: what anybody, we included, changed."""

from datetime import datetime, timedelta
from typing import Literal

from tools.change import Change

Kind = Literal["release", "promotion", "config", "scale", "traffic", "node", "other"]
_KEPT = 500


class Changes:
    """Changes in the order in which they happened; the oldest are forgotten."""

    def __init__(self, start: datetime) -> None:
        self._changes: list[Change] = []
        self._made = 0
        self._start = start - timedelta(days=9)

    def add(self, at: datetime, kind: Kind, entity: str, actor: str, step: tuple[str, str], text: str = "") -> None:
        """Log one change; ``step`` is (before, after)."""
        self._made += 1
        name = f"chg-{self._made}"
        self._changes.append(
            Change(id=name, at=at, kind=kind, entity=entity, actor=actor, before=step[0], after=step[1], text=text)
        )
        del self._changes[:-_KEPT]

    def since(self, since: datetime, promotions: bool) -> tuple[Change, ...]:
        """Return changes at or after ``since``: promotions of models, or all others."""
        return tuple(c for c in self._changes if c.at >= since and (c.kind == "promotion") == promotions)
