"""Together: the columns of a table as signals of one service: their distance from their habits is one more series."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent.eyes.climbs import Climb
from agent.eyes.engine import Alarm
from agent.eyes.intake import BLANK
from agent.eyes.joint import Joint
from agent.eyes.mute import SHORTEST

Reals = NDArray[np.float64]
MOST = 100  # columns; the time of a row grows with their cube
NAMED = 3  # columns that a reason names
CLIP = 2.0  # spreads; how far one column is alone, is its own matter


@dataclass(frozen=True, slots=True)
class Together:
    """Distances from habits, spreads, (rows,), NaN where unknown; and how far each column was, (rows, columns)."""

    distances: Reals
    far: NDArray[np.float32]

    def reason(self, row: int, names: Sequence[str]) -> str:
        """Return in words which columns part at a row."""
        far = self.far[row].tolist()
        first = sorted(range(len(far)), key=lambda place: -abs(far[place]))[:NAMED]
        return f"parts from its habits ({', '.join(f'{names[place]} {far[place]:+.1f}' for place in first)} spreads)"


def together(at: Reals, values: Reals, climbs: Sequence[Climb]) -> Together:
    """Return how far the columns of (rows, columns), in order of time, part from how they went together before.

    Of a column that is known to count up, its rate takes part from then on, as a column of its own.
    """
    rows, columns = values.shape
    known, rates = (np.stack(part, axis=1) for part in zip(*((one.known, one.rates) for one in climbs), strict=True))
    shown = np.where(np.abs(values) < BLANK, values, np.nan)
    shown = np.hstack([np.where(known, np.nan, shown), np.where(known, rates, np.nan)])
    joint, distances = Joint(1, 2 * columns, CLIP), np.full(rows, np.nan)
    far = np.zeros((rows, columns), np.float32)
    again = np.append(False, np.diff(at) <= 0)  # of an instant the first row counts
    for row in np.flatnonzero(~again).tolist():
        distances[row] = joint.update(shown[row][:, None])[0]
        far[row] = joint.far[:columns, 0] + joint.far[columns:, 0]
    return Together(distances, far)


def parted(
    found: Together,
    told: tuple[NDArray[np.float32], Sequence[Alarm]],
    single: NDArray[np.bool_],
    at: Reals,
    names: Sequence[str],
) -> tuple[NDArray[np.float32], list[Alarm]]:
    """Return scores and alarms of the distance, without those at or soon after an alarm of a column alone.

    ``single``: at which rows any column alarmed, (rows,).
    """
    rows = np.arange(len(single))
    last = np.maximum.accumulate(np.where(single, rows, -SHORTEST))
    scores = np.where(rows - last < SHORTEST, np.float32(0), told[0])
    place = {float(at[row]): int(row) for row in np.flatnonzero(scores)}
    kept = [alarm for alarm in told[1] if alarm.at in place]
    return scores, [replace(alarm, reason=found.reason(place[alarm.at], names)) for alarm in kept]
