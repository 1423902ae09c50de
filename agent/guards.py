"""Guards: the readings that must hold before a plan goes on."""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.degrees import AGAIN, newer_in_time, training_of
from agent.judged import LIKELY, wilson
from agent.lessons import JUDGES
from agent.observe import Scene
from agent.shown import LATELY, as_shown, read_spoils
from agent.unchanged import answers_as_before, converted_exactly
from agent.verify import standing
from playbooks.plan import Guard, Plan
from playbooks.walk import GuardVerdict
from policies.authority import Grant
from policies.decision import Reason
from tools.action import Action, TrainModel
from tools.errors import ToolError
from tools.records import InferenceWindow
from tools.signal import USUAL_WINDOW

LOOKS = 4  # in a row in which every objective holds: what was planned before is not needed any more
SLACK = 0.05  # accuracy that a candidate may seem worse by on few rows
ERROR = 0.001  # chance that a candidate that is no better is ever taken for one that surely is
RISKED = 0.1  # share of all requests that may go unanswered at a candidate's next share
SCRAPED = timedelta(seconds=USUAL_WINDOW / 4)  # how old the newest sample may be: so often it is scraped at least
FELT = timedelta(minutes=1)  # that a new split may take until it is felt
NEWEST = timedelta(minutes=2)  # of answers, by which a version is seen to be missing
SELDOM = 3.29  # 0.05 % on one side, for what is asked at every look of a step
WORTH = 0.05  # of all answers, that a version without columns must gain to be put in the place of the whole one
SURE = 1.645  # 95 %, on one side


def checker(scene: Callable[[], Scene]) -> Callable[[Guard, Plan], GuardVerdict]:
    """Return what the executor asks; ``scene`` gives the newest look at the world."""

    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        match guard.kind:
            case "objectives" | "not_worse":
                return _objectives(plan, scene())
            case "better_model":
                return _better(guard, plan, scene())
            case "live_split":
                return _live(guard, plan, scene())
            case "better_as_shown":
                return _as_shown(guard, plan, scene())
            case "converted_exactly":
                return converted_exactly(guard, plan, scene())
            case "answers_as_before":
                return answers_as_before(guard, plan, scene())

    return check


def still_needed(scene: Callable[[], Scene | None]) -> Callable[[Action, Grant], Reason | None]:
    """Return a check for the gate: nothing is begun against what has passed by itself since it was planned.

    Only where the objectives were seen broken when it was planned: a remedy for a machine or a bill is not about them.
    """

    def check(action: Action, grant: Grant) -> Reason | None:
        del action
        now = scene()
        if now is None or grant.started_at is not None:
            return None
        service = now.fleet.service(grant.plan.service)
        before = [seen for seen in now.history if seen.at <= grant.plan.at]
        since = [seen for seen in now.history if seen.at > grant.plan.at][-LOOKS:]
        if not before or standing(before[-1], service) != "broken" or len(since) < LOOKS:
            return None
        if all(standing(seen, service) == "holds" for seen in since):
            return Reason(rule="recovered", text=f"every objective of {service.name} holds again in {LOOKS} looks")
        return None

    return check


def _objectives(plan: Plan, scene: Scene) -> GuardVerdict:
    service = scene.fleet.host(scene.fleet.service(plan.service))
    state = standing(scene.observation, service, quality=False)
    words = {"holds": "holds", "broken": "broken", "no_data": "inconclusive"}
    return GuardVerdict.model_validate({"verdict": words[state], "text": f"objectives of {service.name}: {state}"})


def _better(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Compare both versions offline, on labelled rows that the training did not see."""
    service = scene.fleet.service(plan.service)
    first, second = guard.args["version"], guard.args["than"]
    try:
        after = guard.args.get("after")
        start = datetime.fromisoformat(after) if after else _unseen(plan)
        found = scene.senses.registry.compare(service.name, first, second, start, scene.now)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    gain = f"log-loss difference {found.gain:.3f} ({found.gain_low:.3f} to {found.gain_high:.3f})"
    text = f"{first} against {second} on {found.rows} rows: {gain}"
    if found.rows < JUDGES:
        return GuardVerdict(verdict="inconclusive", text=f"{text}; {JUDGES} are wanted")
    if found.gain_high < 0:
        if guard.args.get("enough") and not _enough(plan, scene, found.accuracy[first], found.rows):
            said = f"right on {found.accuracy[first]:.1%}, which may not do: newer rows are coming"
            return GuardVerdict(verdict="broken", text=f"{text}; {said}")
        return GuardVerdict(verdict="holds", text=text)
    return GuardVerdict(verdict="broken" if found.gain_low > 0 else "inconclusive", text=text)


def _enough(plan: Plan, scene: Scene, share: float, rows: int) -> bool:
    """Whether a version that is right on such a share of so many rows likely keeps the promise, or must do.

    A world that goes on changing while labels are late leaves what learnt of it behind: then a training is made again,
    of newer rows. A third one may be all that can be had, and so may one of so few labels that newer rows would not
    come in time: better is enough then.
    """
    targets = [each.target for each in scene.fleet.service(plan.service).objectives if each.signal == "accuracy"]
    lesson = training_of(plan)
    last = plan.attempt > AGAIN or lesson is None or not newer_in_time(lesson)
    return last or all(wilson(share, rows, LIKELY)[0] >= each for each in targets)


def _as_shown(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Compare both versions on labelled rows of before the fault, after what was done to those of now is done to them.

    There is nothing to wait for: what is not sure by so many rows will not be. What is better and still breaks the
    promise is no help: it would break it after the repair too, until labels say so.
    """
    first, second = guard.args["version"], guard.args["than"]
    try:
        rows = scene.senses.log.window(
            plan.service, _unseen(plan), datetime.fromisoformat(guard.args["until"]), labelled=True
        )
        now = scene.senses.log.window(plan.service, scene.now - LATELY, scene.now)
        shown = as_shown(rows, read_spoils(guard.args["spoiled"]), now)
        found = scene.senses.registry.compare_on(first, second, shown)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    odds = wager(found.only.get(first, 0), found.only.get(second, 0))
    right = (found.accuracy[first], found.accuracy[second])
    text = (
        f"of {found.rows} rows spoiled as those of now {first} is right on {right[0]:.1%}, {second} on {right[1]:.1%}"
    )
    objectives = scene.fleet.service(plan.service).objectives
    promised = max((each.target for each in objectives if each.signal == "accuracy"), default=0.0)
    better = right[0] - right[1] >= WORTH and odds >= 1 / ERROR and wilson(right[0], found.rows, LIKELY)[0] >= promised
    return GuardVerdict(verdict="holds" if better else "broken", text=f"{text}: odds {odds:.3g}")


def _unseen(plan: Plan) -> datetime:
    """Return from when on no row was trained on."""
    return next((step.action.end_at for step in plan.steps if isinstance(step.action, TrainModel)), plan.at)


def _live(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Compare the answers of both versions where labels are known; before that, that it answers at all."""
    try:
        rows = scene.senses.log.window(plan.service, scene.now - timedelta(minutes=45), scene.now)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    if missing := _missing(guard, rows):
        return GuardVerdict(verdict="broken", text=missing)
    shares = []
    for version in (guard.args["version"], guard.args["than"]):
        known = (rows.version == version) & np.isfinite(rows.labels)
        right = (rows.scores[known] >= 0.5) == (rows.labels[known] >= 0.5)
        shares.append((int(known.sum()), float(right.mean()) if known.any() else float("nan")))
    (count, share), (_, other) = shares
    sure = _sure(guard, plan, scene, rows) if guard.args.keys() >= {"since", "share", "next"} else ""
    if not sure and not (rows.version == guard.args["version"]).any():
        return GuardVerdict(verdict="inconclusive", text=f"{guard.args['version']} answered nothing yet")
    odd = int(((rows.version == guard.args["version"]) & ~np.isfinite(rows.scores)).sum())
    if odd:
        return GuardVerdict(verdict="broken", text=f"{odd} answers that are no numbers")
    if count >= 30 and np.isfinite(other) and share < other - SLACK:
        return GuardVerdict(verdict="broken", text=f"accuracy {share:.1%} on {count} rows, beside {other:.1%}")
    text = f"{count} labelled answers, accuracy {share:.1%}, beside {other:.1%}"
    return GuardVerdict(verdict="holds", text=f"{text}; {sure}" if sure else text, sure=bool(sure))


def _missing(guard: Guard, rows: InferenceWindow) -> str:
    """Return that a version surely answers less than half of its share lately; empty where it may answer all of it.

    What hangs or fails is in no log of answers, and has no labels to be wrong by.
    """
    args = guard.args
    if not args.keys() >= {"since", "share"}:
        return ""
    start, share = (datetime.fromisoformat(args["since"]) + FELT).timestamp(), float(args["share"]) / 100
    newest = float(rows.at[-1]) - NEWEST.total_seconds() if len(rows.at) else 0.0
    mine = rows.version[rows.at >= max(start, newest)] == args["version"]
    if not len(mine) or wilson(float(mine.mean()), len(mine), SELDOM)[1] >= share / 2:
        return ""
    return f"{args['version']} gave {int(mine.sum())} of {len(mine)} answers, and has {share:.0%} of the requests"


def _sure(guard: Guard, plan: Plan, scene: Scene, rows: InferenceWindow) -> str:
    """Return why nothing is to be waited for before the next step; empty where there is something.

    The candidate is right more often (``wager``: whenever one looks, wrong by ``ERROR``), and at most ``RISKED`` of all
    requests go unanswered at its next share, by ``_answered``.
    """
    service, args = scene.fleet.service(plan.service), guard.args
    serves = any(objective.signal != "accuracy" for objective in service.objectives)
    if serves and standing(scene.observation, service, quality=False) != "holds":
        return ""
    since, share, coming = datetime.fromisoformat(args["since"]), float(args["share"]) / 100, float(args["next"]) / 100
    mine = rows.version[rows.at >= since.timestamp()] == args["version"]
    answered = _answered(mine, share, _failed(scene, plan.service, since))
    if coming * max(0.0, 1 - answered) > RISKED:
        return ""
    better, worse = _decided(plan, scene, args["version"], args["than"])
    odds = wager(better, worse)
    if odds < 1 / ERROR:
        return ""
    return (
        f"right {better} times where {args['than']} is wrong, {worse} the other way round: odds {odds:.3g}; answers at "
        f"least {min(answered, 1.0):.0%} of its share"
    )


def _answered(mine: NDArray[np.bool_], share: float, failed: float | None) -> float:
    """Return which part of its share a version answers at least, from 0 to 1, at 95 %.

    ``mine``: which of the logged answers since the step are its own; ``failed``: the part of all requests since then
    that failed. The log is a sample, and of a small share it says little for minutes; of requests that fail every one
    is counted, and all could be its own. That counts only while the log does not say that answers are missing.

    >>> few = np.arange(64) % 20 == 0  # of a twentieth
    >>> [round(_answered(few, 0.05, failed), 2) for failed in (None, 0.001, 0.03)]
    [0.57, 0.98, 0.57]
    >>> round(_answered(few & False, 0.05, 0.001), 2)
    0.0
    """
    if not mine.any():
        return 0.0
    low, high = wilson(float(mine.mean()), len(mine), SURE)
    counted = 1 - failed / share if failed is not None and high >= share else 0.0
    return min(1.0, max(low / share, counted))


def _failed(scene: Scene, service: str, since: datetime) -> float | None:
    """Return which part of all requests since an instant failed, at most; None where it is not known.

    Rates look back over ``USUAL_WINDOW``: all that failed in it is taken for failed since then.
    """
    ratio, elapsed = scene.observation.value("error_ratio", f"service/{service}"), scene.now - since - SCRAPED
    if ratio is None or elapsed <= timedelta(0):
        return None
    return ratio * max(1.0, USUAL_WINDOW / elapsed.total_seconds())


def _decided(plan: Plan, scene: Scene, first: str, second: str) -> tuple[int, int]:
    """Return on how many labelled rows that no training saw the one is right and the other wrong, and vice versa."""
    try:
        found = scene.senses.registry.compare(plan.service, first, second, _unseen(plan), scene.now)
    except ToolError:
        return 0, 0
    return found.only.get(first, 0), found.only.get(second, 0)


def wager(better: int, worse: int) -> float:
    """Return what a fair bettor on "the first is right more often" has won of 1: of nothing true, rarely much.

    The chance that it ever exceeds x is at most 1 / x where the first is not better (Ville), however often one looks.

    >>> round(wager(20, 5), 1), wager(5, 5) < 1
    (48.5, True)
    """
    stakes = np.linspace(0.505, 0.995, 50)  # shares of the decided rows that the first may win, each as likely
    gains = better * np.log(2 * stakes) + worse * np.log(2 * (1 - stakes))
    return float(np.exp(np.minimum(gains, 700.0)).mean())
