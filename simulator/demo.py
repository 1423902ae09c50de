"""The demo's back end: a pretend fleet in which something goes wrong, guarded by the production controller."""

from typing import TYPE_CHECKING

from simulator.scenario import load_scenarios
from tools.journal import Journal
from tools.memory_journal import MemoryJournal

if TYPE_CHECKING:
    from agent.casebook import Snapshot
    from policies.decision import Approval

SCENARIO = "bad_rollout_errors"  # visible at once, and healed within minutes
CALM = 1800.0  # simulated seconds before anything goes wrong: enough to learn what is normal, short to watch


class Demo:
    """What ``simulator.stage`` plays. Same scenario and seed, same story."""

    def __init__(self, scenario: str = SCENARIO, seed: int = 1) -> None:
        from agent.assembly import assemble
        from agent.observe import Senses
        from simulator.episode import demo_fleet
        from simulator.world.world import World

        script = load_scenarios()[scenario]
        if script.truth.fault:
            script = script.model_copy(update={"onset": (CALM, CALM)})
        self._journal = MemoryJournal()
        self._world = world = World(demo_fleet(), seed=seed, scenario=script)
        senses = Senses(world.metrics, world.cluster, world.registry, world.log, world.serving, world.clock)
        self._controller = assemble(senses, world.actuator, self._journal, world.fleet, world.clock, autonomy="act")

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
        self._controller.tick()
        return self._controller.snapshot()

    def answer(self, id: str, yes: bool, by: str) -> None:  # noqa: A002 - the port's word
        """Answer a question."""
        from policies.approvals import answer

        answer(self._journal, id, by, yes=yes, now=self._world.clock.now())
