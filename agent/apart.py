"""How far rows as they were served lie from the same computed anew: by feature, a share of the rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.records import Recomputed

NEAR = 1e-6  # relative difference that rounding explains
APART = 0.02  # share of rows served otherwise than computed anew, above which training would learn the difference
FEW = 50  # rows that say something


@dataclass(frozen=True, slots=True)
class Apart:
    """The feature that differs in most rows, and in what share of them."""

    name: str
    share: float
    rows: int

    @property
    def differs(self) -> bool:
        """Whether that is more than a few late values."""
        return self.rows >= FEW and self.share > APART

    def words(self) -> str:
        """Return it as a sentence."""
        return f"{self.name} differs from the same computed anew in {self.share:.1%} of {self.rows} rows"


def apart(rows: Recomputed) -> Apart:
    """Return which feature differs most often.

    >>> two = np.array([[1.0, 2.0], [1.0, np.nan]])
    >>> apart(Recomputed("s", ("x", "y"), np.arange(2.0), two, np.array([[1.0, 2.5], [1.0, np.nan]])))
    Apart(name='y', share=0.5, rows=2)
    """
    if not rows.served.size:
        return Apart("no feature", 0.0, 0)
    shares = differing(rows).mean(axis=0)
    worst = int(np.argmax(shares))
    return Apart(rows.names[worst], float(shares[worst]), len(rows.at))


def differing(rows: Recomputed) -> NDArray[np.bool_]:
    """Return, by row and feature, whether it was served otherwise than it is computed anew."""
    one, two = rows.served, rows.again
    near = np.abs(one - two) <= NEAR * np.maximum(np.abs(one), np.abs(two))
    return np.asarray(~(near | (np.isnan(one) & np.isnan(two))))
