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
        heard = np.zeros(len(statistic), np.float32)
        (places,) = np.nonzero(statistic)  # of the others nothing is to be said, and a while that is over stays over
        if not len(places):
            return heard
        peak, since, age, value = self.of["peak"][places], self.of["since"][places], tick.age[places], statistic[places]
        peak[age - since > np.maximum(SHORTEST, SHARE * age)] = 0.0
        news = value > peak
        places, value = places[news], value[news]
        self.of["peak"][places], self.of["since"][places], heard[places] = value, age[news], value
        return heard
