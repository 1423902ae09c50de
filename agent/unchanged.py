"""Proof that a version which reads its inputs otherwise answers as the one before it did when they came as ever."""

from datetime import datetime

import numpy as np

from agent.drift.exact import gaps
from agent.observe import Scene
from agent.shown import LATELY, as_shown, read_spoils
from playbooks.plan import Guard, Plan
from playbooks.walk import GuardVerdict
from tools.errors import ToolError

ROUNDING = 1e-6  # of a share, and of nats per row
ODD = 1.949  # Kolmogorov-Smirnov distance, in root(1/n + 1/m), that two samples of one kind exceed once in a thousand
LEAST = 30  # answers to tell anything by
SURE = 1e-12  # a score is no nearer to 0 or 1 than this, when its loss is reckoned


def converted_exactly(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Hold what it answers to the rows that the model was accepted on, as they would come now, beside what was right.

    Exactly as many are right as were when it was accepted, and the log loss is the same: nothing is left to chance.
    """
    version, than = guard.args["version"], guard.args["than"]
    try:
        rows = scene.senses.log.reference(plan.service)
        shown = as_shown(rows, read_spoils(guard.args["spoiled"]), rows)
        found = scene.senses.registry.compare_on(version, than, shown)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    known = np.isfinite(rows.labels)
    scores, right = rows.scores[known], rows.labels[known] >= 0.5
    loss = float(-np.log(np.clip(np.where(right, scores, 1 - scores), SURE, 1 - SURE)).mean())
    share = float(((scores >= 0.5) == right).mean())
    same = abs(found.accuracy[version] - share) < ROUNDING and abs(found.log_loss[version] - loss) < ROUNDING
    text = (
        f"of {found.rows} rows as they come now {version} is right on {found.accuracy[version]:.2%}, log loss "
        f"{found.log_loss[version]:.6f}; {than} was on {share:.2%}, {loss:.6f}, when they came as ever"
    )
    return GuardVerdict(verdict="holds" if same else "broken", text=text)


def answers_as_before(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Hold what it answers now beside what the version before it answered while its inputs came as ever."""
    version, than = guard.args["version"], guard.args["than"]
    start, end = (datetime.fromisoformat(guard.args[name]) for name in ("start", "end"))
    try:
        before = scene.senses.log.window(plan.service, start, end)
        now = scene.senses.log.window(plan.service, scene.now - LATELY, scene.now)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    then, lately = before.scores[before.version == than], now.scores[now.version == version]
    if not np.isfinite(lately).all():
        return GuardVerdict(verdict="broken", text=f"{int((~np.isfinite(lately)).sum())} answers that are no numbers")
    then = then[np.isfinite(then)]
    if min(len(then), len(lately)) < LEAST:
        return GuardVerdict(verdict="inconclusive", text=f"{len(lately)} answers of {version}, {len(then)} of {than}")
    far, chance = gaps(then, lately).ks, ODD * (1 / len(then) + 1 / len(lately)) ** 0.5
    text = f"{len(lately)} answers of {version} lie {far:.3f} from {len(then)} of {than} before, by chance {chance:.3f}"
    return GuardVerdict(verdict="holds" if far <= chance else "broken", text=text)
