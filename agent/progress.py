"""How far a case has come: questions that its journal answers, so that no thread need survive a crash."""

from datetime import datetime

from agent.case import Diagnosis
from agent.casebook import Case
from playbooks.plan import Plan
from policies.approvals import KIND, fold
from policies.decision import Approval
from tools.journal import Journal

BEGUN = "RUN_PLANNED"  # the executor has taken the plan up


def plan_of(case: Case) -> Plan:
    """Return the present plan; ``RuntimeError`` where there is none."""
    if case.plan is None:
        raise RuntimeError(f"{case.incident.id} has no plan")
    return case.plan


def unspent(case: Case) -> Plan | None:
    """Return the plan that nothing came of yet: a crash between two nodes must not make it a second attempt."""
    made = [item.kind for item in case.timeline if item.kind in ("PLAN", "OUTCOME")]
    return case.plan if made and made[-1] == "PLAN" else None


def place(case: Case) -> str:
    """Return the node at which a case goes on whose thread is new."""
    if unspent(case) is None:
        return "begin"
    if case.phase == "verifying":
        return "verify"
    if begun(case):
        return "act"
    return "approve" if case.phase == "waiting_approval" else "begin"


def round_began(case: Case) -> datetime:
    """Return since when the present attempt at a diagnosis and a plan goes on."""
    return case.outcome.at if case.outcome else case.incident.at


def leading(diagnosis: Diagnosis | None) -> tuple[str, ...] | None:
    """Return the first hypotheses in words, by which a new diagnosis is told from a repeated one."""
    if diagnosis is None:
        return None
    said = "resolved" if diagnosis.resolved else "unresolved"
    return (said, *(f"{item.fault} on {item.entity}" for item in diagnosis.hypotheses[:3]))


def attempts(case: Case) -> int:
    """Return how many attempts were made; a plan that a person changed is the same attempt as it was before.

    One that ended at a refused look was none: nothing was done, and it was not the playbook that failed.
    """
    return len({plan.attempt for plan in case.plans if plan.id not in case.barred})


def revision(journal: Journal, plan: Plan) -> Approval | None:
    """Return the answer of a person who wanted something else than this plan; None where nobody did."""
    asked = fold(journal.entries(subject=plan.incident, kinds=(KIND,))).values()
    return next((item for item in asked if item.plan_digest == plan.digest() and item.state == "modified"), None)


def begun(case: Case) -> bool:
    """Whether the executor has taken the present plan up."""
    kinds = [item.kind for item in case.timeline]
    return BEGUN in kinds[len(kinds) - kinds[::-1].index("PLAN") :]
