"""Log lines for pipes: what is new in every case, one line each."""

from collections.abc import Mapping

from agent.casebook import Case, Snapshot, TimelineItem
from agent.view.plain import plain

Seen = Mapping[str, int]  # incident id -> items of its story already shown


def line(case: Case, item: TimelineItem) -> str:
    """Return ``2026-11-21T08:15:30Z inc-7 chat DECISION allow: ...``."""
    words = f"{plain(case.incident.id, 40)} {plain(case.incident.service, 63)} {plain(item.kind, 30)}"
    return f"{item.at:%Y-%m-%dT%H:%M:%SZ} {words} {plain(item.text, 600)}".rstrip()


def new_lines(snapshot: Snapshot, seen: Seen) -> tuple[tuple[str, ...], Seen]:
    """Return the lines that a reader has not had yet, oldest first, and what he has had then."""
    fresh = [
        (item.at, case.incident.id, index, line(case, item))
        for case in snapshot.cases
        for index, item in enumerate(case.timeline)
        if index >= seen.get(case.incident.id, 0)
    ]
    now = {**seen, **{case.incident.id: len(case.timeline) for case in snapshot.cases}}
    return tuple(text for *_, text in sorted(fresh)), now


def problem_lines(snapshot: Snapshot, before: tuple[str, ...]) -> tuple[str, ...]:
    """Return a line for each problem that was not there before, and one when the last is gone."""
    stamp = f"{snapshot.at:%Y-%m-%dT%H:%M:%SZ}"
    fresh = [f"{stamp} fleet - PROBLEM {plain(text, 600)}" for text in snapshot.problems if text not in before]
    return tuple(fresh) if snapshot.problems or not before else (f"{stamp} fleet - CLEAR every source answers again",)
