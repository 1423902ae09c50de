"""Joint: how far the signals of a service are, together, from where they usually are with one another.

Each signal is measured in its own spreads from its own slow level; what moves with what is learned online. The
Mahalanobis distance is one more series of the service: small departures that agree with no habit add up in it, large
ones that always come together do not. Signals that seldom move take no part: the other views see those.
"""

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Reals

SLOWEST = 240  # values after which the oldest begin to fade; chosen on half of the simulator's faults
CLIP = 1000.0  # spreads; more is not further
LEARNED = np.float32(3.0)  # spreads; what lies beyond teaches no more than this
RIDGE = np.float32(0.2)  # added to every variance, so that little-known directions are not taken for habits
NORMAL = np.float32(1.2533)  # standard deviation of normal noise, in mean absolute deviations
MOVING = np.float32(0.5)  # share of values; a signal that moves more seldom does not take part
YOUNG = 120  # values before which nothing is said


class Joint(Columns):
    """One distance per service; rows of the state are signals.

    >>> rng, joint = np.random.default_rng(0), Joint(1)
    >>> joint.widen(2)
    >>> for tick in range(600):
    ...     busy = rng.normal()
    ...     pair = [busy, busy + 0.1 * rng.normal()] if tick != 500 else [1.5, -1.5]  # each alone is usual
    ...     said = float(joint.update(np.array(pair)[:, None])[0])
    ...     if said > 2.5 and tick > 200: print(tick)
    500
    """

    def __init__(self, series: int, signals: int = 0, clip: float = CLIP) -> None:
        self._clip = np.float32(clip)
        self.of = {
            "level": np.zeros((signals, series), np.float32),
            "spread": np.zeros((signals, series), np.float32),
            "habit": np.zeros((signals, signals, series), np.float32),
            "last": np.zeros((signals, series), np.float32),
            "moving": np.zeros((signals, series), np.float32),  # share of values that differ from the one before
            "age": np.zeros((signals, series), np.int32),
        }
        self.far = np.zeros((signals, series), np.float32)  # of the newest values, in spreads

    def widen(self, more: int) -> None:
        """Append signals that nothing is known of."""
        signals, series = self.of["level"].shape
        fresh = Joint(series, signals + more).of
        for name, array in self.of.items():
            fresh[name][tuple(slice(0, size) for size in array.shape)] = array
        self.of, self.far = fresh, np.zeros((signals + more, series), np.float32)

    def update(self, values: NDArray[np.float64]) -> Reals:
        """Take (signals, services) values, NaN for NO DATA; return distances in spreads, NaN where unknown."""
        of = self.of
        there = np.isfinite(values)
        of["level"] = np.where(there & (of["age"] == 0), values, of["level"]).astype(np.float32)
        off = np.where(there, values - of["level"], 0.0).astype(np.float32)
        moves = (of["moving"] > MOVING) & (of["spread"] > 0)
        scaled = np.divide(off, NORMAL * of["spread"], out=np.zeros_like(off), where=moves)
        known = moves & there & (of["age"] >= YOUNG)
        self.far = np.where(known, np.clip(scaled, -self._clip, self._clip), np.float32(0))
        distance = self._distance(self.far, known)
        self._learn(there, off, np.clip(scaled, -LEARNED, LEARNED))
        self._note(there, values)
        return distance

    def _distance(self, scaled: Reals, known: NDArray[np.bool_]) -> Reals:
        signals = len(scaled)
        if not signals:
            return np.full(scaled.shape[1], np.nan, np.float32)
        habit = np.moveaxis(self.of["habit"], -1, 0) + RIDGE * np.eye(signals, dtype=np.float32)
        solved = np.linalg.solve(habit, scaled.T[:, :, None])[:, :, 0]
        squared = (solved * scaled.T).sum(axis=1)
        count = known.sum(axis=0)
        found: Reals = np.where(count > 1, np.sqrt(np.maximum(squared, 0) / np.maximum(count, 1)), np.nan)
        return found.astype(np.float32)

    def _learn(self, there: NDArray[np.bool_], off: Reals, scaled: Reals) -> None:
        of = self.of
        rate = np.where(there, 1 / np.minimum(of["age"] + 1, SLOWEST), 0).astype(np.float32)
        far = np.abs(off)
        most = np.where(of["age"] < YOUNG, far, LEARNED * NORMAL * of["spread"])
        of["level"] = of["level"] + rate * np.clip(off, -most, most)
        of["spread"] = of["spread"] + rate * (np.minimum(far, np.where(most > 0, most, far)) - of["spread"])
        # Faded and added to by the roots of both paces, it stays a matrix of variances where signals differ in age.
        kept, added = np.sqrt(1 - rate), np.sqrt(rate) * scaled
        of["habit"] = kept[:, None] * kept[None, :] * of["habit"] + added[:, None] * added[None, :]
        of["age"] = of["age"] + there.astype(np.int32)

    def _note(self, there: NDArray[np.bool_], values: NDArray[np.float64]) -> None:
        """Note which signals move all the time: of those that seldom do, a change is no matter of habits."""
        of = self.of
        newest = np.where(there, values, of["last"]).astype(np.float32)
        moved = (newest != of["last"]).astype(np.float32)
        pace = np.where(there, 1 / np.clip(of["age"], 1, SLOWEST), 0).astype(np.float32)
        of["moving"] = of["moving"] + pace * (moved - of["moving"])
        of["last"] = newest
