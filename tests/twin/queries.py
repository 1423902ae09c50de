"""Samples and queries made up from a seed, for the comparison with a real Prometheus."""

from __future__ import annotations

from random import Random

import numpy as np

from simulator.twin.promql.samples import NAME, SAMPLE, STALE, Labels, Samples

START = 1_767_582_000_000  # ms; a whole minute, hours before any world begins
STEP = 15_000
ROWS = 240  # an hour
EDGES = ("0.1", "0.5", "1", "2.5", "+Inf")


def made_up(seed: int = 5) -> list[Samples]:
    """Counters with resets, gauges with NaN and infinities, histograms; gaps, stale markers, and two scrape phases."""
    rng = np.random.default_rng(seed)
    return [_block(rng, job, phase) for job, phase in (("a", 0), ("b", 4_321))]


def _block(rng: np.random.Generator, job: str, phase: int) -> Samples:
    times = START + phase + STEP * np.arange(ROWS, dtype=np.int64)
    labels: list[Labels] = []
    columns: list[np.ndarray] = []
    for pod in range(3):
        base = {"job": job, "pod": f"{job}-{pod}", "zone": "east" if pod % 2 else "west"}
        for code in ("200", "429", "500"):
            labels.append({NAME: "requests_total", **base, "code": code})
            columns.append(_counter(rng, 2.0 if code == "200" else 0.2))
        labels += [{NAME: "queue", **base}, {NAME: "temperature", **base}, {NAME: "info", **base, "version": f"v{pod}"}]
        columns += [np.round(rng.gamma(2, 3, ROWS)), 20 * np.sin(np.arange(ROWS) / 20 + pod) + rng.normal(0, 3, ROWS)]
        columns.append(np.ones(ROWS))
        counts = rng.poisson(1.5, (ROWS, len(EDGES))).cumsum(axis=1).cumsum(axis=0).astype(np.float64)
        labels += [{NAME: "latency_bucket", **base, "le": edge} for edge in EDGES]
        columns += list(counts.T)
    labels += [{NAME: "odd", "job": job, "case": case} for case in ("nan", "inf", "flat", "few")]
    few = np.full(ROWS, np.nan)
    values = rng.normal(0, 5, (ROWS, 3))
    values[rng.random(ROWS) < 0.1, 0] = np.nan
    values[rng.random(ROWS) < 0.05, 1] = np.inf
    values[:, 2] = 7.5
    few[::31] = 3.25
    columns += [*values.T, few]
    table = np.stack(columns, axis=1)
    return Samples(tuple(labels), times, table, _gaps(rng, table, labels))


def _counter(rng: np.random.Generator, pace: float) -> np.ndarray:
    steps = rng.poisson(pace * 15, ROWS).astype(np.float64)
    out, total = np.empty(ROWS), 0.0 if rng.random() < 0.5 else 900.0
    for i, step in enumerate(steps):
        total = 0.0 if rng.random() < 0.01 else total + step
        out[i] = total
    return out


def _gaps(rng: np.random.Generator, table: np.ndarray, labels: list[Labels]) -> np.ndarray:
    state = np.full(table.shape, SAMPLE, dtype=np.uint8)
    state[rng.random(table.shape) < 0.03] = 0
    for column, each in enumerate(labels):
        if each.get("case") == "few":
            state[np.isnan(table[:, column]), column] = 0
        elif each[NAME] != "latency_bucket" and rng.random() < 0.4:
            start = int(rng.integers(40, 200))
            state[start, column] = STALE
            state[start + 1 : start + int(rng.integers(2, 60)), column] = 0
    return state


RANGE_FUNCTIONS = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "sum_over_time",
    "avg_over_time",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "absent_over_time",
]
FUNCTIONS = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "sgn",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "atan",
    "sinh",
    "tanh",
    "sort",
    "sort_desc",
    "absent",
]
CALENDAR = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]
SELECTORS = (
    "requests_total",
    'requests_total{code!="200"}',
    'requests_total{code=~"4..|5.."}',
    'requests_total{job="a",code="200"}',
    'requests_total{pod!~"a-.*"}',
    "queue",
    'queue{zone="east"}',
    "temperature",
    'temperature{pod=~".+-[12]"}',
    "odd",
    'odd{case="few"}',
    'odd{case!="nan",job="b"}',
    '{__name__=~"queue|temperature",job="a"}',
    'queue{missing=""}',
    'nothing{job="a"}',
)
BY = ("job", "pod", "zone", "code", "job, zone", "")
SPANS = ("30s", "1m", "90s", "2m", "5m", "7m", "20m")
SHIFTS = ("", "", "", " offset 2m", " offset -1m", f" @ {START // 1000 + 1800}", " @ start()", " @ end() offset 3m")


class Maker:
    """Makes up queries that are well formed; whether they can be evaluated is for both sides to say alike."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def query(self) -> str:
        return self.vector(self.random.choice((1, 1, 2, 2, 3)))

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.leaf()
        if self.random.random() < 0.3:
            return self.random.choice((self.leaf, self.ranged))()
        return self.random.choice((self.aggregate, self.aggregate, self.binary, self.matched, self.call))(depth - 1)

    def leaf(self) -> str:
        return self.random.choice(SELECTORS) + self.random.choice(SHIFTS)

    def ranged(self) -> str:
        pick = self.random.choice
        if self.random.random() < 0.15:
            inner = pick((f"rate({pick(SELECTORS)}[2m])", pick(SELECTORS), f"max by (job) ({pick(SELECTORS)})"))
            window = f"{inner}[{pick(('5m', '11m'))}:{pick(('30s', '1m', ''))}]"
        else:
            window = f"{pick(SELECTORS)}[{pick(SPANS)}]"
        extra = self.random.random()
        if 0.1 <= extra < 0.17:  # without @: Prometheus 2.42 then answers for some of the steps alone
            return f"predict_linear({window}, {pick(('60', '3600'))})"
        window += pick(SHIFTS)
        if extra < 0.1:
            return f"quantile_over_time({pick(('0.5', '0.99', '1', '-1'))}, {window})"
        return f"{pick(RANGE_FUNCTIONS)}({window})"

    def aggregate(self, depth: int) -> str:
        pick = self.random.choice
        op = pick(
            [
                "sum",
                "avg",
                "min",
                "max",
                "count",
                "group",
                "stddev",
                "stdvar",
                "quantile",
                "topk",
                "bottomk",
                "count_values",
                "sum",
                "max",
            ]
        )
        by = "" if self.random.random() < 0.2 else f" {pick(('by', 'by', 'without'))} ({pick(BY)})"
        first = {
            "quantile": f"{pick(('0', '0.25', '0.9', '2'))}, ",
            "topk": f"{pick(('1', '3'))}, ",
            "bottomk": f"{pick(('1', '2'))}, ",
            "count_values": '"value", ',
        }.get(op, "")
        plain = f"temperature{pick(SHIFTS)}"  # no ties for a rank, no rounding that becomes part of a label
        inner = plain if op in ("topk", "bottomk", "count_values") else self.vector(depth)
        return f"{op}{by} ({first}{inner})"

    def binary(self, depth: int) -> str:
        pick = self.random.choice
        op = pick(("+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "> bool", "== bool"))
        scalar = pick(("2", "0", "-3.5", "time()", "scalar(sum(queue))", "NaN"))
        sides = [self.vector(depth), scalar]
        self.random.shuffle(sides)
        return f"({sides[0]}) {op} ({sides[1]})"

    def matched(self, depth: int) -> str:
        pick = self.random.choice
        left, right = self.vector(depth - 1), self.vector(depth - 1)
        form = pick(range(6))
        op = pick(("+", "-", "*", "/", ">", "<= bool", "!="))
        if form == 0:
            return f"({left}) {pick(('and', 'or', 'unless'))} {pick(('', 'on (pod) ', 'ignoring (code) '))}({right})"
        if form == 1:
            return f"sum by (pod, zone) ({left}) {op} sum by (pod, zone) ({right})"
        if form == 2:
            return f"sum by (pod, code) (requests_total) {op} on (pod) group_left (zone) sum by (pod, zone) ({right})"
        if form == 3:
            return f"sum by (job) ({left}) {op} on (job) group_right () {pick(('queue', 'info'))}"
        if form == 4:
            return f"rate(requests_total[5m]) {op} ignoring (code) group_left (version) info"
        return f"({left}) {op} ({right})"

    def call(self, depth: int) -> str:
        pick = self.random.choice
        inner = self.vector(depth)
        forms = (
            f"{pick(FUNCTIONS)}({inner})",
            f"{pick(FUNCTIONS)}({inner})",
            f"round({inner}{pick(('', ', 0.5', ', 10'))})",
            f"clamp({inner}, -2, {pick(('4', '-3'))})",
            f"clamp_min({inner}, 1)",
            f"clamp_max({inner}, 1)",
            f"timestamp({inner})",
            f"{pick(CALENDAR)}({pick(('', f'vector(time() + {self.random.randrange(10**8)})'))})",
            f"-({inner})",
            f"vector(scalar({inner}))",
            f'label_replace({inner}, "{pick(("x", "pod"))}", "$1-{pick("ab")}", "pod", "{pick(("(.*)-.*", "b-(.)"))}")',
            f'label_join({inner}, "both", "/", "job", "zone")',
            f"histogram_quantile({pick(('0.5', '0.95', '1.1'))}, sum by (le, {pick(('job', 'pod'))}) "
            f"({pick(('rate', 'increase'))}(latency_bucket[{pick(SPANS)}])))",
            f"histogram_quantile({pick(('0', '0.9', '1'))}, latency_bucket)",
        )
        return pick(forms)
