"""A columnar metric store: every raw series is a column, the last ticks are rows of a ring.

A *family* is one metric over an axis of rows (pods, GPUs, nodes, services, vendor routes) and a fixed set of variants
(status codes, histogram edges). The present values are one flat vector; ``view`` gives a family's share of it, which
the mechanics write in place, so that counters accumulate where they are read.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Axis = Literal["pod", "gpu", "node", "service", "vendor"]
Variant = tuple[tuple[str, str], ...]

DEPTH = 45  # ticks kept raw


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: where its columns lie, over which axis, with which variants of labels."""

    name: str
    axis: Axis
    offset: int
    rows: int
    variants: tuple[Variant, ...]
    edges: tuple[float, ...] = ()  # finite upper bounds, where this is a ``_bucket`` family
    only: str = ""  # kind of service whose rows carry it; empty: all

    @property
    def width(self) -> int:
        """Columns per row."""
        return len(self.variants)

    def columns(self, row: int) -> range:
        """Columns of one row."""
        width = len(self.variants)
        start = self.offset + row * width
        return range(start, start + width)


class Store:
    """Families, the present vector, and the ring."""

    def __init__(self, sizes: dict[Axis, int]) -> None:
        self.sizes = sizes
        self.families: dict[str, list[Family]] = {}
        self._all: list[Family] = []
        self._along: dict[Axis, list[Family]] = {}
        self._width = 0
        self.views: dict[str, Floats] = {}  # by name, after ``seal``
        self.now: Floats = np.empty(0)
        self.ring: Floats = np.empty((0, 0))
        self.times: Floats = np.full(DEPTH, np.nan)
        self.ticks = 0

    def add(self, name: str, axis: Axis, variants: tuple[Variant, ...] = ((),), only: str = "") -> Family:
        """Declare a family; before ``seal``."""
        family = Family(name, axis, self._width, self.sizes[axis], variants, only=only)
        return self._keep(family)

    def add_histogram(self, name: str, axis: Axis, edges: tuple[float, ...], only: str = "") -> Family:
        """Declare a classic histogram ``name_bucket`` with cumulative buckets."""
        variants = (*((("le", f"{edge:g}"),) for edge in edges), (("le", "+Inf"),))
        family = Family(f"{name}_bucket", axis, self._width, self.sizes[axis], variants, edges, only)
        return self._keep(family)

    def _keep(self, family: Family) -> Family:
        self._all.append(family)
        self._along.setdefault(family.axis, []).append(family)
        self.families.setdefault(family.name, []).append(family)
        self._width += family.rows * family.width
        return family

    def seal(self) -> None:
        """Allocate; no family may be added after."""
        self.now = np.full(self._width, np.nan)
        self.ring = np.full((DEPTH, self._width), np.nan)
        self.views.update({family.name: self.view(family) for family in self._all})

    def view(self, family: Family) -> Floats:
        """Return the family's present values, shape (rows, variants), writable in place."""
        block = self.now[family.offset : family.offset + family.rows * family.width]
        return block.reshape(family.rows, family.width)

    def born(self, axis: Axis, row: int, only: str = "") -> None:
        """Start the series of a row: counters at zero, no past."""
        for family in self._along.get(axis, ()):
            columns = family.columns(row)
            self.ring[:, columns.start : columns.stop] = np.nan
            self.now[columns.start : columns.stop] = 0.0 if family.only in ("", only) else np.nan

    def died(self, axis: Axis, row: int) -> None:
        """End the series of a row."""
        for family in self._along.get(axis, ()):
            columns = family.columns(row)
            self.now[columns.start : columns.stop] = np.nan

    def reset(self, axis: Axis, row: int) -> None:
        """Restart what a row's own process counts at zero; what the cluster counts about it goes on."""
        for family in self._along.get(axis, ()):
            if family.only:
                columns = family.columns(row)
                part = self.now[columns.start : columns.stop]
                part[np.isfinite(part)] = 0.0

    def keep(self, at: float) -> None:
        """Scrape: put the present vector into the ring as of ``at`` (POSIX seconds)."""
        place = self.ticks % DEPTH
        self.ring[place] = self.now
        self.times[place] = at
        self.ticks += 1

    def blank(self, name: str) -> None:
        """Leave a metric out of the newest scrape; what it counts goes on."""
        newest = self.ring[(self.ticks - 1) % DEPTH]
        for family in self.families.get(name, ()):
            newest[family.offset : family.offset + family.rows * family.width] = np.nan

    def places(self, at: float, seconds: float) -> NDArray[np.intp]:
        """Return ring places of scrapes in (at - seconds, at], oldest first."""
        held = min(self.ticks, DEPTH)
        order = np.arange(self.ticks - held, self.ticks) % DEPTH
        times = self.times[order]
        return order[(times <= at + 1e-6) & (times > at - seconds + 1e-6)]
