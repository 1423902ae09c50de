"""Faults of text: encodings, letter case and spaces, unseen values, dates whose day and month changed places."""

import re
from collections.abc import Iterator, Mapping

from agent.drift.chance import rate_p
from agent.drift.faults import OFTEN, SURELY
from agent.drift.finding import Fault
from agent.drift.gathering import Gathered

DATE = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})\b")
BROKEN = ("\ufffd",)  # what decoders put where they gave up
WRONGLY = ("latin-1", "cp1252")  # what UTF-8 is read as by mistake


def text_faults(gathered: Gathered) -> Iterator[Fault]:
    """Name what became of each text column; at most one fault each."""
    for name, (before, after) in gathered.texts.items():
        total, was = sum(after.values()), sum(before.values())
        if not total or not was:
            continue
        yield from _first(dates(name, before, after), _unseen(name, before, after, (was, total)))


def _first(*sources: Iterator[Fault]) -> Iterator[Fault]:
    for source in sources:
        for fault in source:
            yield fault
            return


def _unseen(name: str, before: Mapping[str, int], after: Mapping[str, int], rows: tuple[int, int]) -> Iterator[Fault]:
    """Values never seen before, more than the reference's own singletons let expect (Good and Turing)."""
    fresh = {value: n for value, n in after.items() if value not in before}
    hits = sum(fresh.values())
    once = sum(1 for n in before.values() if n == 1)
    if hits < OFTEN * rows[1] or float(rate_p(once, rows[0], hits, rows[1])) > SURELY:
        return
    share = hits / rows[1]
    example = max(fresh, key=lambda value: (fresh[value], value))
    kind, text = _explained(before, fresh)
    yield Fault(
        column=name,
        kind=kind,
        text=f"{share:.1%} of the values are {text}, for example {example!r}",
        share=share,
        sure=0.7 if kind == "unseen" else 0.95,
        example=example,
    )


def _explained(before: Mapping[str, int], fresh: Mapping[str, int]) -> tuple[str, str]:
    """Say what most of the unseen values are."""
    plain = {_plain(value) for value in before}
    hits = sum(fresh.values())
    coded = sum(n for value, n in fresh.items() if broken(value) or repaired(value) in before)
    spelt = sum(n for value, n in fresh.items() if _plain(value) in plain)
    if coded > hits / 2:
        return "encoding", "known ones in a wrong encoding"
    if spelt > hits / 2:
        return "spelling", "known ones in other letter case or spacing"
    return "unseen", "new categories"


def _plain(value: str) -> str:
    return " ".join(value.casefold().split())


def broken(value: str) -> bool:
    """Whether a decoder gave up inside."""
    return any(mark in value for mark in BROKEN)


def repaired(value: str) -> str | None:
    """Return what a value was before it was read in a wrong encoding; None where it was not.

    >>> repaired("MÃ¼nchen")
    'München'
    """
    for encoding in WRONGLY:
        try:
            right = value.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if right != value:
            return right
    return None


def dates(name: str, before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Fault]:
    """Numerals above 12 say which field is the day; when they change their field, so did day and month."""
    was, now = _day_field(before), _day_field(after)
    if was and now and was != now:
        order = {1: "day/month", 2: "month/day"}
        text = f"dates are written {order[now]}, were {order[was]}: day and month changed places"
        yield Fault(column=name, kind="day and month", text=text, share=1.0, sure=0.95)


def _day_field(values: Mapping[str, int]) -> int | None:
    """Return which field of the dates is the day, 1 or 2; None where nothing says so, or both."""
    matches = [(match, n) for value, n in values.items() if (match := DATE.match(value))]
    if not matches or sum(n for _, n in matches) < 0.9 * sum(values.values()):
        return None
    first = sum(n for match, n in matches if int(match[1]) > 12)
    second = sum(n for match, n in matches if int(match[2]) > 12)
    if max(first, second) < 10 or min(first, second) > 0.02 * max(first, second):
        return None
    return 1 if first > second else 2
