"""Guards: the readings that must hold before a plan goes on."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from agent.observe import Scene
from agent.verify import standing
from playbooks.plan import Guard, Plan
from playbooks.walk import GuardVerdict
from policies.authority import Grant
from policies.decision import Reason
from tools.action import Action, TrainModel
from tools.errors import ToolError

LOOKS = 4  # in a row in which every objective holds: what was planned before is not needed any more
SLACK = 0.05  # accuracy that a candidate may seem worse by on few rows


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
    service = scene.fleet.service(plan.service)
    state = standing(scene.observation, service, quality=False)
    words = {"holds": "holds", "broken": "broken", "no_data": "inconclusive"}
    return GuardVerdict.model_validate({"verdict": words[state], "text": f"objectives of {service.name}: {state}"})


def _better(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Compare both versions offline, on labelled rows that the training did not see."""
    service = scene.fleet.service(plan.service)
    first, second = guard.args["version"], guard.args["than"]
    unseen = next((step.action.end_at for step in plan.steps if isinstance(step.action, TrainModel)), plan.at)
    try:
        found = scene.senses.registry.compare(service.name, first, second, unseen, scene.now)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    gain = f"log-loss difference {found.gain:.3f} ({found.gain_low:.3f} to {found.gain_high:.3f})"
    text = f"{first} against {second} on {found.rows} rows: {gain}"
    if found.gain_high < 0:
        return GuardVerdict(verdict="holds", text=text)
    return GuardVerdict(verdict="broken" if found.gain_low > 0 else "inconclusive", text=text)


def _live(guard: Guard, plan: Plan, scene: Scene) -> GuardVerdict:
    """Compare the answers of both versions where labels are known; before that, that it answers at all."""
    try:
        rows = scene.senses.log.window(plan.service, scene.now - timedelta(minutes=45), scene.now)
    except ToolError as error:
        return GuardVerdict(verdict="inconclusive", text=str(error))
    shares = []
    for version in (guard.args["version"], guard.args["than"]):
        known = (rows.version == version) & np.isfinite(rows.labels)
        right = (rows.scores[known] >= 0.5) == (rows.labels[known] >= 0.5)
        shares.append((int(known.sum()), float(right.mean()) if known.any() else float("nan")))
    (count, share), (_, other) = shares
    if not (rows.version == guard.args["version"]).any():
        return GuardVerdict(verdict="inconclusive", text=f"{guard.args['version']} answered nothing yet")
    odd = int(((rows.version == guard.args["version"]) & ~np.isfinite(rows.scores)).sum())
    if odd:
        return GuardVerdict(verdict="broken", text=f"{odd} answers that are no numbers")
    if count >= 30 and np.isfinite(other) and share < other - SLACK:
        return GuardVerdict(verdict="broken", text=f"accuracy {share:.1%} on {count} rows, beside {other:.1%}")
    return GuardVerdict(verdict="holds", text=f"{count} labelled answers, accuracy {share:.1%}, beside {other:.1%}")
