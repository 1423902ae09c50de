"""What is put on show: a scenario by id, pair or file, with modifiers, on the demo's fleet or on one's own."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config.fleet import Fleet
from config.load import ConfigError
from simulator.modifiers import MODIFIERS, modified
from simulator.pairs import split
from simulator.scenario import ENDINGS, fit, load_scenarios
from simulator.world.script import Scenario


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is on show, and what goes wrong there; no scenario: nothing does."""

    fleet: Fleet
    scenario: Scenario | None = None

    def begun_at(self, onset: float) -> Scenario | None:
        """Return the scenario with its onset so many seconds after the start; what is quiet keeps its own."""
        if self.scenario is None or not self.scenario.mutations:
            return self.scenario
        return self.scenario.model_copy(update={"onset": (onset, onset)})


def cast(name: str, modifiers: Iterable[str] = (), fleet: Path | None = None) -> Cast:
    """Read what was asked for; ``ConfigError`` says what is not there, and what it may have meant."""
    from agent.terminal import meant
    from config.load import load_fleet
    from simulator.episode import demo_fleet

    whom = demo_fleet() if fleet is None else load_fleet(fleet)
    base, paired = split(name)
    for each in (*paired, *modifiers):
        if each not in MODIFIERS:
            raise ConfigError((f"no modifier {each}{meant(each, MODIFIERS)}; there are {', '.join(MODIFIERS)}",))
    if not base:
        if modifiers:
            raise ConfigError(("modifiers change a scenario: say which, with --scenario",))
        return Cast(whom)
    known = load_scenarios()
    if not base.endswith(ENDINGS) and base not in known:
        raise ConfigError((f"no scenario {base}{meant(base, known)}; there are {', '.join(known)}",))
    scenario = fit(base, whom)
    return Cast(whom, modified(scenario, (*paired, *modifiers)))
