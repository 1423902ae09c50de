"""Dates as people write them: ISO, day or month first, names of months, 2026年11月22日; seconds since 1970.

Which number is the day is told by those above 12. Where none is, the reading that puts the instants closer together
is taken; where both do that equally, the day stands first. Whatever was guessed is said.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.float64]
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SPOKEN: Final = re.compile(
    r"\s*(?:[a-z]{3,9}\.?,?\s+)??(?P<one>\d{1,2}|[a-z]{3,9})(?:\.\s*|,?\s+|[/\-])(?P<two>\d{1,2}|[a-z]{3,9})"
    r"(?:\.\s*|,?\s+|[/\-])(?P<year>\d{4}|\d{2})"
    r"(?:(?:,?\s+|t|:)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?(?:\s*(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2}))?)?\s*",
    re.IGNORECASE,
)
EASTERN: Final = re.compile(
    r"\s*(?P<year>\d{4})\s*[年년]\s*(?P<month>\d{1,2})\s*[月월]\s*(?P<day>\d{1,2})\s*[日号일]\s*(?:\([^)]*\)\s*)?"
    r"(?:(?P<half>午前|午後|上午|下午|오전|오후)?\s*(?P<hour>\d{1,2})\s*[時时点點시:]\s*(?:(?P<minute>\d{1,2})\s*[分분:]?\s*(?:(?P<second>\d{1,2})\s*[秒초]?\s*)?)?)?"
)
LATER: Final = ("午後", "下午", "오후")
HOUR: Final = 3600
FORMS: Final = {1e7: "%Y%m%d", 1e11: "%Y%m%d%H%M", 1e13: "%Y%m%d%H%M%S"}  # numbers of that size, as they are written
YEAR_FIRST, DAY_FIRST = ("%Y", "%m", "%d", "%H", "%M", "%S"), ("%d", "%m", "%Y", "%H", "%M", "%S")
SHEET, SHEET_EPOCH, ROUNDED = (36_526, 62_091), 25_569, 0.1  # days of 2000 to 2070, of 1970; seconds lost in writing


def read(names: Sequence[str], form: str | None = None) -> tuple[Instants, str | None]:
    """Return instants, NaN where a text is none, and what was guessed; ``form`` is how they are written (strptime).

    >>> found, said = read(["28/02/2026 10:00", "01/03/2026 10:00", "soon"])
    >>> [str(np.datetime64(int(at), "s")) for at in found[:2]], said
    (['2026-02-28T10:00:00', '2026-03-01T10:00:00'], None)
    >>> read(["03/04/2026"])[1]
    "'03/04/2026' may be 3 April or 4 March 2026: read with the day first"
    """
    if form is not None:
        return np.array([_formed(name, form) for name in names]), None
    found = np.array([_iso(name) for name in names])
    places = [int(place) for place in np.flatnonzero(np.isnan(found))]
    day_first, month_first = np.array([_spoken(names[place]) for place in places]).reshape(-1, 2).T
    months, guessed = _chosen(day_first, month_first)
    found[places] = month_first if months else day_first
    apart = np.flatnonzero((day_first != month_first) & np.isfinite(day_first))
    return found, _doubt(names[places[int(apart[0])]], months) if guessed else None


def numbered(values: Instants) -> Instants | None:
    """Return instants of numbers such as 20260228, 202602281000 or 20260228100000; None where they are not all dates.

    >>> numbered(np.array([20260228.0, 20260301.0]))
    array([1.7722368e+09, 1.7723232e+09])
    >>> numbered(np.array([20260228.0, 20260299.0])) is None
    True
    """
    there = values[np.isfinite(values)]
    if not len(there) or (there % 1).any():
        return None
    forms = (form for least, form in FORMS.items() if 1.8 * least < there.min() <= there.max() < 2.2 * least)
    if (form := next(forms, None)) is None:
        return None
    found = np.array([_formed(str(int(value)), form) if np.isfinite(value) else np.nan for value in values])
    return None if np.isnan(found[np.isfinite(values)]).any() else found


def reckoned(values: Instants) -> tuple[Instants, str] | None:
    """Return instants of days since 1899-12-30, as spreadsheets count them, and that they were read so.

    None where they cannot be that: from 2000 to 2070, and not whole days alone, which any counter could be.

    >>> reckoned(np.array([46054.0, 46054.25]))[0].astype("datetime64[s]").astype(str).tolist()
    ['2026-02-01T00:00:00', '2026-02-01T06:00:00']
    >>> reckoned(np.array([46054.0, 46055.0])) is None
    True
    """
    there = values[np.isfinite(values)]
    if not len(there) or not SHEET[0] < there.min() <= there.max() < SHEET[1] or not (there % 1).any():
        return None
    found = (values - SHEET_EPOCH) * 24 * HOUR
    whole = np.round(found)
    found = whole if np.nanmax(np.abs(found - whole)) < ROUNDED else found
    first = datetime.fromtimestamp(float(found[np.isfinite(found)][0]), UTC)
    return found, f"{there[0]:.10g} was read as days since 1899-12-30, as spreadsheets count: {first:%Y-%m-%d %H:%M}"


def _iso(text: str) -> float:
    text = text.strip()
    if text[4:5] in {"/", "."}:
        text = text.replace(text[4], "-", 2)
    try:
        return _seconds(datetime.fromisoformat(text))
    except ValueError:
        return _eastern(text)


def _eastern(text: str) -> float:
    """Return the instant of a date with the signs of China, Japan or Korea; NaN where it is none."""
    found = EASTERN.fullmatch(normalize("NFKC", text))
    if found is None:
        return np.nan
    part = found.groupdict()
    hour, half = int(part["hour"] or 0), part["half"]
    if half:
        hour = hour % 12 + (12 if half in LATER else 0)
    try:
        day = datetime(int(found["year"]), int(found["month"]), int(found["day"]), tzinfo=UTC)
        return day.replace(hour=hour, minute=int(part["minute"] or 0), second=int(part["second"] or 0)).timestamp()
    except ValueError:
        return np.nan


def form(text: str) -> str:
    """Return how a text may be written, as for ``strptime``, for a person to mend.

    >>> form("2026#11#22 10.30"), form("22-11-2026 10h30"), form("soon")
    ('%Y#%m#%d %H.%M', '%d-%m-%Y %Hh%M', '%m/%d/%Y %H:%M')
    """
    parts = iter(YEAR_FIRST if re.match(r"\s*\d{4}", text) else DAY_FIRST)
    runs = len(re.findall(r"\d+", text))
    return re.sub(r"\d+", lambda _: next(parts), text.strip()) if 3 <= runs <= len(YEAR_FIRST) else "%m/%d/%Y %H:%M"


def _formed(text: str, form: str) -> float:
    try:
        return _seconds(datetime.strptime(text.strip(), form))  # noqa: DTZ007 - a zone is added where there is none
    except ValueError:
        return np.nan


def _seconds(found: datetime) -> float:
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _spoken(text: str) -> tuple[float, float]:
    """Return the instant with the day in the first field, and in the second; NaN where that is none."""
    found = SPOKEN.fullmatch(text)
    if found is None:
        return np.nan, np.nan
    one, two = found["one"], found["two"]
    if one.isalpha() or two.isalpha():
        only = _instant(found, *((two, one) if one.isalpha() else (one, two)))
        return only, only
    return _instant(found, one, two), _instant(found, two, one)


def _instant(found: re.Match[str], day: str, month: str) -> float:
    try:
        whole = datetime(_year(found["year"]), _month(month), int(day), tzinfo=_zone(found["zone"] or "z"))
        return (whole + _clock(found.groupdict())).timestamp()
    except (ValueError, OverflowError):
        return np.nan


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _month(text: str) -> int:
    return int(text) if text.isdigit() else MONTHS.index(text[:3].lower()) + 1


def _clock(part: dict[str, str | None]) -> timedelta:
    hour, half = int(part["hour"] or 0), (part["half"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or int(part["minute"] or 0) > 59:
        raise ValueError(f"no time of the day: {hour}")
    second = float((part["second"] or "0").replace(",", "."))
    return timedelta(hours=hour, minutes=int(part["minute"] or 0), seconds=second)


def _zone(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    away = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(away if text[0] == "+" else -away)


def _chosen(day_first: Instants, month_first: Instants) -> tuple[bool, bool]:
    """Return whether the month stands first, and whether that is a guess."""
    wrong, other = (int(np.isnan(one).sum()) for one in (day_first, month_first))
    if wrong != other or np.array_equal(day_first, month_first, equal_nan=True):
        return wrong > other, False
    return _span(month_first) < _span(day_first), True


def _span(instants: Instants) -> float:
    return float(np.nanmax(instants) - np.nanmin(instants))


def _doubt(text: str, month_first: bool) -> str:
    """Return what was guessed, for a text whose day and month differ."""
    found = SPOKEN.fullmatch(text)
    assert found is not None
    one, two, year = int(found["one"]), int(found["two"]), _year(found["year"])
    first, second = (f"{day} {date(year, month, 1):%B}" for day, month in ((one, two), (two, one)))
    return (
        f"{text.strip()!r} may be {first} or {second} {year}: read with the {'month' if month_first else 'day'} first"
    )
