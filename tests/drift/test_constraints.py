"""Constraints: what is proposed, its own reference keeps; what is broken is counted and named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drift.constraints import ConstraintsError, enforce, from_yaml, propose, read_known, to_yaml
from agent.drift.counted import strays
from agent.drift.streamed import Enforcer
from tests.drift.tables import Rows
from tools.errors import Malformed
from tools.live.tables import open_table

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


def test_a_column_refers_to_what_is_there() -> None:
    rules = from_yaml(
        "columns:\n  user: {kind: text, refers_to: {rows: users.csv, column: key}}\n"
        "  shop: {kind: number, refers_to: {rows: shops.csv, column: id}}\n",
        "x",
    )
    parents = {"users.csv": Rows("users", key=["a", "b"]), "shops.csv": Rows(id=np.arange(3.0))}
    known = read_known(rules, lambda rows, column: parents[rows].column(column))
    good = Rows(user=["a", "b", None, "a"], shop=np.array([0, 1, 2, np.nan]))
    bad = Rows(user=["a", "x", None, "a"], shop=np.array([0, 7, 7, np.nan]))
    assert enforce(rules, good, NOW, known) == ()
    found = {fault.column: fault for fault in enforce(rules, bad, NOW, known)}
    assert {fault.kind for fault in found.values()} == {"orphans"}
    assert found["user"].text == "25.00% of the rows refer to what is not in users.csv: 'x'"
    assert (found["shop"].share, found["shop"].example) == (0.5, "7")
    stream = Enforcer(rules, known=known)
    assert stream.update(good) == ()
    assert {fault.column: fault.share for fault in stream.update(bad)} == {"user": 0.125, "shop": 0.25}
    with pytest.raises(Malformed, match=r"user refers to users\.csv, which was not read"):
        enforce(rules, good, NOW)


@pytest.mark.parametrize(("name", "key"), [("user", "name"), ("shop", "id")])
def test_engines_find_the_same_strays(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / "users.csv").write_text("name,id\na,0\nb,1\n")
    (tmp_path / "rows.csv").write_text("user,shop\na,0\nx,7\n,\nx,7\n")
    table, parents = (open_table(str(tmp_path / file)) for file in ("rows.csv", "users.csv"))
    known = parents.column(key)
    assert table.strays(name, known) == strays(table.column(name), known) == (2, {"user": "x", "shop": "7"}[name])
    with pytest.raises(Malformed, match="not of its kind"):
        table.strays(name, parents.column("id" if key == "name" else "name"))
