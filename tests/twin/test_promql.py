"""PromQL by hand-made samples: what needs no server to be known."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.twin.promql.answer import as_json
from simulator.twin.promql.evaluate import Rules, query, query_range
from simulator.twin.promql.samples import ABSENT, NAME, SAMPLE, STALE, QueryError, Samples, UnsupportedError

T = 1_000_000  # ms
TIMES = T + 10_000 * np.arange(7, dtype=np.int64)


CLASSIC = Rules()


def samples() -> Samples:
    labels = (
        {NAME: "c", "pod": "a", "le": "1"},
        {NAME: "c", "pod": "a", "le": "+Inf"},
        {NAME: "g", "pod": "a"},
        {NAME: "g", "pod": "b"},
    )
    values = np.array([[i * 5, i * 10, i, -i] for i in range(7)], dtype=float)
    values[5:, :2] -= 50  # a reset
    state = np.full(values.shape, SAMPLE, dtype=np.uint8)
    state[4, 3], state[5:, 3] = STALE, ABSENT
    return Samples(labels, TIMES, values, state)


def ask(text: str, at: int = T + 30_000, rules: Rules = CLASSIC) -> dict[str, float]:
    found = as_json(query(text, samples(), at, rules), np.array([at]), ranged=False)
    if found["resultType"] == "scalar":
        return {"": float(found["result"][1])}
    return {row["metric"].get("pod", ""): float(row["value"][1]) for row in found["result"]}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("g", {"a": 3, "b": -3}),
        ('g{pod="b"}', {"b": -3}),
        ('g{pod!~"a|c"}', {"b": -3}),
        ("sum(g)", {"": 0}),
        ("g offset 10s", {"a": 2, "b": -2}),
        ("g > 0", {"a": 3}),
        ("g > bool 0", {"a": 1, "b": 0}),
        ("2 ^ 3 ^ 2", {"": 512}),
        ("-g", {"a": -3, "b": 3}),
        ("topk(1, g)", {"a": 3}),
        ('g and on (pod) c{le="1"}', {"a": 3}),
        ('g unless on (pod) c{le="1"}', {"b": -3}),
        ('c{le="1"} / ignoring (le) group_left () g{pod="a"}', {"a": 5}),
        ("count_over_time(g[20s])", {"a": 3, "b": 3}),
        ("sum_over_time(g[30s:10s])", {"a": 6, "b": -6}),
        ('rate(c{le="+Inf"}[20s])', {"a": 1}),
        ("histogram_quantile(0.25, c)", {"a": 0.5}),
        ("absent(nothing)", {"": 1}),
        ("time()", {"": 1030}),
        ("g @ 1010", {"a": 1, "b": -1}),
    ],
)
def test_an_answer_worked_out_by_hand(text: str, wanted: dict[str, float]) -> None:
    assert ask(text) == pytest.approx(wanted)


def test_a_stale_marker_ends_a_series_at_once_and_silence_after_five_minutes() -> None:
    assert ask("g", T + 39_999) == {"a": 3, "b": -3}
    assert ask("g", T + 40_000) == {"a": 4}
    assert ask("g", T + 60_000 + 300_000) == {"a": 6}
    assert ask("g", T + 60_001 + 300_000) == {}


def test_version_three_leaves_the_left_edge_out() -> None:
    assert ask("count_over_time(g[20s])", rules=Rules(modern=True)) == {"a": 2, "b": 2}


def test_a_counter_reset_is_a_rise_from_zero() -> None:
    assert ask('increase(c{le="+Inf"}[20s])', T + 60_000)["a"] == pytest.approx(10)
    assert ask('resets(c{le="+Inf"}[1m])', T + 60_000) == {"a": 1}


@pytest.mark.parametrize("text", ["sum(", "nosuch(g)", "rate(g)", "{}", 'g{pod=~"("}', "g + on (pod) c"])
def test_what_is_wrong_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(QueryError) as refused:
        ask(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["sort_by_label(g, 'pod')", "limitk(1, g)", 'g{pod="a" or pod="b"}'])
def test_what_is_not_supported_is_said(text: str) -> None:
    with pytest.raises(UnsupportedError, match="not supported"):
        ask(text)


def test_a_range_is_the_instants_side_by_side() -> None:
    span = (T, T + 60_000, 7_000)
    whole = query_range("sum by (pod) (rate(c[30s])) or g", samples(), span).vector
    for i, at in enumerate(range(*span)):
        one = query("sum by (pod) (rate(c[30s])) or g", samples(), at).vector
        alone = {
            tuple(sorted(k.items())): v for k, v, h in zip(one.labels, one.values[0], one.has[0], strict=True) if h
        }
        here = zip(whole.labels, whole.values[i], whole.has[i], strict=True)
        assert {tuple(sorted(k.items())): v for k, v, h in here if h} == pytest.approx(alone)


@pytest.mark.parametrize("span", [(T, T - 1, 1000), (T, T + 1, 0), (T, T + 20_000_000, 1000)])
def test_a_range_that_makes_no_sense_is_refused(span: tuple[int, int, int]) -> None:
    with pytest.raises(QueryError):
        query_range("g", samples(), span)
