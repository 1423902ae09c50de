"""A vital sign of a process: what it says of itself, in the terms of a metrics page."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

_NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Vital(NamedTuple):
    """One reading, e.g. ``prunella_cases{phase="recovered"} 12``. A name ends in ``_total`` where it only grows."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = _NO_LABELS


class Patient(Protocol):
    """Who says how he is. Both are called from other threads, and must not wait for anybody."""

    def vitals(self) -> Sequence[Vital]:
        """Return the readings as they were last taken."""
        ...

    def stalled(self) -> str:
        """Return in words since when nothing went on; empty: all goes on."""
        ...
