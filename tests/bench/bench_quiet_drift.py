"""False alarms of drift reports on data of which nothing moved, at three sizes.

A report's verdicts depend on counts alone, so that windows of rows drawn alike may be drawn as counts (multinomial):
a thousand windows of ten million rows each, exactly as they would fall. Whole reports on rows (faults, joint tests and
segments included) are drawn as rows, fewer where they are large.
"""

from collections.abc import Mapping

import numpy as np

from agent.drift.compare import compare
from agent.drift.finding import Limits
from agent.drift.gathering import Gathered
from agent.drift.judging import judge
from tests.drift.tables import Rows
from tools.grid import Floats, Grid
from tools.tables import Labels, Tally

SIZES = (1_000, 100_000, 10_000_000)
NUMBERS, CATEGORIES = 12, (20, 2000)
BINS = 512
GRID = Grid(-8.0, 16.0 / BINS, BINS)


def figures(windows: int = 300) -> Mapping[str, float]:
    """Return the share of reports with any alarm; the rate allowed is ``Limits().false_alarms`` = 1 %."""
    found = {}
    for size in SIZES:
        hits = sum(counted_window(size, seed) for seed in range(windows))
        found[f"drift_false_alarms_{size}"] = hits / windows
    for size, number in ((1_000, windows // 3), (100_000, windows // 15)):
        hits = sum(whole_window(size, seed) for seed in range(number))
        found[f"drift_false_alarms_whole_{size}"] = hits / number
    return found


def counted_window(size: int, seed: int) -> bool:
    """Whether a report on two draws of ``size`` rows each raises an alarm."""
    rng = np.random.default_rng(seed)
    gathered = Gathered()
    for at in range(NUMBERS):
        gathered.numbers[f"n{at}"] = (_tally(rng, size, at), _tally(rng, size, at))
        gathered.grids[f"n{at}"] = GRID
        gathered.nulls[f"n{at}"] = (int(rng.binomial(size, 0.01)), int(rng.binomial(size, 0.01)))
    for at, values in enumerate(CATEGORIES):
        one, two = (rng.multinomial(size, _zipf(values)) for _ in range(2))
        sides = ({f"v{place}": int(n) for place, n in enumerate(side) if n} for side in (one, two))
        gathered.texts[f"c{at}"] = (next(sides), next(sides))
    return any(move.verdict == "moved" for move in judge(gathered, Limits(least=0.0), (size, size), {}))


def _tally(rng: np.random.Generator, size: int, shape: int) -> Tally:
    return Tally(rng.multinomial(size, SHAPES[shape % len(SHAPES)]), 0, 0, -8.0, 8.0)


def _shapes() -> list[Floats]:
    """Normal, uniform, heavy-tailed, spiked and discrete shares of bins."""
    x = np.linspace(-8, 8, BINS)
    spiked = np.exp(-(x**2) / 2) / np.exp(-(x**2) / 2).sum() / 2
    spiked[BINS // 2] += 0.5
    discrete = np.zeros(BINS)
    discrete[:: BINS // 16] = 1
    raw = [np.exp(-(x**2) / 2), np.ones(BINS), 1 / (1 + x**2), spiked, discrete]
    return [np.asarray(one / one.sum(), np.float64) for one in raw]


SHAPES = _shapes()


def _zipf(values: int) -> Floats:
    found = 1.0 / np.arange(1, values + 1)
    return np.asarray(found / found.sum(), np.float64)


def whole_window(size: int, seed: int) -> bool:
    """Whether a whole report on rows raises an alarm."""
    rng = np.random.default_rng(seed)
    return compare(_rows(rng, size), _rows(rng, size), Limits(least=0.0)).alarming


def _rows(rng: np.random.Generator, size: int) -> Rows:
    base = rng.normal(size=size)
    return Rows(
        normal=base,
        tied=(base + rng.normal(size=size)).round(1),
        heavy=rng.standard_t(1.5, size),
        positive=rng.lognormal(0, 2, size),
        count=rng.poisson(3, size).astype(np.float64),
        holed=np.where(rng.random(size) < 0.02, np.nan, base),
        place=Labels(rng.choice(40, size, p=_zipf(40)).astype(np.int32), tuple(f"v{at}" for at in range(40))),
        seen_at=1.8e9 + np.sort(rng.random(size)) * 1e6,
    )
