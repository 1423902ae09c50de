"""Which learnt class a code that was never seen means, told before labels from what classes look like.

A class looks like its share of the rows and like the means of the other columns in them. Of all one-to-one renamings
of the codes that came to the classes that went, each has a likelihood; beforehand it is as likely that the order of the
codes was kept as that any renaming at all was chosen. What may be misread is weighed by what the model would answer:
two classes that nothing tells apart do not matter where it answers to both alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import exp, lgamma, log

import numpy as np
from numpy.typing import NDArray

from agent.analysts.columns import EXACT

Table = NDArray[np.float64]
Codes = tuple[tuple[int, int], ...]  # (comes as, means), rising
Differ = Callable[[int, int], float]  # share of the rows of a class answered otherwise were they of another class

MOST = 10  # classes renamed of one column: renamings are counted over all subsets of them
RISK = 0.003  # of the answers: so many may be expected to be wrong for being misread; doing without costs more
SAME = log(100.0)  # odds that what comes are the classes that went, and not others
ODD = 1e-4  # a difference that chance makes so seldom is one
TINY = 1e-5  # of the answers: not worth asking what the model would answer
KEPT = 0.5  # how likely it is beforehand that the order of the codes was kept


@dataclass(frozen=True, slots=True)
class Looks:
    """What the K classes of one column look like in some rows."""

    codes: Table  # (K,), whole, rising
    counts: Table  # (K,)
    means: Table  # (K, d), of the other columns less their mean over all rows, in units in which each varies by 1


def looks(column: Table, beside: Table, turn: Table) -> Looks:
    """Return what classes look like; ``beside``: other columns (n, k), ``turn``: (k, d), what makes them vary by 1."""
    known = np.isfinite(column)
    codes, place = np.unique(np.round(column[known], EXACT), return_inverse=True)
    counts = np.bincount(place, minlength=len(codes)).astype(np.float64)
    rows = centred(beside[known]) @ turn
    sums = np.zeros((len(codes), rows.shape[1]))  # of no column, where no other one varies
    np.add.at(sums, place, rows)
    return Looks(codes, counts, sums / counts[:, None])


def centred(rows: Table) -> Table:
    """Return columns less their means; what is missing is in the middle."""
    known = np.isfinite(rows)
    mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(np.where(known, rows - mean, 0.0))


def turning(rows: Table) -> Table:
    """Return what turns (n, k) rows into columns that do not go together and vary by 1; what never varies is left out.

    >>> x = np.random.default_rng(0).normal(size=(1000, 1)) * 7
    >>> turning(np.hstack([x, 2 * x])).shape
    (2, 1)
    """
    if rows.shape[1] == 0:
        return np.zeros((0, 0))
    spread = rows.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(np.cov(rows / scale, rowvar=False).reshape(len(scale), len(scale)))
    kept = values > 1e-6 * max(values.max(), 1e-300)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None])


@dataclass(frozen=True, eq=False)
class Renaming:
    """The classes of one column before, and the codes that came in the place of some of them."""

    before: Looks
    now: Looks

    @cached_property
    def new(self) -> NDArray[np.intp]:
        """Places of the codes that are new."""
        return np.flatnonzero(~np.isin(self.now.codes, self.before.codes))

    @cached_property
    def gone(self) -> NDArray[np.intp]:
        """Places of the classes that are gone."""
        return np.flatnonzero(~np.isin(self.before.codes, self.now.codes))

    @property
    def impossible(self) -> str:
        """Why no renaming can be all that happened; empty where one can."""
        came, went = len(self.new), len(self.gone)
        if came != went or not came:
            return f"{came} codes came where {went} classes went"
        if (self.now.codes != np.rint(self.now.codes)).any():
            return "codes that are no whole numbers"
        return "" if came <= MOST else f"{came} classes renamed are too many to tell apart"

    @cached_property
    def likelihood(self) -> Table:
        """Logarithm of how well new code u looks like class v that is gone, (n, n), but for what all have in common."""
        from scipy.special import gammaln

        n, m = self.now.counts[self.new][:, None], self.before.counts[self.gone][None, :]
        return np.asarray(gammaln(n + m + 1) + self._together.sum(axis=2))

    @property
    def _together(self) -> Table:
        """Logarithm of how well the means of the other columns agree, (n, n, d): as far as classes differ in them."""
        x, y = self.now.means[self.new][:, None], self.before.means[self.gone][None]
        n, m = 1 / self.now.counts[self.new][:, None, None], 1 / self.before.counts[self.gone][None, :, None]
        wide = self._between
        spread = (wide + n) * (wide + m) - wide**2
        return np.asarray(-0.5 * ((x**2 * (wide + m) + y**2 * (wide + n) - 2 * wide * x * y) / spread + np.log(spread)))

    @property
    def _between(self) -> Table:
        """Variance of the means of the other columns between classes, (d,), beyond what chance makes."""
        chance = 1 / self.before.counts[:, None]
        return np.asarray(np.maximum((self.before.means**2 - chance).mean(axis=0), 0.0))

    @property
    def _width(self) -> int:
        return int(self.before.means.shape[1])

    @cached_property
    def _apart(self) -> Table:
        """Squared distances of the means of the other columns, (n, n), in their standard errors."""
        gaps = self.now.means[self.new][:, None] - self.before.means[self.gone][None]
        n, m = self.now.counts[self.new][:, None], self.before.counts[self.gone][None, :]
        return np.asarray((gaps**2).sum(axis=2) / (1 / n + 1 / m))

    @cached_property
    def readings(self) -> Table:
        """Probability that new code u means class v that is gone, (n, n)."""
        likelihood, size = self.likelihood, len(self.likelihood)
        every = permanent(likelihood)
        minors = [[permanent(np.delete(np.delete(likelihood, u, 0), v, 1)) for v in range(size)] for u in range(size)]
        free = np.exp(likelihood + np.array(minors) - every)
        in_order = float(np.trace(likelihood))  # codes rise, and so do classes
        odds = (1 - KEPT) / KEPT * np.exp(np.clip(every - lgamma(size + 1) - in_order, -700.0, 700.0))
        return np.asarray((np.eye(size) + odds * free) / (1 + odds))

    @cached_property
    def best(self) -> NDArray[np.intp]:
        """The class that each new code means most probably, all told, (n,)."""
        from scipy.optimize import linear_sum_assignment

        return np.asarray(linear_sum_assignment(-np.log(np.maximum(self.readings, 1e-300)))[1])

    @property
    def codes(self) -> Codes:
        """The most probable renaming."""
        came, went = self.now.codes[self.new], self.before.codes[self.gone][self.best]
        return tuple((int(code), int(mean)) for code, mean in zip(came, went, strict=True))

    def unlike(self, classes: NDArray[np.intp]) -> str:
        """Return what does not agree where new code u means the class ``classes[u]``; empty where all does."""
        from scipy.special import chdtrc

        kept = np.isin(self.now.codes, self.before.codes)
        places = np.searchsorted(self.before.codes, self.now.codes).clip(max=len(self.before.codes) - 1)
        places[self.new] = self.gone[classes]
        n, m = self.now.counts, self.before.counts[places]
        if _same(n, m) < SAME:
            return "they may as well be other classes"
        share = (n + m) / (n.sum() + m.sum())
        off = ((n / n.sum() - m / m.sum()) ** 2 / share).sum() / (1 / n.sum() + 1 / m.sum())
        if chdtrc(len(n) - 1, off) < ODD:
            return "their shares of the rows are not those of the classes that went"
        apart = self._apart[np.arange(len(classes)), classes].sum()
        if chdtrc(max(1, self._width * (len(classes) - (not kept.any()))), apart) < ODD:
            return "other columns do not lie in their rows as in those of the classes that went"
        return ""

    def risk(self, differ: Differ) -> float:
        """Return the share of answers that is expected to be wrong for being misread."""
        shares = self.now.counts[self.new] / self.now.counts.sum()
        went, total = self.before.codes[self.gone], 0.0
        for u, right in enumerate(self.best):
            for v in range(len(self.best)):
                weight = float(shares[u] * self.readings[u, v])
                if v != right and weight > TINY:
                    weight *= differ(int(went[right]), int(went[v]))
                total += weight if v != right else 0.0
        return total


def permanent(logs: Table) -> float:
    """Return the logarithm of the sum over all one-to-one assignments of the products of what these are logarithms of.

    >>> round(exp(permanent(np.log([[1.0, 2.0], [3.0, 4.0]]))), 6)
    10.0
    """
    rows = logs.tolist()
    sums = [0.0]
    for chosen in range(1, 1 << len(rows)):
        row = rows[chosen.bit_count() - 1]
        terms = [sums[chosen ^ (1 << v)] + row[v] for v in range(len(rows)) if chosen >> v & 1]
        most = max(terms)
        sums.append(most + log(sum(exp(term - most) for term in terms)))
    return sums[-1]


def _same(now: Table, before: Table) -> float:
    """Return the logarithm of the odds that shares of rows are the same, against any others; beforehand even."""
    from scipy.special import gammaln

    kinds, n, m = len(now), now.sum(), before.sum()
    same = (gammaln(now + before + 1) - gammaln(before + 1)).sum() + gammaln(m + kinds) - gammaln(n + m + kinds)
    other = gammaln(now + 1).sum() + gammaln(kinds) - gammaln(n + kinds)
    return float(same - other)
