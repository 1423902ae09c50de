"""Muting: after a strange value, what is less strange is no news for a while, a share of the time watched so far."""

import numpy as np

from agent.eyes.columns import Columns, Reals
from agent.eyes.contract import Tick

SHORTEST = 50  # values
SHARE = np.float32(0.08)  # of the values known so far; chosen on half of NAB


class Mute(Columns):
    """Lets a statistic through when it is the greatest of its while, else 0."""

    def __init__(self, series: int) -> None:
        self.of = {"peak": np.zeros(series, np.float32), "since": np.zeros(series, np.int32)}

    def update(self, tick: Tick, statistic: Reals) -> Reals:
        """Return the statistic, or 0 where something as strange was said lately."""
        peak, since = self.of["peak"], self.of["since"]
        while_ = np.maximum(SHORTEST, SHARE * tick.age)
        peak[tick.age - since > while_] = 0.0
        news = statistic > peak
        peak[news], since[news] = statistic[news], tick.age[news]
        heard: Reals = np.where(news, statistic, np.float32(0.0))
        return heard
