"""The graph of agents, one thread per incident.

::

    analysts (seven, in parallel) > diagnostician > planner > judge > approve > act > verify > report
          ^                            |              |                                |
          +---------- wait <-----------+--------------+------------- next round <------+

State holds the incident's id and where to go; everything else is in the journal. ``wait`` and ``approve`` interrupt and
have no other effect, because a node is run again from its top on resume.
"""

from collections.abc import Callable
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from agent.deliberation import ANALYSTS, Deliberation
from agent.desk import Desk
from agent.progress import place
from agent.round import Round, State
from agent.treatment import Treatment


def build(desk: Desk) -> "StateGraph[State, None, State, State]":
    """Return the uncompiled graph over one desk."""
    graph = StateGraph(State)
    agents = Agents(desk)
    graph.add_node("begin", agents.begin)
    for name in ANALYSTS:
        analyst: Any = agents.mind.analyst(name)
        graph.add_node(name, analyst)
        graph.add_edge("begin", name)
    for name, node in agents.nodes().items():
        agent: Any = node
        graph.add_node(name, agent)
    graph.add_edge(list(ANALYSTS), "diagnostician")
    graph.add_conditional_edges(START, agents.where, ["begin", "approve", "act", "verify"])
    for name in agents.nodes():
        graph.add_conditional_edges(name, _go, {**{each: each for each in agents.nodes()}, "begin": "begin", END: END})
    return graph


def _go(state: State) -> str:
    return state.get("go", END)


class Agents(Round):
    """The nodes. Each reads the journal, does one thing and says where to go."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.mind, self.hands = Deliberation(desk), Treatment(desk)

    def nodes(self) -> "dict[str, Callable[[State], State]]":
        """Return every node behind the analysts."""
        return {
            "diagnostician": self.mind.diagnostician,
            "planner": self.mind.planner,
            "judge": self.mind.judge,
            "approve": self.approve,
            "act": self.hands.act,
            "verify": self.hands.verify,
            "report": self.report,
            "wait": self.wait,
            "wait_judge": self.wait_judge,
            "wait_act": self.wait_act,
            "wait_verify": self.wait_verify,
        }

    def where(self, state: State) -> str:
        """Return where a case goes on whose thread is new: from the journal alone, so that no thread need survive."""
        return place(self.desk.case(state["incident"]))

    def begin(self, state: State) -> State:
        """Start a round with an empty table."""
        self.desk.evidence[state["incident"]] = {}
        return {}

    def approve(self, state: State) -> State:
        """Wait for a person; pure. Silence never means yes."""
        answer = interrupt({"waits_for": "a person", "incident": state["incident"]})
        if answer == "modified":
            return {"go": "planner"}
        if answer in ("approved", "not asked"):
            return {"go": "judge"}  # the world may have moved on while the person thought
        return self.end(self.desk.case(state["incident"]), "escalated", f"the plan was {answer}")

    def report(self, state: State) -> State:
        """Write the summary for people."""
        self.desk.tell(state["incident"])
        self.desk.evidence.pop(state["incident"], None)
        return {"go": END}

    def wait(self, state: State) -> State:
        """Let time pass before another look; pure."""
        interrupt({"waits_for": "more evidence", "incident": state["incident"]})
        return {"go": "begin"}

    def wait_judge(self, state: State) -> State:
        """Let the readings come back; pure."""
        interrupt({"waits_for": "fresh data", "incident": state["incident"]})
        return {"go": "judge"}

    def wait_act(self, state: State) -> State:
        """Let a hold pass; pure."""
        interrupt({"waits_for": "a hold", "incident": state["incident"]})
        return {"go": "act"}

    def wait_verify(self, state: State) -> State:
        """Let the proof ripen; pure."""
        interrupt({"waits_for": "proof", "incident": state["incident"]})
        return {"go": "verify"}
