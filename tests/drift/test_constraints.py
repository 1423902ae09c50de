"""Constraints: what is proposed, its own reference keeps; what is broken is counted and named."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drift.constraints import ConstraintsError, enforce, from_yaml, orphans, propose, to_yaml
from tests.drift.tables import Rows
from tools.tables import Labels

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KNOWN: list[str | None] = ["free", "pro", None, "free"] * 50


def rows(**changed: object) -> Rows:
    columns = {
        "age": np.linspace(18, 80, 200),
        "plan": KNOWN,
        "id": [f"u{at}" for at in range(200)],
        "seen_at": NOW.timestamp() - np.arange(200.0),
    }
    return Rows("users", **(columns | changed))  # type: ignore[arg-type]


def kinds(table: Rows, text: str = "") -> set[tuple[str, str]]:
    rules = from_yaml(text or to_yaml(propose(rows()), "users"), "rules.yaml")
    return {(fault.column, fault.kind) for fault in enforce(rules, table, NOW)}


def test_rules_are_readable() -> None:
    text = to_yaml(propose(rows()), "users")
    assert "  age: {kind: number, nulls_at_most: 0.015, at_least: 9.0, at_most: 111.0}" in text
    assert "  plan: {kind: text, nulls_at_most: 0.515, values: [free, pro]}" in text
    assert "  id: {kind: text, nulls_at_most: 0.015, unique: true}" in text


def test_a_least_value_is_nought_only_where_values_come_near_it() -> None:
    rng = np.random.default_rng(0)
    rules = propose(Rows(paid=rng.exponential(5, 500), age=rng.uniform(18, 80, 500), off=rng.normal(0, 1, 500))).columns
    assert rules["paid"].at_least == 0.0
    assert 8.9 < (rules["age"].at_least or 0) < 18
    assert (rules["off"].at_least or 0) < -3


@given(st.lists(st.floats(allow_infinity=True, allow_nan=True), min_size=1, max_size=50))
def test_a_reference_keeps_its_own_rules_but_for_infinities(values: list[float]) -> None:
    table = Rows(x=np.array(values))
    rules = from_yaml(to_yaml(propose(table), "x"), "rules.yaml")
    broken = enforce(rules, table, NOW)
    assert not broken or np.isinf(values).any() or max(map(abs, values)) > 1e300


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, set()),
        ({"age": np.append(np.linspace(18, 80, 199), 900)}, {("age", "range")}),
        ({"age": np.full(200, np.nan)}, {("age", "nulls")}),
        ({"plan": ["gold"] * 200}, {("plan", "unseen")}),
        ({"id": ["u1"] * 200}, {("id", "duplicates")}),
        ({"age": ["x"] * 200}, {("age", "type")}),
    ],
)
def test_what_is_broken_is_named(changed: dict[str, object], broken: set[tuple[str, str]]) -> None:
    assert kinds(rows(**changed)) == broken


def test_rows_columns_and_age() -> None:
    text = "rows_at_least: 500\ncolumns:\n  gone: {kind: number}\n  seen_at: {kind: time, fresh_within: 2h}\n"
    assert kinds(rows(), text) == {("(rows)", "rows"), ("gone", "missing column")}
    old = rows(seen_at=NOW.timestamp() - 3 * 3600 - np.arange(200.0))
    assert ("seen_at", "stale") in kinds(old, text)
    assert from_yaml(text, "x").columns["seen_at"].fresh_within == timedelta(hours=2)


@pytest.mark.parametrize(
    "text", ["columns: [", "columns: {a: {kind: wood}}", "nonsense: 1", "columns: {a: {kind: text, unqiue: 1}}"]
)
def test_wrong_rules_are_one_line(text: str) -> None:
    with pytest.raises(ConstraintsError) as caught:
        from_yaml(text, "rules.yaml")
    assert "rules.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_referential_gaps() -> None:
    child, parent = Labels(np.array([0, 1, 1, -1], np.int32), ("a", "x")), Labels(np.array([0], np.int32), ("a",))
    (fault,) = orphans(child, parent, "user")
    assert (fault.kind, fault.share, fault.example) == ("orphans", 0.5, "x")
    assert orphans(parent, child, "user") == ()
