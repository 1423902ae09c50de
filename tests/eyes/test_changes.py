"""Change detectors of all series at once tell what a slow, literal one of each series alone tells."""

import importlib.util
import math
from statistics import NormalDist
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.eyes import adwin, loops
from agent.eyes.adwin_loops import CLOCK, LEAST, LONGEST, ROWS, cut, is_border, slot
from agent.eyes.changes import KINDS, Changes
from agent.eyes.columns import Reals
from agent.eyes.contract import Tick
from tools import compiled as compiling


class PageHinkley:
    """One series; the definition, word for word."""

    def __init__(self) -> None:
        self.count, self.mean, self.up, self.down, self.least, self.most = 0, 0.0, 0.0, 0.0, math.inf, -1.0

    def update(self, value: float) -> bool:
        self.count += 1
        self.mean += (value - self.mean) / self.count
        self.up = (1 - 0.0001) * self.up + value - self.mean - 0.005
        self.down = (1 - 0.0001) * self.down + value - self.mean + 0.005
        self.least, self.most = min(self.least, self.up), max(self.most, self.down)
        return self.count >= 30 and max(self.up - self.least, self.most - self.down) > 50


class Adwin:
    """One series; buckets that are merged one by one."""

    def __init__(self) -> None:
        self.rows, self.count, self.total, self.spread = [list[float]()], 0, 0.0, 0.0

    def update(self, value: float) -> bool:
        if self.count:
            self.spread += self.count * (value - self.total / self.count) ** 2 / (self.count + 1)
        self.count, self.total = self.count + 1, self.total + value
        self.rows[0].append(value)
        level = 0
        while len(self.rows[level]) == 6:
            self.rows += [[]] if level + 1 == len(self.rows) else []
            self.rows[level + 1].append(self.rows[level].pop(0) + self.rows[level].pop(0))
            level += 1
        return self.count % 32 == 0 and self.cut()

    def cut(self) -> bool:
        older, total = 0, 0.0
        for size, bucket in [(2**k, one) for k in range(len(self.rows) - 1, -1, -1) for one in self.rows[k]]:
            older, total = older + size, total + bucket
            newer = self.count - older
            if min(older, newer) < 5:
                continue
            chance, few = math.log(2 * math.log(self.count) / 0.002), 1 / (older - 4) + 1 / (newer - 4)
            bound = math.sqrt(2 * few * self.spread / self.count * chance) + 2 / 3 * chance * few
            if abs(total / older - (self.total - total) / newer) > bound:
                return True
        return False


class Gaussian:
    """One series; all its values, again and again. It is never begun anew."""

    def __init__(self) -> None:
        self.values = list[float]()

    def update(self, value: float) -> bool:
        told = False
        if len(self.values) >= 100:
            told = 2 * abs(NormalDist.from_samples(self.values).cdf(value) - 0.5) > 2 * NormalDist().cdf(4.0) - 1
        self.values.append(value)
        return told


SLOW: dict[str, type[PageHinkley] | type[Adwin]] = {"page-hinkley": PageHinkley, "adwin": Adwin}


def slowly(kind: str, values: Reals) -> set[tuple[int, int]]:
    """Return (row, series) of every change; a series without a value stays as it is."""
    found = set()
    for series, column in enumerate(values.T):
        detector = SLOW[kind]()
        for row, value in enumerate(column.tolist()):
            if not math.isnan(value) and detector.update(value):
                found.add((row, series))
                detector = SLOW[kind]()
    return found


def at_once(kind: str, values: Reals) -> set[tuple[int, int]]:
    changes = Changes(kind, values.shape[1])
    steps = [changes.update(60.0 * row, of.astype(np.float64)) for row, of in enumerate(values)]
    assert all(step.threshold == 1.0 and step.onset_at <= step.at for one in steps for step in one.alarms)
    return {(row, alarm.series) for row, step in enumerate(steps) for alarm in step.alarms}


def stream(seed: int, missing: float) -> Reals:
    """Levels that change, of several sizes of noise, and errors of a model whose rate changes; some values missing."""
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 1, (640, 6)) * rng.choice([0.05, 0.3, 1, 5], 6)
    found += np.repeat(rng.normal(0, 1, (4, 6)) * rng.choice([0.0, 0.5, 2.0], 6), 160, axis=0)
    found[:, :2] = rng.random((640, 2)) < np.repeat(rng.uniform(0.05, 0.6, (4, 2)), 160, axis=0)
    whole: Reals = found.astype(np.float32)
    whole[rng.random(whole.shape) < missing] = np.nan
    return whole


@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("missing", [0.0, 0.01])
@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_all_at_once_is_as_one_by_one(kind: str, missing: float, seed: int) -> None:
    values = stream(seed, missing)
    assert at_once(kind, values) == slowly(kind, values)


def walked(many: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Reals, Reals]:
    """Return what Page-Hinkley says of 700 series and knows of them in the end, with loops from so many series on."""
    monkeypatch.setattr(loops, "MANY", many)
    rng, found = np.random.default_rng(5), KINDS["page-hinkley"](700)
    values = np.cumsum(rng.normal(0, 0.3, (300, 700)), axis=0).astype(np.float32)
    ticks = [Tick(row[None], np.zeros(700, np.int32), np.zeros(700)) for row in values]
    return np.array([found.update(tick).statistic for tick in ticks]), found.of["sums"]


def test_loops_of_page_hinkley_say_and_know_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    said, known = walked(10**9, monkeypatch)
    swift, kept = walked(1, monkeypatch)
    assert (said > 0).sum() > 1000
    assert np.array_equal(said, swift)
    assert np.array_equal(known, kept)


def test_the_gaussian_tells_each_value_too_far_away() -> None:
    values, slow, told = stream(4, 0.01)[:320, :4], [Gaussian() for _ in range(4)], set()
    values[200, 1], values[300, 2] = 40.0, -40.0
    for row, of in enumerate(values.tolist()):
        told |= {(row, at) for at, one in enumerate(of) if not math.isnan(one) and slow[at].update(one)}
    assert {(200, 1), (300, 2)} <= told
    assert at_once("gaussian", values) == told


def test_there_are_changes_to_tell() -> None:
    assert all(slowly(kind, stream(seed, 0.0)) for kind in SLOW for seed in (1, 2, 3))


def cuts(count: int) -> tuple[list[int], list[int]]:
    """Return the rows of the sums before the cuts of a window, and the values before them."""
    rows, numbers = np.empty(ROWS, np.int64), np.empty((4, ROWS))
    many = cut(count, rows, numbers)
    return rows[:many].tolist(), numbers[0, :many].tolist()


def test_no_border_that_is_alive_is_overwritten() -> None:
    """Borders follow from the number of values alone; the sums before them are found again where they were put."""
    kept = dict[int, int]()
    for count in range(1, 40_000):
        if is_border(count):
            kept[slot(count)] = count
        if count % CLOCK == 0:
            rows, older = cuts(count)
            assert [kept[row] for row in rows] == older


def test_there_is_a_place_for_every_border_of_the_longest_window() -> None:
    for count in (2**22 + CLOCK, 2**24 + 10 * CLOCK, LONGEST):
        rows = [*cuts(count)[0], slot(count)]
        assert len(set(rows)) == len(rows)
        assert max(rows) < ROWS


def test_cuts_are_at_the_borders_of_buckets() -> None:
    detector = Adwin()
    for count in range(1, 3000):
        detector.update(1.0)
        if count % CLOCK == 0:
            sizes = [2**k for k in range(len(detector.rows) - 1, -1, -1) for _ in detector.rows[k]]
            borders = [int(border) for border in np.cumsum(sizes)]
            assert cuts(count)[1][::-1] == [one for one in borders if LEAST <= one <= count - LEAST]


def as_written() -> ModuleType:
    """Return the loops as they are where nothing compiles them."""
    spec = importlib.util.find_spec("agent.eyes.adwin_loops")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("run", [1, 4, 512])
def test_loops_say_the_same_compiled_or_not_whatever_the_length_of_a_run(
    run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = stream(8, 0.02) + np.linspace(-1e3, 1e5, 6, dtype=np.float32)
    values[:40, 2:] = np.nan  # so that a run has none that is due when another has
    whole = at_once("adwin", values)
    monkeypatch.setattr(compiling, "numba", None)
    loops = as_written()
    assert not hasattr(loops.add, "py_func")
    monkeypatch.setattr(loops, "RUN", run)
    monkeypatch.setattr(adwin, "add", loops.add)
    monkeypatch.setattr(adwin, "check", loops.check)
    assert whole
    assert at_once("adwin", values) == whole


def test_what_can_be_kept_nowhere_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(function: object, cache: bool = False, **_: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return "compiled", function

    monkeypatch.setattr(compiling, "numba", SimpleNamespace(njit=njit))
    assert compiling.compiled(cuts) == ("compiled", cuts)  # type: ignore[comparison-overlap]


def test_the_longest_window_ends() -> None:
    detector = adwin.Adwin(2)
    detector.of["age"][0] = LONGEST - CLOCK
    tick = Tick(np.zeros((1, 2), np.float32), np.zeros(2, np.int32), np.zeros(2))
    for _ in range(CLOCK):
        assert not detector.update(tick).statistic.any()
    assert detector.of["age"].tolist() == [0, CLOCK]
    whole = adwin.Adwin(3)
    whole.of["age"][:] = LONGEST - CLOCK
    tick = Tick(np.zeros((1, 3), np.float32), np.zeros(3, np.int32), np.zeros(3))
    for _ in range(CLOCK):
        whole.update(tick)
    assert not whole.of["age"].any()


def test_values_as_large_as_can_be_are_no_error() -> None:
    rng = np.random.default_rng(6)
    assert not at_once("adwin", rng.normal(0, 4e17, (320, 3)).astype(np.float32))
    assert at_once("adwin", np.repeat(np.array([-4e18, 4e18], np.float32), 320)[:, None])


def test_a_change_says_from_what_and_since_when() -> None:
    rng, changes = np.random.default_rng(0), Changes("adwin", 1)
    values = np.where(rng.random(2000) < np.repeat([0.05, 0.2], 1000), 1.0, 0.0)
    (alarm,) = (alarm for row, one in enumerate(values) for alarm in changes.update(60.0 * row, one[None]).alarms)
    assert alarm.expected == pytest.approx(0.05, abs=0.02)
    assert 60 * 1000 < alarm.at < 60 * 1200
    assert abs(alarm.onset_at / 60 - 1000) < 64
