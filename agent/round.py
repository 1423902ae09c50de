"""A round of a case at one desk: what its nodes share. State holds ids and where to go; the journal keeps the rest."""

from datetime import datetime
from typing import TypedDict

from agent.case import Outcome
from agent.casebook import Case
from agent.desk import Desk
from agent.verify import measured
from playbooks.plan import Execution


class State(TypedDict, total=False):
    """Only ids and short words: the journal keeps the rest."""

    incident: str
    go: str


class Round:
    """Some nodes of the graph, and how any of them writes down what came out."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def note(self, case: Case, execution: Execution) -> None:
        """Write down where an execution stands, when that is new."""
        old = case.execution
        same = old is not None and (old.state, old.steps) == (execution.state, execution.steps)
        if not same:
            self.desk.write(case.incident.id, "EXECUTION", execution.model_dump(mode="json"))

    def end(self, case: Case, verdict: str, text: str) -> State:
        """Close a case; what is left is to tell of it."""
        self.outcome(case, verdict, text)
        return {"go": "report"}

    def outcome(self, case: Case, verdict: str, text: str, healed: datetime | None = None) -> None:
        """Write down how a round ended, with the numbers of now."""
        scene = self.desk.look()
        service = self.desk.fleet.service(case.incident.service)
        numbers = measured(case, scene, service, self.desk.since(case.incident.id, "VERIFYING"))
        outcome = Outcome.model_validate(
            {
                "incident": case.incident.id,
                "at": scene.now,
                "verdict": verdict,
                "text": text,
                "measured": numbers,
                "healed_at": healed,
            }
        )
        self.desk.close(case.incident.id, outcome)
