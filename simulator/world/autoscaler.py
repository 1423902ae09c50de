"""A horizontal autoscaler by the documented algorithm of Kubernetes' own (autoscaling/v2, its defaults). Pure.

``desired = ceil(current x value / target)``, not changed while the ratio is within a tolerance of 0.1 of one. Pods that
are not ready yet count with 0 when that says "up", pods without a measurement with 0 when it says "up" and with the
target when it says "down"; where either turns the direction round, nothing is done. Down goes no further than the
highest recommendation of the last 300 s; up may add the larger of 4 pods and 100 % in one sync.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, isnan

TOLERANCE = 0.1
STABLE = timedelta(seconds=300)
SURGE = 4  # pods that one step up may add, at least


@dataclass(frozen=True, slots=True)
class Measured:
    """One pod as the metrics API shows it; NaN: no measurement."""

    value: float  # of its own, in the unit of the target
    ready: bool = True


@dataclass(slots=True)
class Autoscaler:
    """One autoscaler. ``target``: wanted mean of the pods' values, which are their load, or the requests they queue."""

    target: float
    low: int
    high: int
    stable: timedelta = STABLE
    queue: bool = False
    blind: bool = False  # no measurement reaches it
    desired: int = 0  # as it last said
    _said: deque[tuple[datetime, int]] = field(default_factory=deque)

    def decide(self, now: datetime, current: int, pods: Sequence[Measured]) -> int:
        """Return the number of replicas to ask for now; one call for each sync."""
        wanted = min(max(recommended(current, pods, self.target), self.low), self.high)
        self._said.append((now, wanted))
        while now - self._said[0][0] > self.stable:
            self._said.popleft()
        steady = max(number for _, number in self._said)  # the way down waits; the way up does not
        chosen = wanted if wanted >= current else min(current, steady)
        self.desired = max(self.low, min(chosen, current + max(SURGE, current)))
        return self.desired


def recommended(current: int, pods: Sequence[Measured], target: float) -> int:
    """Return the replicas that the measurements call for, before limits and steadiness.

    >>> recommended(3, [Measured(0.9)] * 3, 0.6)
    5
    """
    known = [pod.value for pod in pods if pod.ready and not isnan(pod.value)]
    if not known:
        return current
    ratio = sum(known) / len(known) / target
    if abs(ratio - 1) <= TOLERANCE:
        return current
    others = [pod for pod in pods if not (pod.ready and not isnan(pod.value))]
    if not others:
        return ceil(round(ratio * len(known), 9))
    return _cautious(current, known, others, (ratio, target))


def _cautious(current: int, known: Sequence[float], others: Sequence[Measured], asked: tuple[float, float]) -> int:
    """Suppose of pods that cannot be counted what speaks against a change; a change of direction is no change."""
    ratio, target = asked
    up = ratio > 1
    supposed = [0.0 if up else target for pod in others if pod.ready or up]  # not ready: left out of the way down
    values = [*known, *supposed]
    again = sum(values) / len(values) / target
    if abs(again - 1) <= TOLERANCE or (again > 1) != up:
        return current
    wanted = ceil(round(again * len(values), 9))
    return current if (wanted < current) == up and wanted != current else wanted
