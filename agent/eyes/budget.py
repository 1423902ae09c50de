"""Budgets: how many false alerts a person will bear, in words, and the threshold that keeps to it."""

import numpy as np

from config.eyes import Bearable, bearable

# How strange a healthy series looks: threshold, log of the share of values whose news reach it. Measured on noise of
# ten kinds (normal, heavy-tailed, counts, rare events, ratios, wandering, seasonal) from its second to its seventh day,
# the worst time; straight on beyond the last point.
TAIL = ((1.0, -6.2), (2.0, -7.5), (3.0, -8.7), (4.0, -9.9), (5.0, -10.9), (6.0, -11.4), (8.0, -12.4), (10.0, -13.4))
LOWEST = 1.0  # threshold: whatever the budget, less is nothing


class Budget(Bearable):
    """So many false alerts in so many days, and the threshold that keeps to it."""

    __slots__ = ()

    def threshold(self, seconds: float, signals: int = 1) -> float:
        """Return the threshold that keeps to it; a value every ``seconds``, ``signals`` series in every ``whom``.

        >>> round(Budget(1, 7).threshold(300.0), 1), round(Budget(1, 30, "service").threshold(30.0, signals=20), 1)
        (2.1, 11.9)
        """
        values = self.days * 86400 / max(seconds, 1e-3) * (1 if self.whom in {"series", "signal"} else signals)
        wanted = np.log(max(self.alerts, 1e-9) / max(values, 1.0))
        thresholds, shares = np.array(TAIL).T
        steepness = (shares[-2] - shares[-1]) / (thresholds[-1] - thresholds[-2])
        if wanted < shares[-1]:
            return float(thresholds[-1] + (shares[-1] - wanted) / steepness)
        return float(max(LOWEST, np.interp(-wanted, -shares, thresholds)))


def budget(words: str) -> Budget:
    """Read a budget; ``ValueError`` with an example when it is not understood.

    >>> budget("one false alert per service per month")
    Budget(alerts=1.0, days=30.0, whom='service')
    """
    read = bearable(words)
    return Budget(read.alerts, read.days, read.whom)
