"""What a log shows beside its accuracy: each thing wrong is said, and the same rows in order say nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agent.drift.constraints import from_yaml
from agent.drift.rules import Constraints
from agent.inspector import Inspector
from agent.remarks import Pen, Remark, group_remarks, measure_remarks, score_remarks
from config.logs import LogTable, Measure
from tests.drift.tables import Rows
from tools.errors import Absent, Transient
from tools.grid import Floats
from tools.records import InferenceWindow, Recomputed
from tools.summary import Summary
from tools.tables import Column, Labels, Numbers, Table

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PEN = Pen("score", NOW)
LOG = LogTable(service="score", rows="rows", key="id", recomputed="again", reference="old")


class Log:
    """An inference log of handmade tables; windows of a model that is right nine times in ten."""

    def __init__(self, **changed: Any) -> None:
        self.seed, self.changed, self.now = 0, changed, NOW
        self.fails: Exception | None = None

    def _columns(self, seed: int, count: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        labels = (rng.random(count) < 0.4).astype(np.float64)
        wrong = rng.random(count) < 0.1
        return {
            "id": [f"r{at}" for at in range(count)],
            "x": rng.normal(10.0, 2.0, count),
            "plan": [("free", "pro")[at % 2] for at in range(count)],
            "score": np.where((labels > 0.5) ^ wrong, 0.9, 0.1),
            "label": labels,
        }

    def rows(self, service: str, start: datetime, end: datetime) -> Table:
        if self.fails is not None:
            raise self.fails
        found = self._columns(1, 2000)
        for name, change in self.changed.items():
            found[name] = change(found)
        return Rows("now", **found)

    def accepted(self, service: str) -> Table:
        return Rows("old", **self._columns(0, 3000))

    def again(self, service: str, keys: Column) -> Table:
        return Rows("again", **{name: self._columns(1, 2000)[name] for name in ("id", "x", "plan")})

    def keys(self, rows: str, column: str) -> Column:
        return Rows(rows, id=[f"r{at}" for at in range(1900)]).column(column)

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        return windowed(self.rows(service, start, end))

    def reference(self, service: str) -> InferenceWindow:
        return windowed(self.accepted(service))

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        raise Absent("the inspector compares tables")


def windowed(table: Table) -> InferenceWindow:
    x, score, label = (_numbers(table, name) for name in ("x", "score", "label"))
    at = NOW.timestamp() + np.arange(float(len(x))) - len(x)
    return InferenceWindow("score", ("x",), at, x[:, None], score, label, np.full(len(x), "1"))


def _numbers(table: Table, name: str) -> Floats:
    column = table.column(name)
    assert isinstance(column, Numbers)
    return column.values


def found(log: Log, logged: LogTable = LOG) -> list[tuple[str, str]]:
    remarks, trouble = inspector(log, logged).examine(logged, NOW)
    assert trouble == []
    return [(remark.kind, remark.subject) for remark in remarks]


def inspector(log: Log, logged: LogTable = LOG) -> Inspector:
    class Clock:
        def now(self) -> datetime:
            return log.now

    return Inspector(log, log, (logged,), Clock(), timedelta(minutes=10))


def test_rows_in_order_say_nothing() -> None:
    assert found(Log(), LOG.model_copy(update={"groups": ("plan",), "measures": (Measure(column="x"),)})) == []


@pytest.mark.parametrize(
    ("column", "change", "wanted"),
    [
        ("x", lambda rows: rows["x"] * 1000, [("rule", "x range"), ("skew", "x")]),
        ("x", lambda rows: np.where(np.arange(2000) % 50, rows["x"], np.nan), [("rule", "x nulls"), ("skew", "x")]),
        ("x", lambda rows: rows["x"] + 0.5, [("skew", "x")]),
        ("plan", lambda rows: ["gold"] * 20 + rows["plan"][20:], [("rule", "plan unseen"), ("skew", "plan")]),
        ("id", lambda rows: [f"new {each}" for each in rows["id"]], [("skew", "(keys)")]),
    ],
)
def test_rules_are_proposed_and_kept_and_what_was_served_is_held_beside_what_is_right(
    column: str, change: Any, wanted: list[tuple[str, str]]
) -> None:
    assert [each for each in found(Log(**{column: change})) if each[0] in ("rule", "skew")] == wanted


def test_what_a_reference_of_so_many_rows_could_hide_is_no_news_unless_a_person_made_the_rule() -> None:
    log = Log(plan=lambda rows: ["gold", *rows["plan"][1:]])
    assert "rule" not in {kind for kind, _ in found(log)}
    rules = Constraints.model_validate({"columns": {"plan": {"kind": "text", "values": ["free", "pro"]}}})
    strict = inspector(log)
    strict._rules["score"] = rules
    assert ("rule", "plan unseen") in {(each.kind, each.subject) for each in strict.examine(LOG, NOW)[0]}


def test_a_column_that_refers_to_what_is_gone_is_said() -> None:
    strict = inspector(Log())
    strict._rules["score"] = from_yaml("columns:\n  id: {kind: text, refers_to: {rows: ids.csv, column: id}}\n", "x")
    (remark,) = [one for one in strict.examine(LOG, NOW)[0] if one.kind == "rule"]
    assert remark.text == "id: 5.00% of the rows refer to what is not in ids.csv: 'r1999'"


def test_a_feature_in_another_unit_is_said_in_words() -> None:
    remarks, _ = inspector(Log(x=lambda rows: rows["x"] * 1000)).examine(LOG, NOW)
    told = " ".join(remark.text for remark in remarks)
    assert "served is the right value times 1000" in told
    assert "lie outside" in told


def served(group: str | None, right: float) -> Log:
    """Answer a group right so often, and all others nine times in ten."""

    def scores(rows: dict[str, Any]) -> Any:
        rng = np.random.default_rng(7)
        mine = np.array([each == group for each in rows["plan"]])
        wrong = rng.random(len(mine)) < np.where(mine, 1 - right, 0.1)
        return np.where((rows["label"] > 0.5) ^ wrong, 0.9, 0.1)

    return Log(score=scores)


def test_a_group_that_is_served_worse_is_named_with_its_interval() -> None:
    logged = LOG.model_copy(update={"groups": ("plan",)})
    remarks, _ = inspector(served("pro", 0.7)).examine(logged, NOW)
    told = {remark.subject: remark for remark in remarks if remark.kind == "group"}
    assert set(told) == {"plan, right answers", "plan, positives found"}
    worst = told["plan, right answers"]
    assert worst.text.startswith("right answers where plan is pro: ")
    assert worst.size == pytest.approx(0.2, abs=0.05)
    assert [kind for kind, _ in found(served("pro", 0.88), logged) if kind == "group"] == []


def test_a_gap_that_was_there_when_the_model_was_accepted_is_not_told() -> None:
    rows = served("pro", 0.7).rows("score", NOW, NOW)
    side = (rows.column("plan"), rows.column("score"), rows.column("label"))
    assert list(group_remarks(PEN, "plan", side, None))
    assert list(group_remarks(PEN, "plan", side, side)) == []


def rate(share: float, rows: int = 2000) -> Summary:
    return Summary(rows, lowest=0.0, highest=1.0, mean=share, variance=share * (1 - share))


def told(measure: Measure, now: Summary, **past: Summary) -> list[Remark]:
    return list(measure_remarks(PEN, measure, now, past))


def test_a_measure_is_told_when_it_is_worse_than_every_past() -> None:
    refused = Measure(column="refused")
    assert (
        told(refused, rate(0.10), yesterday=rate(0.02))[0].text
        == "refused is 0.1 on average of 2000 answers, yesterday 0.02"
    )
    assert told(refused, rate(0.10), yesterday=rate(0.02), week=rate(0.10)) == []  # so it is at this hour of the week
    assert told(refused, rate(0.02), yesterday=rate(0.10)) == []  # better
    assert told(refused, rate(0.021), yesterday=rate(0.02)) == []
    assert told(refused, rate(0.10, 60), yesterday=rate(0.02)) == []  # too few
    grounded = Measure(column="grounded", worse="lower")
    assert told(grounded, Summary(500, mean=0.5, variance=0.04), before=Summary(5000, mean=0.8, variance=0.04))
    assert not told(grounded, Summary(500, mean=0.8, variance=0.04), before=Summary(5000, mean=0.5, variance=0.04))
    either = Measure(column="tokens", worse="either")
    assert told(either, Summary(500, mean=90, variance=900), before=Summary(5000, mean=300, variance=900))


def test_a_measure_beyond_its_limit_is_told_without_any_past() -> None:
    toxic = Measure(column="toxicity", limit=0.05)
    (remark,) = told(toxic, Summary(2000, mean=0.08, variance=0.01))
    assert "limit 0.05" in remark.text
    assert told(toxic, Summary(2000, mean=0.052, variance=0.01)) == []  # not surely
    assert told(Measure(column="grounded", worse="lower", limit=0.7), Summary(2000, mean=0.6, variance=0.01))


def test_what_is_right_has_changed_where_labels_say_so_and_the_inputs_do_not() -> None:
    old, new = Log().reference("score"), Log().window("score", NOW, NOW)
    assert list(score_remarks(PEN, new, old)) == []
    turned = InferenceWindow("score", ("x",), new.at, new.features, new.scores, 1 - new.labels, new.version)
    kinds = {remark.kind: remark for remark in score_remarks(PEN, turned, old)}
    assert set(kinds) == {"calibration", "concept"}
    assert "what is right has changed" in kinds["concept"].text
    two = np.where(np.arange(len(new.at)) < 900, "1", "2")  # another version answers: that explains it too
    mixed = InferenceWindow("score", ("x",), new.at, new.features, new.scores, 1 - new.labels, two)
    assert {remark.kind for remark in score_remarks(PEN, mixed, old)} == {"calibration"}


def test_each_log_is_looked_at_in_its_time_and_one_that_cannot_be_read_is_said() -> None:
    log = Log(x=lambda rows: rows["x"] * 1000)
    eyes = inspector(log)
    eyes.look()
    assert {remark.kind for remark in eyes.remarks["score"]} >= {"rule", "skew"}
    log.changed, log.now = {}, NOW + timedelta(minutes=9)
    eyes.look()
    assert eyes.remarks["score"]  # not due
    log.now += timedelta(minutes=1)
    eyes.look()
    assert not eyes.remarks["score"]
    assert not eyes.problems
    log.fails, log.now = Transient("away"), log.now + timedelta(minutes=10)
    eyes.look()
    assert eyes.problems == ("log of score: away",)
    log.now += timedelta(minutes=1)
    eyes.look()
    assert eyes.problems == ("log of score: away",)  # until it is read again
    log.fails, log.now = Absent("no log yet"), log.now + timedelta(minutes=10)
    eyes.look()
    assert not eyes.problems


def test_groups_may_be_codes_but_not_measurements() -> None:
    from agent.remarks import as_groups

    codes = as_groups(Numbers(np.array([2.0, 1.0, np.nan, 2.0])))
    assert codes == Labels(codes.codes, ("1", "2")) if codes else False
    assert codes is not None
    assert codes.codes.tolist() == [1, 0, -1, 1]
    assert as_groups(Numbers(np.arange(100.0))) is None
