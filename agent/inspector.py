"""The inspector: goes through the inference logs now and then, beside the ticks, and keeps what they show."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from agent.drift.constraints import read_known
from agent.drift.rules import Constraints
from agent.remarks import (
    Grouped,
    Pen,
    Remark,
    estimate_remarks,
    group_remarks,
    measure_remarks,
    proposed,
    rule_remarks,
    score_remarks,
    skew_remarks,
    widest,
)
from config.logs import LogTable
from tools.clock import Clock
from tools.errors import Absent, Malformed, ToolError
from tools.ports import InferenceLog, LogTables
from tools.summary import Bounds, Summary
from tools.tables import Kind, Table

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
RULE_OF_THREE = 3.0  # what a reference of so many rows never showed may still be in three rows of as many
MOST = 20_000  # rows drawn where rows must be paired or grouped
LABELLED = 200  # rows whose labels are known; where there are fewer, the next longer span is asked for
SPANS = (DAY, WEEK, 2 * WEEK, timedelta(days=31))  # labels may be so late

Check = Callable[[LogTable, Pen], Iterator[Remark]]


class Inspector:
    """Looks at every log in its turn. ``remarks`` and ``problems`` may be read from another thread."""

    def __init__(
        self,
        log: InferenceLog,
        tables: LogTables,
        logs: tuple[LogTable, ...],
        clock: Clock,
        every: timedelta,
        rules: Mapping[str, Constraints] | None = None,
    ) -> None:
        self._log, self._tables, self._logs, self._clock, self._every = log, tables, logs, clock, every
        self._rules, self._proposed = dict(rules or {}), dict[str, tuple[Constraints, float]]()
        self._looked: dict[str, datetime] = {}
        self._checks: tuple[Check, ...] = (self._rows, self._served, self._groups, self._measures, self._scores)
        self.remarks: Mapping[str, tuple[Remark, ...]] = {}
        self.problems: tuple[str, ...] = ()

    def look(self) -> None:
        """Go through the logs that are due; one that cannot be read holds no other up."""
        now, found, trouble = self._clock.now(), dict(self.remarks), list[str]()
        for logged in self._logs:
            if logged.service in self._looked and now - self._looked[logged.service] < self._every:
                trouble += [line for line in self.problems if line.startswith(f"log of {logged.service}:")]
                continue
            self._looked[logged.service] = now
            remarks, lines = self.examine(logged, now)
            found[logged.service] = remarks
            trouble += lines
        self.remarks, self.problems = found, tuple(trouble)

    def examine(self, logged: LogTable, now: datetime) -> tuple[tuple[Remark, ...], list[str]]:
        """Return what one log shows, and why parts of it could not be read."""
        found, trouble, pen = list[Remark](), list[str](), Pen(logged.service, now)
        for check in self._checks:
            try:
                found += check(logged, pen)
            except Absent:  # nothing of the kind is configured, or not yet written
                continue
            except ToolError as error:
                trouble.append(f"log of {logged.service}: {error}")
        return widest(found), list(dict.fromkeys(trouble))

    def _rows(self, logged: LogTable, pen: Pen) -> Iterator[Remark]:
        """Hold the last hour to the rules."""
        name, known = logged.service, (*self._rules, *self._proposed)
        if name not in known:
            accepted = self._tables.accepted(name)
            self._proposed[name] = proposed(accepted, logged), RULE_OF_THREE / max(accepted.rows, 1)
        rules, hidden = (self._rules[name], 0.0) if name in self._rules else self._proposed[name]
        rows = self._tables.rows(name, pen.at - HOUR, pen.at)
        yield from rule_remarks(pen, rules, rows, hidden, read_known(rules, self._tables.keys))

    def _served(self, logged: LogTable, pen: Pen) -> Iterator[Remark]:
        """Hold what was served within a day beside the same computed anew."""
        if not logged.recomputed:
            return
        rows = self._tables.rows(logged.service, pen.at - DAY, pen.at)
        _demand(rows, (logged.key, *logged.features))
        if not rows.rows:
            return
        other = {logged.key, logged.at, logged.score, logged.label, logged.version}
        names = logged.features or tuple(
            field.name for field in rows.fields if field.name not in other and field.kind is not Kind.other
        )
        served = rows.sample((logged.key, *names), MOST, 0)
        keys = served.pop(logged.key)
        again = self._tables.again(logged.service, keys)
        both = [field.name for field in again.fields if field.name in served]
        right = again.sample((logged.key, *both), max(again.rows, 1), 0)  # all of them, in one reading
        yield from skew_remarks(pen, (keys, served), (right.pop(logged.key), right))

    def _groups(self, logged: LogTable, pen: Pen) -> Iterator[Remark]:
        """Compare how groups are served, and were when the model was accepted."""
        if not logged.groups:
            return
        rows = self._labelled(logged, pen.at)
        try:
            accepted: Table | None = self._tables.accepted(logged.service)
        except Absent:
            accepted = None
        for name in logged.groups:
            now, then = _grouped(rows, name, logged), _grouped(accepted, name, logged) if accepted else None
            if now is not None:
                yield from group_remarks(pen, name, now, then)

    def _labelled(self, logged: LogTable, now: datetime) -> Table:
        """Return the rows of the shortest span in which enough are labelled; of the longest where there is none."""
        rows = self._tables.rows(logged.service, now - DAY, now)
        _demand(rows, (*logged.groups, logged.score, logged.label))
        for span in SPANS[1:]:
            if not rows.rows or rows.rows - rows.summary({logged.label: Bounds()})[logged.label].nulls >= LABELLED:
                break
            rows = self._tables.rows(logged.service, now - span, now)
        return rows

    def _measures(self, logged: LogTable, pen: Pen) -> Iterator[Remark]:
        """Hold measures beside their limits, and beside the day before, the same hour of it, and of a week ago."""
        if not logged.measures:
            return
        asked, at = {measure.column: Bounds() for measure in logged.measures}, pen.at
        lately = self._tables.rows(logged.service, at - HOUR, at)
        _demand(lately, tuple(asked))
        now = lately.summary(asked)
        spans = {
            "the day before": (at - DAY - HOUR, at - HOUR),
            "at this hour yesterday": (at - DAY - HOUR, at - DAY),
            "a week ago": (at - WEEK - HOUR, at - WEEK),
        }
        past = {name: self._tables.rows(logged.service, *span).summary(asked) for name, span in spans.items()}
        past |= self._accepted(logged, asked)
        for measure in logged.measures:
            name = measure.column
            yield from measure_remarks(
                pen, measure, now[name], {k: one[name] for k, one in past.items() if name in one}
            )

    def _accepted(self, logged: LogTable, asked: Mapping[str, Bounds]) -> dict[str, dict[str, Summary]]:
        try:
            accepted = self._tables.accepted(logged.service)
        except Absent:
            return {}
        there = {field.name for field in accepted.fields} & set(asked)
        return {"when accepted": accepted.summary({name: asked[name] for name in sorted(there)})} if there else {}

    def _scores(self, logged: LogTable, pen: Pen) -> Iterator[Remark]:
        """Hold scores and labels beside those that the model was accepted on; estimate where no label is in yet."""
        if logged.score not in {field.name for field in self._tables.accepted(logged.service).fields}:
            return
        then = self._log.reference(logged.service)
        for span in SPANS:
            now = self._log.window(logged.service, pen.at - span, pen.at, labelled=True)
            if len(now.at) >= LABELLED:
                break
        yield from score_remarks(pen, now, then)
        yield from estimate_remarks(pen, self._log.window(logged.service, pen.at - HOUR, pen.at), then)


def _demand(rows: Table, names: tuple[str, ...]) -> None:
    """Raise ``Malformed`` where a log lacks a column that the settings name: that is no silence."""
    there = {field.name for field in rows.fields}
    if lost := [name for name in names if name not in there]:
        raise Malformed(f"the log has no column {', '.join(map(repr, lost))}")


def _grouped(rows: Table, name: str, logged: LogTable) -> Grouped | None:
    """Return groups, scores and labels of some rows; None where a column is not there."""
    wanted = (name, logged.score, logged.label)
    if not rows.rows or not {field.name for field in rows.fields}.issuperset(wanted):
        return None
    found = rows.sample(wanted, MOST, 0)
    return found[name], found[logged.score], found[logged.label]
