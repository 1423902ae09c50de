"""Clocks: which column of a table tells the time, and the instants of its rows."""

import re

import numpy as np
from numpy.typing import NDArray

from agent.eyes import dates
from tools.errors import Malformed
from tools.tables import Field, Kind, Labels, Table

NAMES = re.compile(
    r"(^|_)(time|timestamp|date|datetime|ts|at|epoch|when|instant|day|hour)(_|$)|_at$|^ds$", re.IGNORECASE
)
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # numbers greater than: parts of a second
AGO, AHEAD = 1e9, 2.5e9  # seconds since 1970 that a clock without a name may tell: 2001 to 2049
Instants = NDArray[np.float64]


def time_field(table: Table, name: str | None) -> tuple[Field, str | None]:
    """Return the column that tells the time, and how that is written where ``name`` says so: ``COLUMN=FORM``.

    It is the named one, else one of that type, else one of such a name, else one that holds dates or a running clock.
    """
    by_name = {one.name: one for one in table.fields}
    if name in by_name:
        return by_name[name], None
    if name is not None:
        column, said, form = name.rpartition("=")
        if not said or column not in by_name:
            raise Malformed(f"{table.name} has no column {name!r}; it has {', '.join(by_name)}")
        return by_name[column], form
    likely = [one for one in table.fields if one.kind is Kind.time]
    likely += [one for one in table.fields if one.kind in {Kind.number, Kind.text} and NAMES.search(one.name)]
    likely = likely or [one for one in table.fields if _tells_time(table, one)]
    if not likely:
        raise Malformed(f"{table.name} has no time column; name one with --time, it has {', '.join(by_name)}")
    return likely[0], None


def _tells_time(table: Table, one: Field) -> bool:
    """Whether a column holds dates as text, or is a first one that counts on from 2001 or later."""
    if one.kind not in {Kind.text, Kind.number} or (one.kind is Kind.number and one is not table.fields[0]):
        return False
    at, _ = instants(table, one)
    if one.kind is Kind.text:
        return bool(np.isfinite(at).all())
    return len(at) > 1 and bool((at > AGO).all() and (at < AHEAD).all() and (np.diff(at) >= 0).all())


def instants(table: Table, clock: Field, form: str | None = None) -> tuple[Instants, str | None]:
    """Return seconds since 1970 of each row, NaN where there is none, and what had to be guessed.

    Numbers may count parts of a second, or be written as dates are; ``form`` is how dates are written (strptime).
    """
    column = table.column(clock.name)
    if isinstance(column, Labels):
        read, guess = dates.read((*column.names, ""), form)
        return read[column.codes], guess  # the code of null is -1, the last
    if clock.kind is Kind.time:
        return column.values, None
    if (written := dates.numbered(column.values)) is not None:
        return written, None
    if (counted := dates.reckoned(column.values)) is not None:
        return counted
    size = float(np.nanmedian(np.abs(column.values))) if np.isfinite(column.values).any() else 0.0
    return column.values / next((parts for least, parts in UNITS if size > least), 1.0), None


def unreadable(table: Table, clock: Field) -> str:
    """Return in words what stands in a clock that cannot be read, and how to say what it means."""
    column = table.column(clock.name)
    text = column.names[0] if isinstance(column, Labels) and column.names else ""
    shown = f", such as {text!r}" if text else ""
    return f"{table.name}: no readable time in {clock.name!r}{shown}; {say(clock, text)}"


def say(clock: Field, text: str = "") -> str:
    """Return the option that says how a clock is written, which may be as ``text`` is."""
    return f"--time '{clock.name}={dates.form(text)}' says how it is written"
