"""Durations as people write them: ``30s``, ``5m``, ``2h``, ``7d``, or plain seconds."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` says; ``ValueError`` when it says none. ``1h30m`` is 90 minutes."""
    compact = text.strip().replace(" ", "")
    parts = _WRITTEN.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text[:40]!r} is no duration: write 30s, 5m, 2h or 7d")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def written(value: timedelta) -> str:
    """Return a duration as people write it: ``timedelta(seconds=90)`` is ``1m30s``."""
    rest = value.total_seconds()
    out = ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _SECONDS[unit])
        out += f"{count:.0f}{unit}" if count else ""
    return out + (f"{rest:g}s" if rest or not out else "")


def _read(value: Any) -> Any:
    if isinstance(value, str) and not value.lstrip("+-").startswith("P") and ":" not in value:
        return parse_duration(value)
    return value


Duration = Annotated[timedelta, BeforeValidator(_read)]
