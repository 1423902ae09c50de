"""The demo's back end: a pretend fleet in which something goes wrong, guarded by the production controller."""

from typing import TYPE_CHECKING

from tools.journal import Journal

if TYPE_CHECKING:
    from agent.casebook import Snapshot
    from policies.decision import Approval
    from simulator.casting import Cast

SCENARIO = "bad_rollout_errors"  # visible at once, and healed within minutes
CALM = 1800.0  # simulated seconds before anything goes wrong: enough to learn what is normal, short to watch


class Demo:
    """What ``simulator.stage`` plays. Same scenario and seed, same story."""

    def __init__(self, scenario: str = SCENARIO, seed: int = 1, cast: "Cast | None" = None) -> None:
        from simulator import casting
        from simulator.episode import prunella
        from simulator.world.world import World

        shown = cast or casting.cast(scenario)
        self._world = world = World(shown.fleet, seed=seed, scenario=shown.begun_at(CALM))
        self._crew = prunella(world, world.actuator)
        self._journal = self._crew.journal

    @property
    def journal(self) -> Journal:
        """The journal of the fleet on show."""
        return self._journal

    @property
    def pending_approvals(self) -> "tuple[Approval, ...]":
        """Questions that wait for a person, oldest first."""
        from policies.approvals import KIND, pending

        return pending(self._journal.entries(kinds=(KIND,)), self._world.clock.now())

    def tick(self) -> "Snapshot":
        """Let one tick of simulated time pass."""
        from simulator.episode import TICK

        self._world.advance(TICK)
        self._crew.tick()
        return self._crew.snapshot()

    def answer(self, id: str, yes: bool, by: str) -> None:  # noqa: A002 - the port's word
        """Answer a question."""
        from policies.approvals import answer

        answer(self._journal, id, by, yes=yes, now=self._world.clock.now())
