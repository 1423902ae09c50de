"""Judges what was gathered: an effect worth a person's time, that chance does not explain, is a move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from agent.drift.categories import CategoryMove, compare_categories
from agent.drift.chance import adjusted, rate_p
from agent.drift.finding import Limits, Move, Picture, Verdict
from agent.drift.gathering import Gathered
from agent.drift.numbers import NumberMoves, compare_numbers, measures, picture, with_exact, with_sampled, words

RATE = 0.1  # Cohen's h: the smallest change of one category's share that counts by itself, 2 % to 3.7 % for example
NULL_RATE = 0.05  # of the share of nulls, 0 to 0.06 % or 5 % to 6.1 % for example
SHARE_OF_ALARMS = 0.5  # of the false alarms allowed, spent on single features; the rest on segments and joint tests


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A feature compared, not yet judged."""

    move: Move
    p: float
    enough: bool  # of an effect
    few: bool  # rows
    draw: Callable[[], Picture | None] = lambda: None


def change_of_rate(before: float, after: float) -> float:
    """Return Cohen's h, the size of a change of a share, alike at all levels.

    >>> round(change_of_rate(0.02, 0.04), 3)
    0.119
    """
    return float(2 * (np.arcsin(np.sqrt(min(max(after, 0), 1))) - np.arcsin(np.sqrt(min(max(before, 0), 1)))))


def judge(gathered: Gathered, limits: Limits, rows: tuple[int, int], importance: Mapping[str, float]) -> list[Move]:
    """Return what became of every feature, the most moved first."""
    found = [
        *_numbers(gathered, limits, importance),
        *_categories(gathered, limits, importance),
        *_nulls(gathered, limits, rows),
    ]
    q = adjusted(np.array([one.p for one in found]))
    moves = [_judged(one, float(value), limits) for one, value in zip(found, q, strict=True)]
    order = ("moved", "slight", "unsure", "same")
    return sorted(moves, key=lambda move: (order.index(move.verdict), -_weight(move), move.feature, move.kind))


def _weight(move: Move) -> float:
    return move.effect * (1.0 if move.importance is None else move.importance)


def _judged(one: _Candidate, q: float, limits: Limits) -> Move:
    verdict: Verdict = "same"
    if one.few:
        verdict = "unsure"
    elif q <= limits.false_alarms * SHARE_OF_ALARMS:
        verdict = "moved" if one.enough else "slight"
    drawn = one.draw() if verdict in {"moved", "slight"} else None
    return one.move.model_copy(update={"q": q, "verdict": verdict, "picture": drawn})


def _numbers(gathered: Gathered, limits: Limits, importance: Mapping[str, float]) -> list[_Candidate]:
    if not gathered.numbers:
        return []
    reference, current = gathered.sketches()
    moves = compare_numbers(reference, current)
    names = list(gathered.numbers)
    if len(gathered.gaps) == len(names):
        ks = np.array([gathered.gaps[name].ks for name in names])
        area = np.array([gathered.gaps[name].wasserstein for name in names])
        moves = with_exact(moves, np.nan_to_num(ks), np.nan_to_num(area))
    moves = with_sampled(moves, (reference, current), [gathered.samples.get(name) for name in names])
    sizes = list(zip(reference.finite.tolist(), current.finite.tolist(), strict=True))
    found = [_number(moves, at, name, sizes[at], limits, importance) for at, name in enumerate(names)]
    return [replace(one, draw=partial(picture, reference, current, at)) for at, one in enumerate(found)]


def _number(
    moves: NumberMoves,
    at: int,
    name: str,
    rows: tuple[int, int],
    limits: Limits,
    importance: Mapping[str, float],
) -> _Candidate:
    effect, error = float(moves.distances.ks[at]), float(moves.error[at])
    move = Move(
        feature=name,
        kind="number",
        verdict="same",
        effect=effect,
        effect_low=max(effect - error, 0.0),
        effect_high=min(float(moves.distances.ks_high[at]) + error, 1.0),
        q=1.0,
        text=words(moves, at),
        rows=rows,
        measures=measures(moves, at),
        importance=importance.get(name),
    )
    return _Candidate(move, float(moves.p[at]), effect >= _least(limits, importance, name), min(rows) < limits.rows)


def _least(limits: Limits, importance: Mapping[str, float], name: str) -> float:
    """Return the effect that counts: half of it for a feature that the model leans on, more for one that it ignores."""
    weight = importance.get(name)
    if weight is None or not importance:
        return limits.least
    mean = float(np.mean(list(importance.values()))) or 1.0
    return float(np.clip(limits.least * mean / max(weight, 1e-9), limits.least / 2, limits.least * 5))


def _categories(gathered: Gathered, limits: Limits, importance: Mapping[str, float]) -> list[_Candidate]:
    found = []
    for name, (before, after) in gathered.texts.items():
        rows = (sum(before.values()), sum(after.values()))
        if min(rows) == 0:
            continue
        moved = compare_categories(before, after)
        net = max(moved.effect - moved.error, 0.0)
        enough = net >= _least(limits, importance, name) or abs(change_of_rate(*moved.shares)) >= RATE
        move = Move(
            feature=name,
            kind="category",
            verdict="same",
            effect=moved.effect,
            effect_low=max(net - moved.error, 0.0),
            effect_high=min(moved.effect + moved.error, 1.0),
            q=1.0,
            text=_category_words(moved),
            rows=rows,
            measures=moved.measures,
            importance=importance.get(name),
        )
        found.append(_Candidate(move, moved.p, enough, min(rows) < limits.rows))
    return found


def _category_words(moved: CategoryMove) -> str:
    before, after = moved.shares
    return f"{moved.worst!r} {before:.2%} -> {after:.2%} of the rows"


def _nulls(gathered: Gathered, limits: Limits, rows: tuple[int, int]) -> list[_Candidate]:
    """Compare the share of nulls of every feature; those that never had any are tests that cannot fire."""
    found = []
    for name, (before, after) in gathered.nulls.items():
        if before + after == 0 or min(rows) == 0:
            continue
        one, two = before / rows[0], after / rows[1]
        p = float(rate_p(before, rows[0], after, rows[1]))
        move = Move(
            feature=name,
            kind="nulls",
            verdict="same",
            effect=abs(two - one),
            effect_low=0.0,
            effect_high=1.0,
            q=1.0,
            text=f"nulls {one:.2%} -> {two:.2%} of the rows",
            rows=rows,
        )
        low, high = _rate_interval(one, two, rows)
        move = move.model_copy(update={"effect_low": low, "effect_high": high})
        found.append(_Candidate(move, p, abs(change_of_rate(one, two)) >= NULL_RATE, min(rows) < limits.rows))
    return found


def _rate_interval(one: float, two: float, rows: tuple[int, int]) -> tuple[float, float]:
    error = 1.96 * float(np.sqrt(one * (1 - one) / rows[0] + two * (1 - two) / rows[1]))
    return max(abs(two - one) - error, 0.0), min(abs(two - one) + error, 1.0)
