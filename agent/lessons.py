"""What to learn from: which labelled rows show the world as it is now, and whether they are enough."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.casebook import Case
from agent.degrees import training_of
from agent.judged import TRIFLE, fell_by
from agent.labelled import accuracy, between
from agent.observe import Scene

LEAST_ROWS = 1000  # labelled, to train on
LEAST_ALIKE = 600  # the same, where it fell in one step and features lie where they lay: nothing new is to be seen
LEAST_HALF = 500  # newest rows that are learnt from without those before
SURELY = 2.33  # standard errors between two halves, beyond which the fall went on from the one to the other
JUDGES = 200  # rows that no training saw, to judge the result by
SOON = timedelta(minutes=3)  # within which so many labels come by themselves, or rows are held back
HELD_OUT = 0.25  # newest share of the labelled rows, where they are
HORIZON = timedelta(hours=12)  # for which rows of an earlier change may still be learnt from
FELL = 0.1  # of accuracy lost at once: the world changed again


def lessons(
    service: str, champion: str, scene: Scene, case: Case, past: Sequence[Case]
) -> tuple[datetime, datetime] | None:
    """Return the window of rows to train on; None while they are too few, or the log cannot be read."""
    least = LEAST_ALIKE if _is_step(service, scene, case) else LEAST_ROWS
    onset = min(anomaly.onset_at for anomaly in case.incident.anomalies)
    since = _since(service, champion, scene, (case, past), onset)
    answers = between(scene.senses.log, service, since, scene.now)
    at, right = answers.at, answers.right
    kept = len(at) - (held_back(at) if _coming(service, scene) else int(len(at) * HELD_OUT))
    if kept < least:
        return None
    first = kept - settled(right[:kept]) if since >= onset else 0
    start = since if first == 0 else datetime.fromtimestamp(float(at[first]), since.tzinfo)
    return start, datetime.fromtimestamp(float(at[kept - 1]), since.tzinfo) + timedelta(milliseconds=1)


def held_back(at: NDArray[np.float64]) -> int:
    """Return how many of the newest labelled rows no training may see; ``at``: POSIX seconds, oldest first.

    None, where labels come so fast that the result can be judged by those that come while it is trained: a stricter
    test, and the newest rows are most like those to come. Where they come in slowly a quarter is held back.

    >>> held_back(np.arange(1000.0) / 2), held_back(np.arange(1000.0) * 60)
    (0, 250)
    """
    span = float(at[-1] - at[0]) if len(at) else 0.0
    fast = len(at) * SOON.total_seconds() >= JUDGES * span
    return 0 if fast else int(len(at) * HELD_OUT)


def _coming(service: str, scene: Scene) -> bool:
    """Whether labels of newer answers came lately; as far as anybody knows, they do.

    Those that come once a day, or come no more, judge nothing while it is trained, however many there were.
    """
    looked = [reading for seen in scene.history if (reading := seen.quality.get(service)) is not None]
    known = [(reading.at, reading.newest_at) for reading in looked if reading.newest_at is not None]
    if not known:
        return True
    at, newest = known[-1]
    return not any(before <= at - 2 * SOON and then >= newest for before, then in known)


def settled(right: NDArray[np.bool_]) -> int:
    """Return how many of the newest rows to learn from: not those from which accuracy surely went on falling.

    They are of a world that is no more, and a model that learns it is wrong about this one.

    >>> right = np.arange(2000) % 10 > 0
    >>> right[1000:] = np.arange(1000) % 10 > 3
    >>> settled(right), settled(right[:1000])
    (1000, 1000)
    """
    count = len(right)
    while count // 2 >= LEAST_HALF:
        older, newer = right[-count : -(count // 2)], right[-(count // 2) :]
        gap, spread = fell_by(older, newer)
        if gap <= max(SURELY * spread, TRIFLE):
            break
        count //= 2
    return count


def _is_step(service: str, scene: Scene, case: Case) -> bool:
    """Whether a model fell in one step while each of its features lies where it lay.

    Moved features show it rows that it never saw: few of them do not suffice. Not looked at is not unmoved.
    """
    reading, found = scene.observation.quality.get(service), {e.finding: e.weight for e in case.evidence}
    return reading is not None and reading.stepped_at is not None and found.get("inputs_moved", 0.0) < 0


def _since(service: str, champion: str, scene: Scene, cases: tuple[Case, Sequence[Case]], onset: datetime) -> datetime:
    """Return from when on rows show the world as it is: the onset, or that of the change that the champion learnt.

    A champion that we trained in a hurry learnt from few rows. Where it has faded since, and not fallen, the world has
    not changed again: all the rows that came meanwhile belong to it too.
    """
    case, past = cases
    if tried := [action.start_at for plan in case.plans if (action := training_of(plan)) is not None]:
        return max(onset, tried[-1])  # what came before was left out already
    trainings = [action for each in past for plan in each.plans if (action := training_of(plan)) is not None]
    learnt = [action.start_at for action in trainings if action.version == champion]
    if not learnt or onset - learnt[-1] > HORIZON:
        return onset
    log = scene.senses.log
    then = accuracy(log, service, learnt[-1], onset, champion)
    lately = accuracy(log, service, onset, scene.now, champion)
    fell = then is not None and lately is not None and then.accuracy - lately.accuracy > FELL
    return onset if fell else min(learnt[-1], onset)
