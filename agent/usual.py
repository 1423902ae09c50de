"""What a service is usually asked: requests per second at each hour of a working day and of a weekend.

Learned as it goes; the state is a fold over the journal, to which every hour adds one entry.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent.judged import wilson
from agent.observe import Observation
from config.fleet import Fleet
from tools.journal import Journal

SUBJECT, KIND = "foresight", "LOAD"
HOUR = timedelta(hours=1)
HOURS = 24
SLOWEST = 5  # days after which the oldest begin to fade
MARGIN = 0.1  # above what is foretold, that still counts as foretold
REMEMBERED = 168  # hours by which forecasts are judged
LEAST_LOOKS = 20  # of an hour, to learn from it


@dataclass(slots=True)
class _Of:
    """One service."""

    usual: list[float] = field(default_factory=lambda: [0.0] * 2 * HOURS)
    known: list[int] = field(default_factory=lambda: [0] * 2 * HOURS)
    kept: deque[bool] = field(default_factory=lambda: deque(maxlen=REMEMBERED))  # was no more asked than foretold?

    def foretold(self, at: datetime) -> float | None:
        """Return what is usual at that hour; a weekend that was never seen is taken for working days."""
        here = place(at)
        where = here if self.known[here] else at.hour
        return self.usual[where] if self.known[where] else None

    def learn(self, at: datetime, rate: float) -> None:
        """Take an hour that has passed."""
        if (foretold := self.foretold(at)) is not None:
            self.kept.append(rate <= foretold * (1 + MARGIN))
        here = place(at)
        self.known[here] = min(self.known[here] + 1, SLOWEST)
        self.usual[here] += (rate - self.usual[here]) / self.known[here]


class Usual:
    """What every service is usually asked."""

    def __init__(self, journal: Journal, fleet: Fleet) -> None:
        self._journal = journal
        self._of = {service.name: _Of() for service in fleet.services}
        self._seen: dict[str, list[float]] = {}
        self._hour: datetime | None = None
        for entry in journal.entries(subject=SUBJECT, kinds=(KIND,)):
            self._learn(entry.body)

    def update(self, seen: Observation) -> None:
        """Take one look; at the end of an hour, write down what it brought."""
        hour = seen.at.replace(minute=0, second=0, microsecond=0)
        if self._hour is not None and hour > self._hour:
            self._write(self._hour, seen.at)
        if hour != self._hour:
            self._seen = {name: [] for name in self._of}
        self._hour = hour
        for name, values in self._seen.items():
            if (value := seen.value("requests", f"service/{name}")) is not None:
                values.append(value)

    def peak(self, service: str, since: datetime, until: datetime) -> float | None:
        """Return the most that is usual in any hour between, and half an hour after; None where one is not known."""
        hours = int((until + HOUR / 2 - since.replace(minute=0, second=0, microsecond=0)) / HOUR)
        found = [self._of[service].foretold(since + HOUR * ahead) for ahead in range(hours + 1)]
        known = [value for value in found if value is not None]
        return max(known) if len(known) == len(found) else None

    def growth(self, service: str, recent: float, now: datetime, ahead: timedelta) -> float | None:
        """Return how many times ``recent`` requests per second may come within ``ahead``, at least 1; None: unknown.

        By what is usual then over what is usual now, and over what there is now, whichever says more.
        """
        here, peak = self._of[service].foretold(now), self.peak(service, now, now + ahead)
        if not here or peak is None or recent <= 0:
            return None
        return max(1.0, (1 + MARGIN) * max(peak / here, peak / recent))

    def confidence(self, service: str) -> float:
        """Return the share of hours that surely brought no more than foretold: the 95 % lower bound; 0: none judged."""
        kept = self._of[service].kept
        return wilson(sum(kept) / len(kept), len(kept))[0] if kept else 0.0

    def _write(self, hour: datetime, now: datetime) -> None:
        rates = {n: round(sum(each) / len(each), 4) for n, each in self._seen.items() if len(each) >= LEAST_LOOKS}
        body = {"hour": hour.isoformat(), "rates": rates, "text": f"requests per second of {len(rates)} services"}
        if rates and self._journal.claim(f"{SUBJECT}/{hour:%Y-%m-%dT%H}", SUBJECT, now):
            self._journal.append(SUBJECT, KIND, body, now)
        self._learn(body)

    def _learn(self, body: Mapping[str, Any]) -> None:
        at = datetime.fromisoformat(body["hour"])
        for name, rate in body["rates"].items():
            if name in self._of:
                self._of[name].learn(at, rate)


def place(at: datetime) -> int:
    """Return the place of an hour among those of a working day and, behind them, of a weekend.

    >>> place(datetime(2026, 1, 5, 8)), place(datetime(2026, 1, 10, 8))  # a Monday, a Saturday
    (8, 32)
    """
    return at.hour + HOURS * (at.weekday() >= 5)
