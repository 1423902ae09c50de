"""What the eyes may bother people with: a budget of false alerts in words; where what they learned is kept."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from config.duration import Duration
from config.frozen import Frozen

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = {word: number for number, word in enumerate(WORDS)} | {"a": 1}
PERIODS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "fortnight": 14.0, "month": 30.0, "quarter": 91.0, "year": 365.0}
FORM = re.compile(
    r"(at most )?(?P<number>[\w.]+)( false)? (alert|alarm)s?"
    r" (per|a|an|for every|each) (?P<whom>service|series|signal|fleet)"
    r" (per|a|an|every|each|in) ((?P<many>\w+) )?(?P<period>hour|day|week|fortnight|month|quarter|year)s?"
)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True, slots=True)
class Bearable:
    """So many false alerts in so many days for every ``whom``: a series, a service or the fleet."""

    alerts: float
    days: float
    whom: str = "series"


def bearable(words: str) -> Bearable:
    """Read a budget; ``ValueError`` with an example when it is not understood.

    >>> bearable("one false alert per service per month")
    Bearable(alerts=1.0, days=30.0, whom='service')
    >>> bearable("3 alerts a series every 2 weeks")
    Bearable(alerts=3.0, days=14.0, whom='series')
    """
    found = FORM.fullmatch(" ".join(re.sub(r"(?<=\w)-(?=\w)", " ", words.lower()).split()))
    alerts = _number(found["number"]) if found else None
    many = _number(found["many"] or "one") if found else None
    if found is None or alerts is None or not many:
        raise ValueError(f'cannot read the budget {words!r}; say it like "one false alert per service per month"')
    return Bearable(alerts, many * PERIODS[found["period"]], found["whom"])


def _number(word: str) -> float | None:
    if word in NUMBERS:
        return float(NUMBERS[word])
    return float(word) if re.fullmatch(r"\d+(\.\d+)?", word, re.ASCII) else None


class EyesSettings(Frozen):
    """What departs from its own past and breaks no promise: told in digests and beside incidents, opening none."""

    budget: str = Field(
        default="one false alert per service per month",
        description="false alerts that people bear, in words: about departures from the usual, not broken objectives",
    )
    engine: Literal["numpy", "torch-cpu", "torch-cuda"] = Field(
        default="numpy",
        description="what advances the series; NumPy is the fastest on a processor. Same alarms, same state",
    )
    state: Path = Field(
        default=Path("prunella-eyes.npz"),
        description="file in which what the eyes have learned survives a restart; it may be deleted: they learn anew",
    )
    save_every: Duration = Field(
        default=timedelta(minutes=10), gt=timedelta(0), description="between two savings of that state"
    )

    digest_at: int = Field(default=7, ge=0, le=23, description="hour (UTC) at which the digest of the day is written")
    digest_on: Weekday = Field(
        default="mon", description="day on which, at that hour, the digest of the week is written"
    )

    @field_validator("budget")
    @classmethod
    def _understood(cls, words: str) -> str:
        bearable(words)
        return words
