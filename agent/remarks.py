"""Remarks: what an inference log shows beside its accuracy. Tables and windows in, sentences with numbers out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.drift.concept import cause
from agent.drift.constraints import NOTHING, Known, enforce, propose
from agent.drift.fairness import Gap, calibration, gaps_between
from agent.drift.performance import Scored, estimate
from agent.drift.rules import Constraints
from agent.drift.skew import skew
from config.frozen import Frozen
from config.logs import LogTable, Measure
from tools.records import InferenceWindow
from tools.summary import Summary
from tools.tables import Column, Labels, Numbers, Table

MOST_RULES = 20  # remarks of one look
FEW = 100  # rows that say something
SURE = 4.0  # standard errors: a log is looked at thousands of times a month
WORTH, WORTH_RATE = 0.2, 0.1  # of a spread; of a rate (Cohen's h), 2 % to 3.7 % for example
APART, WIDER = 0.10, 0.05  # between a group and the others; more than when the model was accepted
CAUTIOUS = 1e-3  # chance that groups served alike look otherwise
LEAN, ERROR = 0.05, 0.05  # by which scores lie more than when accepted
WORSE = 0.03  # of the share of right answers
CODES = 24  # distinct values of a column of groups
MOST_SCORED = 3000  # newest rows that an estimate is made of
LOST = 0.5  # of the logged keys, that nothing recomputed: less is a source that follows later

Keyed = tuple[Column, Mapping[str, Column]]  # keys, and columns by name
Grouped = tuple[Column, Column, Column]  # groups, scores, labels
Kind = Literal["rule", "skew", "group", "measure", "calibration", "estimate", "concept"]


class Remark(Frozen):
    """One thing that a log shows and that is not as it should be."""

    at: datetime
    service: str
    kind: Kind
    subject: str  # column, group or measure
    text: str
    size: float  # share of rows, gap or effect: for ranking among its kind

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two remarks the same one, seen again."""
        return self.service, self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes remarks about one service at one moment."""

    service: str
    at: datetime

    def note(self, kind: Kind, subject: str, text: str, size: float) -> Remark:
        """Return a remark."""
        return Remark(at=self.at, service=self.service, kind=kind, subject=subject, text=text, size=float(size))


def proposed(accepted: Table, logged: LogTable) -> Constraints:
    """Propose rules for the columns that a model is shown; what comes late, or names rows, is not held to them."""
    found = propose(accepted)
    other = {logged.at, logged.label, logged.version, logged.key, *(measure.column for measure in logged.measures)}
    kept = {name: rule for name, rule in found.columns.items() if name not in other}
    if logged.features:
        kept = {name: rule for name, rule in kept.items() if name in {*logged.features, logged.score}}
    return Constraints(rows_at_least=0, columns=kept)


def rule_remarks(
    pen: Pen, rules: Constraints, rows: Table, hidden: float = 0.0, known: Known = NOTHING
) -> Iterator[Remark]:
    """Yield every rule that the rows of a window break; none where there are no rows and none are demanded.

    ``hidden``: share of rows that a rule which nobody but the reference made says nothing about.
    """
    if not rows.rows and not rules.rows_at_least:
        return
    told = [one for one in enforce(rules, rows, pen.at, known) if not hidden or _surely(one.share, rows.rows) > hidden]
    for fault in told[:MOST_RULES]:
        yield pen.note("rule", f"{fault.column} {fault.kind}", f"{fault.column}: {fault.text}", fault.share)


def _surely(share: float, rows: int) -> float:
    """Return the lower end of a 95 % interval of a share (Wilson)."""
    z = 1.96**2 / max(rows, 1)
    return (share + z / 2 - float(np.sqrt(share * (1 - share) * z + z * z / 4))) / (1 + z)


def skew_remarks(pen: Pen, logged: Keyed, again: Keyed) -> Iterator[Remark]:
    """Yield every feature that was served otherwise than it is computed anew."""
    for fault in skew(*logged, *again):
        if fault.kind == "skew" or fault.share > LOST:
            yield pen.note("skew", fault.column, f"{fault.column} {fault.text}", fault.share)


def group_remarks(pen: Pen, name: str, now: Grouped, then: Grouped | None) -> Iterator[Remark]:
    """Yield groups served worse than the others, and worse than when the model was accepted."""
    for what, index in (("right answers", 0), ("positives found", 1)):
        before = {gap.group: gap for gap in _gaps(then, index)} if then else {}
        worse = [gap for gap in _gaps(now, index) if gap.high < 0 and gap.gap <= -APART and not _usual(gap, before)]
        if worse:
            yield pen.note("group", f"{name}, {what}", _of_group(name, what, worse[0]), -worse[0].gap)


def _of_group(name: str, what: str, gap: Gap) -> str:
    return (
        f"{what} where {name} is {gap.group}: {gap.rate:.1%} of {gap.rows}, of all others {gap.others:.1%} "
        f"(difference {gap.gap:+.1%}, {gap.low:+.1%} to {gap.high:+.1%})"
    )


def _usual(gap: Gap, before: Mapping[str, Gap]) -> bool:
    """Whether the gap was there when the model was accepted, as far as chance lets us know."""
    then = before.get(gap.group)
    return then is not None and (gap.high >= then.gap or then.gap - gap.gap < WIDER)


def _gaps(side: Grouped, index: int) -> tuple[Gap, ...]:
    groups, scores, labels = side
    named = as_groups(groups)
    if named is None or not isinstance(scores, Numbers) or not isinstance(labels, Numbers):
        return ()
    known = np.isfinite(scores.values) & np.isfinite(labels.values)
    yes, true = scores.values >= 0.5, labels.values >= 0.5
    outcomes = np.where(known, yes == true, np.nan) if index == 0 else np.where(known & true, yes, np.nan)
    return gaps_between(named, outcomes.astype(np.float64), CAUTIOUS)


def as_groups(column: Column) -> Labels | None:
    """Return a column as groups; None where it holds too many values to be one of groups."""
    if isinstance(column, Labels):
        return column if len(column.names) <= CODES * 10 else None
    known = np.isfinite(column.values)
    values, codes = np.unique(column.values[known], return_inverse=True)
    if len(values) > CODES:
        return None
    whole = np.full(len(column), -1, np.int32)
    whole[known] = codes
    return Labels(whole, tuple(f"{value:g}" for value in values))


def measure_remarks(pen: Pen, measure: Measure, now: Summary, past: Mapping[str, Summary]) -> Iterator[Remark]:
    """Yield where a measure is beyond its limit, or has become worse than in every past that is known."""
    if now.rows - now.nulls < FEW:
        return
    half = SURE * _error(now)
    over = measure.limit is not None and (
        now.mean + half < measure.limit if measure.worse == "lower" else now.mean - half > measure.limit
    )
    mean = f"{measure.column} is {now.mean:.4g} on average of {now.rows - now.nulls} answers"
    if over:
        text = f"{mean} ({now.mean - half:.4g} to {now.mean + half:.4g}), limit {measure.limit:g}"
        yield pen.note("measure", measure.column, text, abs(now.mean - (measure.limit or 0.0)))
        return
    known = {name: one for name, one in past.items() if one.rows - one.nulls >= FEW}
    effects = [_effect(one, now) for one in known.values()]
    if not effects or not all(_is_worse(measure, effect) for effect in effects):
        return
    said = ", ".join(f"{name} {one.mean:.4g}" for name, one in known.items())
    yield pen.note("measure", measure.column, f"{mean}, {said}", min(abs(effect) for effect in effects))


def _error(one: Summary) -> float:
    return float(np.sqrt(max(one.variance, 0.0) / max(one.rows - one.nulls, 1)))


def _effect(then: Summary, now: Summary) -> float:
    """Return the change in units of what is worth a person's time; nought where chance explains it."""
    change = now.mean - then.mean
    if not abs(change) > SURE * float(np.hypot(_error(then), _error(now))):
        return 0.0
    if all(_is_rate(one) for one in (then, now)):
        turned = [2 * np.arcsin(np.sqrt(min(max(one.mean, 0.0), 1.0))) for one in (then, now)]
        return float(turned[1] - turned[0]) / WORTH_RATE
    spread = float(np.sqrt((then.variance + now.variance) / 2))
    return change / (WORTH * spread) if spread > 0 else float(np.copysign(np.inf, change))


def _is_rate(one: Summary) -> bool:
    """Whether a measure is 0 or 1 for every row: then its variance follows from its mean."""
    return one.lowest >= 0 and one.highest <= 1 and abs(one.variance - one.mean * (1 - one.mean)) < 1e-6


def _is_worse(measure: Measure, effect: float) -> bool:
    return abs(effect) >= 1 and (measure.worse == "either" or (effect > 0) == (measure.worse == "higher"))


def score_remarks(pen: Pen, now: InferenceWindow, then: InferenceWindow) -> Iterator[Remark]:
    """Yield what scores and arrived labels say, against those that the model was accepted on."""
    yield from _calibration(pen, now, then)
    known = np.isfinite(now.labels)
    if (
        len(set(now.version[known].tolist())) == 1
    ):  # two versions differ by themselves, and prove no change of the world
        found = cause(_scored(then), _scored(now, known))
        if found and found.verdict in ("concept", "both") and found.by_concept <= -WORSE:
            text = (
                f"the same inputs are answered rightly {found.by_concept:+.1%} as often "
                f"({found.by_concept_low:+.1%} to {found.by_concept_high:+.1%}): what is right has changed"
            )
            yield pen.note("concept", "accuracy", text, -found.by_concept)


def _calibration(pen: Pen, now: InferenceWindow, then: InferenceWindow) -> Iterator[Remark]:
    one, two = calibration(then.scores, then.labels), calibration(now.scores, now.labels)
    if one is None or two is None:
        return
    leans = two.lean_low > one.lean + LEAN or two.lean_high < one.lean - LEAN
    if leans or two.error > one.error + ERROR:
        text = (
            f"scores promise {two.lean:+.1%} beside what comes true ({two.lean_low:+.1%} to {two.lean_high:+.1%}), "
            f"{one.lean:+.1%} when accepted; calibration error {two.error:.3f}, was {one.error:.3f}"
        )
        yield pen.note("calibration", "score", text, abs(two.lean - one.lean))


def estimate_remarks(pen: Pen, now: InferenceWindow, then: InferenceWindow) -> Iterator[Remark]:
    """Yield where answers whose labels are still to come are surely worse by what is known of their inputs."""
    found = estimate(_scored(then), _scored(now))
    if found.worse and found.high is not None and found.value is not None and found.before - found.high >= WORSE / 2:
        yield pen.note("estimate", "accuracy", f"estimated accuracy {found.text}", found.before - found.value)


def _scored(rows: InferenceWindow, kept: NDArray[np.bool_] | None = None) -> Scored:
    keep = np.flatnonzero(np.ones(len(rows.at), bool) if kept is None else kept)[-MOST_SCORED:]
    scores, labels = rows.scores[keep], rows.labels[keep]
    right = np.where(np.isfinite(labels), (scores >= 0.5) == (labels >= 0.5), np.nan)
    return Scored(rows.features[keep], scores, right.astype(np.float64))


def widest(remarks: Sequence[Remark]) -> tuple[Remark, ...]:
    """Return remarks, those of rules and skew first (their cure is upstream, and the others may follow from them)."""
    order = {"rule": 0, "skew": 0, "concept": 1, "group": 1, "calibration": 1, "measure": 1, "estimate": 2}
    return tuple(sorted(remarks, key=lambda one: (order[one.kind], -one.size, one.key)))
