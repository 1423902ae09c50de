"""All that a controller in a drill is handed: a world's ports, with troubles of its own. None leads to the truth."""

from dataclasses import dataclass

from agent.observe import Senses
from simulator.crew import JumpyClock
from simulator.trouble import (
    TroubledActuator,
    TroubledCluster,
    TroubledJournal,
    TroubledMetrics,
    TroubledReasoner,
    TroubledRegistry,
)
from simulator.world.world import World
from tools.journal import Journal
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator, Reasoner
from tools.template_reasoner import FallbackReasoner, TemplateReasoner


@dataclass(frozen=True, slots=True)
class Handed:
    """What a controller sees, does, writes to and asks for words; ``kept`` is what is truly written."""

    senses: Senses
    hands: Actuator
    journal: Journal
    reasoner: Reasoner
    kept: Journal


def handed(world: World, actuator: Actuator) -> Handed:
    """Return the ports of a world as a controller has them, ``actuator`` in the place of the world's own."""
    lasts, kept = world.troubled, MemoryJournal()
    clock = JumpyClock(world.clock, lasts)
    cluster = TroubledCluster(world.cluster, lasts, world.body.streams.named("throttle").random)
    registry = TroubledRegistry(world.registry, lasts)
    senses = Senses(TroubledMetrics(world.metrics, lasts), cluster, registry, world.log, world.serving, clock)
    reasoner = FallbackReasoner(TroubledReasoner(lasts), TemplateReasoner())
    return Handed(senses, TroubledActuator(actuator, lasts), TroubledJournal(kept, lasts), reasoner, kept)
