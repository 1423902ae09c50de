"""Features as they were served, beside the same computed anew: does a model see what training would show it?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from agent.observe import Scene
from tools.records import Recomputed

NEAR = 1e-6  # relative difference that rounding explains
APART = 0.02  # share of rows served otherwise than computed anew, above which training would learn the difference
FEW = 50  # rows that say something
SETTLED, BESIDE = timedelta(minutes=8), timedelta(minutes=8)  # after a release; of rows before it and after that


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


def compared(scene: Scene, service: str, since: datetime, until: datetime) -> Apart:
    """Compare the rows served in [since, until); ``Absent`` where nothing computes them anew, or too few."""
    return apart(scene.senses.log.recomputed(service, since, until))


def apart(rows: Recomputed) -> Apart:
    """Return which feature differs most often.

    >>> two = np.array([[1.0, 2.0], [1.0, np.nan]])
    >>> apart(Recomputed("s", ("x", "y"), np.arange(2.0), two, np.array([[1.0, 2.5], [1.0, np.nan]])))
    Apart(name='y', share=0.5, rows=2)
    """
    if not rows.served.size:
        return Apart("no feature", 0.0, 0)
    one, two = rows.served, rows.again
    near = np.abs(one - two) <= NEAR * np.maximum(np.abs(one), np.abs(two))
    shares = 1.0 - (near | (np.isnan(one) & np.isnan(two))).mean(axis=0)
    worst = int(np.argmax(shares))
    return Apart(rows.names[worst], float(shares[worst]), len(rows.at))


def came_with(scene: Scene, service: str, at: datetime) -> bool:
    """Whether rows were served as they are computed anew until a release, and otherwise once it had come in."""
    before = compared(scene, service, at - BESIDE, at)
    after = compared(scene, service, at + SETTLED, at + SETTLED + BESIDE)
    return before.rows >= FEW and not before.differs and after.differs
