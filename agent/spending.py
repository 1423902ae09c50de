"""What a plan is likely to cost the error budgets of the services that it touches, before anything is done.

The unit is a minute in which every answer fails. What an objective allows of them in a day is the day's budget; what is
left of it, the readings of the last day tell. A plan costs what the remaining replicas cannot carry until it is judged,
what the leaving ones were answering, and what earlier runs of its playbook were measured to cost, on average.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from agent.capacity import ready_of
from agent.case import Outcome
from agent.headroom import LEAST_READINGS, loading
from agent.load import load_ahead
from agent.moving import useless
from agent.observe import Scene
from agent.readings import readings_of
from agent.working import working_of
from config.fleet import Service
from playbooks.plan import Plan
from tools.action import EvictReplica, SetReplicas
from tools.catalogue import named
from tools.errors import ToolError
from tools.journal import Entry, Journal

DAY = timedelta(days=1)
STEP = 600.0  # seconds between two readings of the last day
NOW = timedelta(minutes=5)  # over which the incident's own pace is looked at
ERRORS = "error_ratio"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The dearest touched service: per cent of its day's budget that the plan costs, and that are left before."""

    cost_percent: int = 0
    left_percent: int = 100  # also where nothing is spent
    text: str = ""


def forecast(plan: Plan, scene: Scene, journal: Journal) -> Forecast:
    """Return what a plan is likely to spend; nothing where the incident burns the same budget faster by itself."""
    runs = cost_of_runs(journal.entries(kinds=("PLAN", "STEP_INTENT", "OUTCOME")), plan.playbook)
    found = [_of(scene.fleet.service(name), plan, scene, runs) for name in _touched(plan)]
    return max(found, key=lambda each: (each.cost_percent > each.left_percent, each.cost_percent), default=Forecast())


def cost_of_runs(entries: Iterable[Entry], playbook: str) -> tuple[float, ...]:
    """Return for each earlier run of a playbook how many minutes' failures it added, by its outcome's numbers."""
    of: dict[str, tuple[str, Entry | None]] = {}
    found: list[float] = []
    for entry in entries:
        name, began = of.get(entry.subject, ("", None))
        match entry.kind:
            case "PLAN":
                of[entry.subject] = (str(entry.body["playbook"]), None)
            case "STEP_INTENT":
                of[entry.subject] = (name, began or entry)
            case "OUTCOME" if began is not None:
                of[entry.subject] = (name, None)
                if name == playbook:
                    found.append(_added(Outcome.model_validate(entry.body)) * _minutes(entry.at - began.at))
    return tuple(found)


def _touched(plan: Plan) -> list[str]:
    actions = [step.action for step in plan.steps]
    return sorted({plan.service, *(each.service for each in actions if isinstance(each, EvictReplica | SetReplicas))})


def _of(service: Service, plan: Plan, scene: Scene, runs: tuple[float, ...]) -> Forecast:
    allowed = next((each.target for each in service.objectives if each.signal == ERRORS), 0.0) * _minutes(DAY)
    until = max(plan.verification.deadline, loading(scene, service.name))
    away = _away(service, plan, scene, until)
    before = float(np.mean(runs)) if runs and service.name == plan.service else 0.0
    if allowed <= 0 or away + before <= 0:
        return Forecast()
    share = round(100 * (away + before) / allowed)
    said = f"{service.name}: {away:.2f} minutes' failures while replicas are away, {before:.2f} by earlier runs of "
    said += f"{plan.playbook} ({len(runs)}), so {share} % of a day's {allowed:.1f}"
    if not share:
        return Forecast(text=said)  # whatever is left
    burns = _burns(service.name, scene) * _minutes(until)
    if burns > away + before:
        return Forecast(text=f"{said}; the incident burns {burns:.2f} in the same time")
    left = _left(service.name, allowed, scene)
    return Forecast(share, left, f"{said}; {left} % are left")


def _away(service: Service, plan: Plan, scene: Scene, until: timedelta) -> float:
    """Return what comes of the replicas that a plan takes away: too few for the load, and answers cut short."""
    readings, working = readings_of(scene, service), working_of(scene.observation, service.name)
    gone = working - _remaining(service.name, plan, scene, working)
    if gone <= 0 or len(readings.looked) < LEAST_READINGS:
        return 0.0
    usual = load_ahead(readings.busy, readings.at, until.total_seconds()).usual
    short = max(0.0, 1 - (working - gone) / usual) if usual else 0.0
    running, requests = readings.mean("running"), readings.mean("requests")
    cut = running * gone / working / requests / 60 if requests else 0.0
    return short * _minutes(until) + cut


def _remaining(name: str, plan: Plan, scene: Scene, working: int) -> int:
    """Return how many working replicas a plan leaves; what does no good is not missed."""
    idle, left = ready_of(scene.observation, name) - working, working
    for step in plan.steps:
        match step.action:
            case EvictReplica(service=of, replica=replica) if of == name:
                left -= not useless((name, replica), (plan.fault, plan.service), scene)
            case SetReplicas(service=of, replicas=count) if of == name:
                left = min(left, max(count - idle, 0))
            case _:
                continue
    return max(left, 0)


def _left(name: str, allowed: float, scene: Scene) -> int:
    """Return what is left of a day's budget, per cent; nothing where no data say so."""
    known: dict[datetime, float] = {}
    try:
        for spec in named(ERRORS):
            for frame in scene.senses.metrics.history(spec, scene.now - DAY, scene.now, STEP):
                for key, value in zip(frame.keys, frame.values, strict=True):
                    if key.entity == f"service/{name}" and np.isfinite(value):
                        known[frame.at] = float(value)
    except ToolError:
        return 0
    if not known:
        return 0
    return max(0, round(100 * (1 - sum(known.values()) * STEP / 60 / allowed)))


def _burns(name: str, scene: Scene) -> float:
    """Return the share of answers that fail now; 0 for NO DATA: then nothing excuses a cost."""
    looked = [seen for seen in scene.history if seen.at > scene.now - NOW]
    known = [value for seen in looked if (value := seen.value(ERRORS, f"service/{name}")) is not None]
    return float(np.mean(known)) if known else 0.0


def _added(outcome: Outcome) -> float:
    """Return by how much the share of failed answers was higher after a run than before it."""
    known = [(each.before, each.after) for each in outcome.measured if each.signal == ERRORS]
    return max([0.0, *(after - before for before, after in known if before is not None and after is not None)])


def _minutes(time: timedelta) -> float:
    return time.total_seconds() / 60
