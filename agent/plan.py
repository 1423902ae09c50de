"""The planner: a diagnosis and the library become one plan, or the reasons why there is none."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.case import Hypothesis
from agent.casebook import Case
from agent.degrees import goes_further, has_degrees, training_of
from playbooks.bind import Bindings, bind
from playbooks.plan import Plan, Playbook
from tools.action import Action, SetSchedulable
from tools.figure import figure

LEAST_LIKELY = 0.2  # a hypothesis below is no ground for a plan
PATIENT = frozenset(("labels_are_enough",))  # preconditions that time alone brings about


@dataclass(frozen=True, slots=True)
class Facts:
    """What the world says about one hypothesis: whom it would heal, what is bound, and what is not so."""

    service: str
    bindings: Bindings
    unmet: Callable[[str], str]  # precondition -> why it does not hold, empty: it does


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan, or none and why. ``worth_waiting``: only time is missing."""

    plan: Plan | None
    reasons: tuple[str, ...] = ()
    worth_waiting: bool = False


def propose(
    case: Case, playbooks: Sequence[Playbook], find: Callable[[Hypothesis], Facts], attempt: int, now: datetime
) -> Proposal:
    """Return the plan of the likeliest hypothesis that a playbook cures and whose preconditions hold.

    A playbook that was tried in this case is tried again only where it goes further than it did, or where it was
    broken off by what passes by itself.
    """
    reasons: list[str] = []
    when = (attempt, now)
    for hypothesis in _likely(case):
        facts = find(hypothesis)
        for playbook in _curing(hypothesis.fault, playbooks):
            found = _tried(case, playbook, hypothesis, facts, when)
            reasons += found.reasons
            if found.plan is not None or found.worth_waiting:
                return Proposal(found.plan, tuple(reasons) if found.plan is None else (), found.worth_waiting)
        if not _curing(hypothesis.fault, playbooks):
            reasons.append(f"no playbook cures {hypothesis.fault}")
            break  # what is likelier a person's is not treated for something less likely
    return Proposal(None, tuple(reasons) or ("no hypothesis is likely enough",))


def _tried(
    case: Case, playbook: Playbook, hypothesis: Hypothesis, facts: Facts, when: tuple[int, datetime]
) -> Proposal:
    """Return the plan of one playbook, or why there is none."""
    known = [plan for plan in case.plans if plan.attempt < when[0] and plan.id not in case.held]
    before = [plan for plan in known if plan.playbook == playbook.id]
    if before and not has_degrees(before[-1]):
        return Proposal(None, (f"{playbook.id} was tried and did not help",))
    if any(plan.id in case.barred and plan.playbook == playbook.id for plan in case.plans):
        said = f"{playbook.id} was not tried, for a look at what it would change was refused"
        return Proposal(None, (said,))
    if lacks := tuple(_lacks(playbook, facts)):
        patient = {name for name, _ in lacks} <= PATIENT
        return Proposal(None, tuple(f"{playbook.id}: {text}" for _, text in lacks), worth_waiting=patient)
    found = _bound(case, playbook, hypothesis, facts, when)
    if before and found.plan is not None and not goes_further(found.plan, before):
        said = f"{playbook.id} was tried, and it cannot go further"
        return Proposal(None, (said,), worth_waiting=training_of(found.plan) is not None)  # newer rows come with time
    return found


def _likely(case: Case) -> tuple[Hypothesis, ...]:
    found = case.diagnosis.hypotheses if case.diagnosis else ()
    return tuple(item for item in found if item.probability >= LEAST_LIKELY)


def _curing(fault: str, playbooks: Sequence[Playbook]) -> list[Playbook]:
    return sorted((each for each in playbooks if fault in each.cures), key=lambda each: each.id)


def _lacks(playbook: Playbook, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield what a playbook lacks: (name, why)."""
    refused = [(name, facts.unmet(name)) for name in playbook.preconditions]
    yield from ((name, why) for name, why in refused if why)
    explained = {"train_start", "train_end"} if any(name in PATIENT and why for name, why in refused) else set()
    for name in playbook.requires:
        if not facts.bindings.get(name) and name not in explained:
            yield name, f"no value for {name}"


def _bound(
    case: Case, playbook: Playbook, hypothesis: Hypothesis, facts: Facts, when: tuple[int, datetime]
) -> Proposal:
    attempt, now = when
    try:
        plan = bind(
            playbook,
            incident=case.incident.id,
            plan_id=_name(case, attempt),
            at=now,
            service=facts.service,
            fault=hypothesis.fault,
            bindings=facts.bindings,
            predicted=predicted(case, playbook, facts.service),
            attempt=attempt,
        )
    except ValueError as error:
        return Proposal(None, (str(error),))
    return Proposal(plan)


def without(plan: Plan, cordoned: Collection[str]) -> Plan:
    """Return a plan less the cordons of nodes that take nothing new already: each would be one effect made twice.

    Nor is such a node opened when the plan is undone: it was not the plan that closed it.
    """
    left = tuple(step for step in plan.steps if not _closes(step.action, cordoned))
    return plan.model_copy(update={"steps": left}) if left else plan


def _closes(action: Action, nodes: Collection[str]) -> bool:
    return isinstance(action, SetSchedulable) and not action.schedulable and action.node in nodes


def _name(case: Case, attempt: int) -> str:
    """Return the id of a new plan: a barred one was the same attempt, and keeps its name."""
    again = f"-{len(case.barred) + 1}" if case.barred else ""
    return f"{case.incident.id}-plan-{attempt}{again}"


def predicted(case: Case, playbook: Playbook, service: str) -> str:
    """Return the effect that is expected, in words and numbers."""
    own = [anomaly for anomaly in case.incident.anomalies if anomaly.entity == f"service/{service}"]
    first = max(own or case.incident.anomalies, key=lambda anomaly: anomaly.score)
    minutes = playbook.verification.deadline.total_seconds() / 60
    value, expected = figure(first.signal, first.value), figure(first.signal, first.expected)
    return f"{first.signal} of {service} from {value} back to {expected} within {minutes:.0f} min"
