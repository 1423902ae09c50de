"""A scoring problem over tables, with a known truth: numeric features with seasons and correlations, a date, classes.

The truth is a logistic concept over standardised features, with interactions, and with effects that turn round far
from the middle, so that a model is good only where it has seen rows. Faults come in two sorts: *shifts* change the
world (rows or concept, curable by training anew), *corruptions* change only what the model is shown (curable upstream).
"""

from dataclasses import dataclass, replace
from math import cos, pi, sin
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

DATE_MEAN, DATE_SPREAD = 182.0, 105.0  # day of the year
CATEGORIES = 6  # per categorical feature, coded 0..5
SHUFFLED = np.array([3, 0, 4, 1, 5, 2])  # what each class comes as, where their order is not kept
SHARPNESS = 8.0  # standard deviation of the true logit: the best accuracy is about 0.92
ODDS = 10.0  # of the true logit, whose standard deviation is ``SHARPNESS``
TURN = 1.8  # spreads above the middle at which an effect turns round: few rows are there until covariates shift
SKEW = 2.2  # spreads by which a feature is off that is not centred
GOLDEN = 0.6180339887498949
_TRIAL = 4000  # rows on which a concept is scaled


@dataclass(frozen=True, slots=True)
class Drift:
    """What is wrong with the rows drawn. All amounts 0..1; nothing by default."""

    covariate: float = 0.0  # shift: the chosen features' mean moves by up to 2.5 spreads, and they widen by up to half
    concept: float = 0.0  # shift: the true weights turn by up to a quarter circle
    date_flip: bool = False  # corruption: day and month change places wherever that is still a date
    unparsed: bool = False  # corruption: dates whose day cannot be a month are missing
    unit_change: bool = False  # corruption: one numeric feature comes in a unit 1,000 times smaller
    prior: float = 0.0  # shift: the odds of a positive rise by up to e**10
    categories: bool = False  # corruption: the classes come under codes that nobody ever saw
    shuffle: bool = False  # corruption: the same, and in another order
    swap: bool = False  # corruption: two numeric columns changed places
    stale: bool = False  # corruption: the chosen features stand still
    lag: bool = False  # corruption: the chosen features are those of other rows
    nulls: float = 0.0  # corruption: share of rows in which the chosen features are missing
    rotation: float = 0.0  # shift: the numeric features come from another encoder, turned by up to a quarter circle
    segment: float = 0.0  # shift: as ``concept``, for the upper classes of the first categorical feature alone
    skew: float = 0.0  # corruption: share of rows whose chosen features are not centred as in training
    outdated: float = 0.0  # corruption of answers: share of rows that get the answer of the row before
    echo: bool = False  # corruption of labels: what is logged as truth is what was answered


@dataclass(frozen=True, slots=True, eq=False)
class Concept:
    """Weights of the truth over d standardised features."""

    linear: Floats  # (d,)
    pairs: Floats  # (d - 1,), of each feature with the next
    gain: float = 1.0
    bias: float = 0.0

    def logit(self, z: Floats) -> Floats:
        """Return the true logit of (n, d) standardised rows."""
        bent = np.tanh(0.7 * z)
        raw = np.minimum(z, 3 * TURN - 2 * z) @ self.linear + (bent[:, :-1] * bent[:, 1:]) @ self.pairs
        out: Floats = self.gain * raw + self.bias
        return out

    def turned(self, other: "Concept", amount: float) -> "Concept":
        """Return this concept turned towards an unrelated one; at 1 nothing of it is left."""
        if amount == 0.0:
            return self
        c, s = cos(amount * pi / 2), sin(amount * pi / 2)
        linear = c * self.gain * self.linear + s * other.gain * other.linear
        pairs = c * self.gain * self.pairs + s * other.gain * other.pairs
        return Concept(linear, pairs, 1.0, c * self.bias + s * other.bias)


@dataclass(frozen=True, slots=True, eq=False)
class TabularProblem:
    """One problem of d features in the order numeric, date, categorical. Make it with ``problem``."""

    names: tuple[str, ...]
    numeric: int
    mixing: Floats  # (numeric, numeric), standard normals to correlated ones
    location: Floats  # (d,), in the feature's own unit
    spread: Floats  # (d,)
    swing: Floats  # (numeric,), daily amplitude in spreads
    phase: Floats  # (numeric,), hour of the daily peak
    frequency: Floats  # (categorical, CATEGORIES), cumulated
    concept: Concept
    unrelated: Concept  # what a concept shift turns to
    chosen: NDArray[np.intp]  # numeric features that shifts and nulls fall on
    label_noise: float  # share of labels turned over
    period: ClassVar[int] = 24  # hours after which the seasons begin again
    lacks: ClassVar[frozenset[str]] = frozenset()  # of ``Drift``, what means nothing here

    def draw(
        self, rng: np.random.Generator, n: int, at_hours: ArrayLike, drift: Drift = Drift()
    ) -> tuple[Floats, Floats, Floats]:
        """Draw n rows at an hour, or at n hours: features (n, d) as the model sees them, true probability, labels."""
        z = self._numeric(rng, n, at_hours, drift.covariate)
        day, month = rng.integers(1, 31, n), rng.integers(0, 12, n)
        date = 30.4 * month + day
        codes = (rng.random((n, 1, len(self.frequency))) > self.frequency.T).sum(axis=1)
        shown = np.empty((n, len(self.names)))
        shown[:, : self.numeric] = z
        shown[:, self.numeric] = (date - DATE_MEAN) / DATE_SPREAD
        shown[:, self.numeric + 1 :] = (codes - self.location[self.numeric + 1 :]) / self.spread[self.numeric + 1 :]
        logit = self.concept.turned(self.unrelated, drift.concept).logit(shown)
        if drift.segment:
            elsewhere = self.concept.turned(self.unrelated, drift.segment).logit(shown)
            logit = np.where(codes[:, 0] >= CATEGORIES // 2, elsewhere, logit)
        probability = 0.5 * (1.0 + np.tanh(0.5 * (logit + ODDS * drift.prior)))
        probability = self.label_noise + (1.0 - 2.0 * self.label_noise) * probability
        labels = (rng.random(n) < probability).astype(np.float64)
        shown = self.location + self.spread * shown
        shown[:, self.numeric] = date
        if drift.date_flip:
            flipped = 30.4 * (day - 1) + month + 1
            shown[:, self.numeric] = np.where((day <= 12) & (day != month + 1), flipped, date)
        if drift.unparsed:
            shown[day > 12, self.numeric] = np.nan
        self._corrupt(rng, shown, drift)
        return shown, probability, labels

    def _numeric(self, rng: np.random.Generator, n: int, at_hours: ArrayLike, covariate: float) -> Floats:
        hours = np.asarray(at_hours, dtype=np.float64)
        season = self.swing * np.cos(2 * pi * (hours[..., None] - self.phase) / 24)
        z: Floats = rng.standard_normal((n, self.numeric)) @ self.mixing + season
        if covariate:
            z[:, self.chosen] = z[:, self.chosen] * (1 + 0.5 * covariate) + 2.5 * covariate
        return z

    def _corrupt(self, rng: np.random.Generator, shown: Floats, drift: Drift) -> None:
        """Spoil the rows in place, without a trace in the truth."""
        self._turn(shown, drift.rotation)
        if drift.skew:
            shown[np.ix_(some(len(shown), drift.skew), self.chosen)] -= self._skewed
        if drift.unit_change:
            shown[:, self.chosen[0]] *= 1000.0
        if drift.categories or drift.shuffle:
            order = SHUFFLED if drift.shuffle else np.arange(CATEGORIES)
            codes = np.rint(shown[:, self.numeric + 1 :]).astype(np.intp)
            shown[:, self.numeric + 1 :] = order[codes] + 4 * CATEGORIES
        if drift.swap:
            shown[:, [0, 1]] = shown[:, [1, 0]]
        if drift.stale:
            shown[:, self.chosen] = (self.location + self.spread)[self.chosen]
        if drift.lag:
            shown[:, self.chosen] = shown[rng.permutation(len(shown))][:, self.chosen]
        if drift.nulls:
            shown[np.ix_(rng.random(len(shown)) < drift.nulls, self.chosen)] = np.nan

    @property
    def _skewed(self) -> Floats:
        return (SKEW * self.spread)[self.chosen]

    def recomputed(self, shown: Floats, off: NDArray[np.bool_]) -> Floats:
        """Return rows as training computes them, from the same source; ``off``: those served otherwise."""
        again = shown.copy()
        again[np.ix_(off, self.chosen)] += self._skewed
        return again

    def _turn(self, shown: Floats, amount: float) -> None:
        """Turn the numeric features pair by pair: each looks as before by itself, and none means what it did."""
        if not amount:
            return
        c, s = cos(amount * pi / 2), sin(amount * pi / 2)
        one, two = np.arange(0, self.numeric - 1, 2), np.arange(1, self.numeric, 2)
        z = (shown - self.location) / self.spread
        first, second = c * z[:, one] - s * z[:, two], s * z[:, one] + c * z[:, two]
        shown[:, one] = self.location[one] + self.spread[one] * first
        shown[:, two] = self.location[two] + self.spread[two] * second


def some(count: int, share: float) -> NDArray[np.bool_]:
    """Return which of so many rows belong to that share of them, evenly spread; no chance in here.

    >>> int(some(1000, 0.25).sum())
    251
    """
    return np.asarray(np.arange(count) * GOLDEN % 1.0 < share) if share else np.zeros(count, dtype=np.bool_)


def problem(seed: int, numeric: int = 8, categorical: int = 3, label_noise: float = 0.02) -> TabularProblem:
    """Make the problem of that seed; positives are about two rows in five."""
    rng = np.random.Generator(np.random.PCG64(seed))
    d = numeric + 1 + categorical
    load = rng.uniform(-0.6, 0.6, numeric)
    mixing: Floats = np.linalg.cholesky(np.outer(load, load) + np.diag(1 - load**2)).T.astype(np.float64)
    share = rng.dirichlet(np.full(CATEGORIES, 3.0), categorical)
    codes = np.arange(CATEGORIES)
    middle = share @ codes
    width = np.sqrt(share @ codes**2 - middle**2)
    plain = Concept(np.zeros(d), np.zeros(d - 1))
    made = TabularProblem(
        names=(*(f"n{i}" for i in range(numeric)), "date", *(f"c{i}" for i in range(categorical))),
        numeric=numeric,
        mixing=mixing,
        location=np.concatenate((rng.uniform(20, 200, numeric), [DATE_MEAN], middle)),
        spread=np.concatenate((rng.uniform(2, 40, numeric), [DATE_SPREAD], width)),
        swing=np.where(rng.random(numeric) < 0.5, rng.uniform(0.1, 0.3, numeric), 0.0),
        phase=rng.uniform(0, 24, numeric),
        frequency=np.cumsum(share, axis=1)[:, :-1],
        concept=plain,
        unrelated=plain,
        chosen=np.arange(min(3, numeric)),
        label_noise=label_noise,
    )
    true, other = _concept(rng, d, numeric), _concept(rng, d, numeric)
    square = np.eye(d)
    square[:numeric, :numeric] = mixing.T @ mixing
    along = (other.linear @ square @ true.linear) / (true.linear @ square @ true.linear)
    other = replace(other, linear=other.linear - along * true.linear)  # so that they agree no more than by chance
    return replace(made, concept=_scaled(made, true, rng), unrelated=_scaled(made, other, rng))


def _concept(rng: np.random.Generator, d: int, date: int) -> Concept:
    """Return random weights; the first features and the date matter most, so that faults there are felt."""
    weight = np.linspace(1.0, 0.3, d)
    weight[date] = 1.2
    return Concept(
        linear=rng.choice((-1.0, 1.0), d) * rng.uniform(0.7, 1.0, d) * weight,
        pairs=rng.choice((-1.0, 1.0), d - 1) * rng.uniform(0.1, 0.3, d - 1) * weight[1:],
    )


def _scaled(made: TabularProblem, concept: Concept, rng: np.random.Generator) -> Concept:
    """Give the concept its sharpness and its share of positives."""
    features, _, _ = made.draw(rng, _TRIAL, rng.uniform(0, 168, _TRIAL))
    raw = concept.logit((features - made.location) / made.spread)
    gain = SHARPNESS / float(raw.std())
    return replace(concept, gain=gain, bias=-gain * float(np.quantile(raw, 0.6)))
