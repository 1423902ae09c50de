"""Budgets: how much may be under way at once, and how much in an hour or a day, per service, class and fleet.

They clear by themselves. What is spent is what the journal's intents say, so the payment is the intent itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config.settings import BreakerSettings
from playbooks.allowance import Denied, Wait
from playbooks.plan import Plan
from policies.breaker import KIND, KINDS, fold, overload
from policies.caps import Caps
from tools.journal import Entry

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PATIENCE = timedelta(seconds=30)  # before asking again for a place that others hold


@dataclass(frozen=True, slots=True)
class Budget:
    """Implements ``playbooks.allowance.Allowance``: first the breaker, then the budgets."""

    caps: Caps = field(default_factory=Caps)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    fleet: int = 1  # services
    hosts: Mapping[str, str] = field(default_factory=dict)  # beside which service batch work runs

    @property
    def kinds(self) -> tuple[str, ...]:
        """Intents, ends of runs, and the breaker."""
        return KINDS

    def outdated(self, entry: Entry, now: datetime) -> bool:
        """Whether an entry no longer counts. The breaker's always do: it is latched."""
        return entry.kind != KIND and now - entry.at > 2 * DAY

    def ask(self, plan: Plan, entries: Sequence[Entry], now: datetime) -> Wait | Denied | None:
        """Say why a step may not be begun now; a step that would trip the breaker trips it."""
        standing = fold(entries)
        if standing.tripped:
            return Denied(f"the breaker is tripped: {standing.reason}")
        if reason := overload(plan.service, entries, now, self.breaker, self.fleet, self.hosts):
            text = f"the breaker trips: {reason}"
            return Denied(text, (KIND, {"state": "tripped", "reason": reason, "plan": plan.id, "text": text}))
        spent = [_Spent.of(entry) for entry in entries if entry.kind == "STEP_INTENT" and "spends" in entry.body]
        return self._money(plan, spent, now) or self._rate(plan, spent, now) or self._places(plan, spent, entries, now)

    def _rate(self, plan: Plan, spent: "Sequence[_Spent]", now: datetime) -> Wait | None:
        caps = self.caps
        counts: tuple[tuple[str, int, Callable[[_Spent], bool]], ...] = (
            (f"steps on {plan.service}", caps.service_actions_per_hour, lambda each: each.service == plan.service),
            (f"{plan.class_} steps", caps.class_actions_per_hour, lambda each: each.class_ == plan.class_),
            ("steps on the fleet", caps.fleet_actions_per_hour, lambda each: bool(each.plan)),
        )
        for words, most, counted in counts:
            recent = sorted(each.at for each in spent if counted(each) and now - each.at < HOUR)
            if len(recent) >= most:
                return Wait(recent[-most] + HOUR if most else now + HOUR, f"{words} this hour {len(recent)} >= {most}")
        return None

    def _places(self, plan: Plan, spent: "Sequence[_Spent]", entries: Iterable[Entry], now: datetime) -> Wait | None:
        """Count the runs that are under way; one that has begun keeps its place."""
        ended = {str(entry.body.get("plan")) for entry in entries if entry.kind == "RUN_END"}
        active = {each.plan: each for each in spent if each.plan not in ended and each.until > now}
        if plan.id in active:
            return None
        places: tuple[tuple[str, int, int], ...] = (
            (
                f"runs on {plan.service}",
                sum(e.service == plan.service for e in active.values()),
                self.caps.service_runs,
            ),
            (f"{plan.class_} runs", sum(e.class_ == plan.class_ for e in active.values()), self.caps.class_runs),
            ("runs in the fleet", len(active), self.caps.fleet_runs),
        )
        full = next((f"{words} under way {count} >= {most}" for words, count, most in places if count >= most), "")
        return Wait(now + PATIENCE, full) if full else None

    def _money(self, plan: Plan, spent: "Sequence[_Spent]", now: datetime) -> Denied | None:
        """Count what all runs of a day might cost by their bounds; this one's is paid with its first intent."""
        bounds = {each.plan: each.money for each in spent if now - each.at < DAY}
        total = sum(bounds.values()) + (0.0 if plan.id in bounds else plan.bounds.money)
        if plan.bounds.money and total > self.caps.money_per_day:
            return Denied(f"money bound this day {total:g} > {self.caps.money_per_day:g}")
        return None


@dataclass(frozen=True, slots=True)
class _Spent:
    at: datetime
    plan: str
    service: str
    class_: str
    money: float
    until: datetime  # by then its run is over, or nobody works on it

    @classmethod
    def of(cls, entry: Entry) -> "_Spent":
        spends = entry.body["spends"]
        until = datetime.fromisoformat(spends["until"])
        return cls(entry.at, entry.body["plan"], spends["service"], spends["class"], float(spends["money"]), until)
