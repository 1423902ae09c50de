"""The loops of Page-Hinkley, compiled where that can be: what NumPy does in fourteen passes, to the last bit."""

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Reals
from agent.eyes.page_hinkley import DRIFT, KEPT, THRESHOLD, YOUNG, Row
from tools.compiled import compiled

RUN = 512  # series worked on together: few enough for the processor's nearest cache


@compiled
def advance(sums: Row, values: Reals, changed: NDArray[np.bool_], score: Reals) -> None:
    """Take a value of each series; mark those that changed, and write their statistic. ``sums``: (6, series).

    Three loops instead of one: of few arrays a compiler sees that they are apart, and makes vector instructions.
    """
    off, far = np.empty(RUN), np.empty(RUN)
    for start in range(0, len(values), RUN):
        end = min(start + RUN, len(values))
        depart(sums[0, start:end], sums[1, start:end], values[start:end], off)
        rise(sums[2, start:end], sums[4, start:end], off, far)
        if fall(sums[3, start:end], sums[5, start:end], off, far):
            for at in range(start, end):
                if far[at - start] > THRESHOLD and sums[0, at] >= YOUNG:
                    changed[at] = True
                    score[at] = max(far[at - start] / THRESHOLD, 1.0)


@compiled
def depart(known: Row, mean: Row, values: Reals, off: Row) -> None:
    """Take values into the means; write how far they are from what those are now."""
    for at in range(len(values)):
        known[at] += 1.0
        apart = float(values[at]) - mean[at]
        step = apart / known[at]
        mean[at] += step
        off[at] = apart - step


@compiled
def rise(up: Row, least: Row, off: Row, far: Row) -> None:
    """Write how far the sums have come above their least."""
    for at in range(len(up)):
        now = up[at] * KEPT + off[at] - DRIFT
        up[at] = now
        bottom = now if now < least[at] else least[at]
        least[at] = bottom
        far[at] = now - bottom


@compiled
def fall(down: Row, most: Row, off: Row, far: Row) -> bool:
    """Write how far the sums have come below their most, where that is more; return whether any has come too far."""
    beyond = 0
    for at in range(len(down)):
        now = down[at] * KEPT + off[at] + DRIFT
        down[at] = now
        top = now if now > most[at] else most[at]
        most[at] = top
        come = top - now
        come = come if come > far[at] else far[at]
        far[at] = come
        beyond += come > THRESHOLD
    return beyond > 0
