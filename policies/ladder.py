"""Earned autonomy: how far a playbook has climbed in one environment, and on what evidence.

Rungs: watch > propose > ask > act. The configuration says where a playbook begins and the most that it may ever do. It
climbs one rung at a time, only when a named person pushes it, and only on evidence: enough cases, over enough days,
whose share of successes is surely above a bar. Any harm costs a rung at once, and the evidence is counted anew from
there. A person may hold it down at any time.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from config.frozen import Frozen
from config.settings import LadderSettings

Rung = Literal["watch", "propose", "ask", "act"]
RUNGS: tuple[Rung, ...] = ("watch", "propose", "ask", "act")
Source = Literal["production", "drill"]


class Deed(Frozen):
    """One case that says something about a playbook: done, or judged by a person as what would have been done."""

    playbook: str
    environment: str
    source: Source
    verdict: Literal["success", "failure", "harm"]
    at: datetime
    incident: str
    text: str = ""


class Order(Frozen):
    """What a person said about a playbook's rung."""

    playbook: str
    environment: str
    kind: Literal["push", "hold", "release"]
    rung: Rung
    by: str
    at: datetime
    note: str = ""


class Tally(Frozen):
    """Evidence from one source since the last harm. ``low``: lower confidence bound of the share of successes."""

    cases: int
    successes: int
    days: float
    low: float
    enough: bool
    text: str


class Standing(Frozen):
    """Where a playbook stands in one environment."""

    playbook: str
    environment: str
    rung: Rung  # what it may do now
    earned: Rung
    ceiling: Rung  # the configuration's
    held: Rung | None
    production: Tally
    drill: Tally
    next: Rung | None  # the rung that a person may push it to now
    why: str  # why it stands where it stands, or what is wanting
    story: tuple[str, ...] = ()  # pushes, falls, holds


def lower(one: Rung, other: Rung) -> Rung:
    """Return the lower of two rungs."""
    return min(one, other, key=RUNGS.index)


def bound(successes: int, cases: int, settings: LadderSettings) -> float:
    """Return the lower confidence bound of a share, one-sided: Wilson's, or the quantile of a Beta posterior.

    >>> round(bound(20, 20, LadderSettings()), 3)
    0.881
    """
    if cases == 0:
        return 0.0
    if settings.bound == "beta":
        from scipy.special import betaincinv

        return float(betaincinv(1 + successes, 1 + cases - successes, 1 - settings.confidence))
    from statistics import NormalDist

    z = NormalDist().inv_cdf(settings.confidence)
    share = successes / cases
    spread = z * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases))
    return (share + z * z / (2 * cases) - spread) / (1 + z * z / cases)


def standing(
    who: tuple[str, str], ceiling: Rung, deeds: Sequence[Deed], orders: Sequence[Order], settings: LadderSettings
) -> Standing:
    """Return where a playbook (name, environment) stands: a fold over what happened and what people said, in time."""
    climb = _Climb(settings.start or ceiling)
    seen: list[Deed | Order] = [*deeds, *orders]
    mine = [each for each in seen if (each.playbook, each.environment) == who]
    for each in sorted(mine, key=lambda item: item.at):
        climb.see(each)
    production, drill = (
        _tally([deed for deed in climb.deeds if deed.source == source], settings) for source in ("production", "drill")
    )
    now = lower(lower(climb.rung, ceiling), climb.held or "act")
    above, why = _above(climb, ceiling, production, drill)
    return Standing(
        playbook=who[0],
        environment=who[1],
        rung=now,
        earned=climb.rung,
        ceiling=ceiling,
        held=climb.held,
        production=production,
        drill=drill,
        next=above,
        why=why,
        story=tuple(climb.story),
    )


class _Climb:
    """The fold. ``deeds`` are those since the last harm."""

    def __init__(self, start: Rung) -> None:
        self.rung: Rung = start
        self.held: Rung | None = None
        self.deeds: list[Deed] = []
        self.story: list[str] = []

    def see(self, each: Deed | Order) -> None:
        """Take the next deed or order into account."""
        if isinstance(each, Deed):
            self._deed(each)
            return
        match each.kind:
            case "push":
                self.rung = lower(each.rung, _next(self.rung) or self.rung)
                self.deeds = []  # each rung is earned by itself
            case "hold":
                self.held = each.rung
            case "release":
                self.held = None
        word = {"push": "pushed to", "hold": "held at", "release": "released from"}[each.kind]
        self.story.append(
            f"{each.at:%Y-%m-%d} {word} {each.rung} by {each.by}" + (f": {each.note}" if each.note else "")
        )

    def _deed(self, deed: Deed) -> None:
        if deed.verdict != "harm":
            self.deeds.append(deed)
            return
        self.rung = RUNGS[max(0, RUNGS.index(self.rung) - 1)]
        self.deeds = []
        self.story.append(f"{deed.at:%Y-%m-%d} fell to {self.rung}: harm in {deed.incident} {deed.text}".rstrip())


def _next(rung: Rung) -> Rung | None:
    place = RUNGS.index(rung) + 1
    return RUNGS[place] if place < len(RUNGS) else None


def _tally(deeds: Sequence[Deed], settings: LadderSettings) -> Tally:
    cases, successes = len(deeds), sum(deed.verdict == "success" for deed in deeds)
    first, last = min((d.at for d in deeds), default=None), max((d.at for d in deeds), default=None)
    length = (last - first) if first is not None and last is not None else timedelta(0)
    low, days = bound(successes, cases, settings), length / timedelta(days=1)
    wanting = [
        f"{cases} of {settings.cases} cases" if cases < settings.cases else "",
        f"{days:.1f} of {settings.days} days" if days < settings.days else "",
        f"at least {low:.0%} surely right, {settings.least:.0%} wanted" if low < settings.least else "",
    ]
    lacks = ", ".join(text for text in wanting if text)
    said = lacks or f"{successes} of {cases} right over {days:.0f} days, surely at least {low:.0%}"
    return Tally(cases=cases, successes=successes, days=round(days, 2), low=low, enough=not lacks, text=said)


def _above(climb: _Climb, ceiling: Rung, production: Tally, drill: Tally) -> tuple[Rung | None, str]:
    """Return the rung that may be pushed to, and why or why not. Drills alone never lead to acting."""
    above = _next(climb.rung)
    if climb.held is not None and RUNGS.index(climb.held) <= RUNGS.index(climb.rung):
        return None, f"held at {climb.held} by a person"
    if above is None:
        return None, "at the top"
    if RUNGS.index(above) > RUNGS.index(ceiling):
        return None, f"at the most that the configuration allows ({ceiling})"
    if production.enough:
        return above, f"production: {production.text}"
    if above != "act" and drill.enough:
        return above, f"drills: {drill.text}"
    more = "" if above == "act" else f"; drills: {drill.text}"
    return None, f"to {above} it wants, production: {production.text}{more}"
