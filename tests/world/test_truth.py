"""No port leads to the truth: what is really wrong cannot be reached from anything that a controller is handed."""

from collections.abc import Iterator

from config.fleet import Fleet
from simulator.episode import Doorkeeper
from simulator.handed import handed
from simulator.scenario import load_scenarios
from simulator.world.ledger import Happened, Ledger
from simulator.world.script import Mutation, Scenario, Truth
from simulator.world.world import World

SECRET = (Truth, Scenario, Mutation, Happened, Ledger)


def reachable(root: object) -> Iterator[object]:
    """Yield everything that attributes, containers and bound methods lead to, without calling anything."""
    todo, seen = [root], set[int]()
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | type | None):
            continue
        seen.add(id(item))
        yield item
        todo += list(_parts(item))


def _parts(item: object) -> Iterator[object]:
    if isinstance(item, dict):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    for holder in ("__self__", "func", "args"):
        if (part := getattr(item, holder, None)) is not None and not isinstance(item, type):
            yield part
    yield from getattr(item, "__dict__", {}).values()
    for kind in type(item).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(item, name):
                yield getattr(item, name)


def test_what_a_controller_reads_leads_to_no_truth(fleet: Fleet) -> None:
    world = World(fleet, seed=1, scenario=load_scenarios()["disk_full"].model_copy(update={"onset": (60.0, 90.0)}))
    for _ in range(10):
        world.advance(30.0)
    ports = (world.metrics, world.cluster, world.registry, world.log, world.serving, world.clock)
    for port in ports:
        found = [type(item).__name__ for item in reachable(port) if isinstance(item, SECRET)]
        assert not found, f"{type(port).__name__} leads to {found}"


def test_what_a_controller_in_a_drill_is_handed_leads_to_no_truth_either(fleet: Fleet) -> None:
    """Its ports ask whether a trouble of its own lasts, and its hands note what they do: neither way leads there."""
    world = World(fleet, seed=1, scenario=load_scenarios()["cluster_api_errors"])
    given = handed(world, Doorkeeper(world))
    for _ in range(10):
        world.advance(30.0)
    for port in (given.senses, given.hands, given.journal, given.reasoner, world.actuator):
        found = [type(item).__name__ for item in reachable(port) if isinstance(item, (*SECRET, World))]
        assert not found, f"{type(port).__name__} leads to {found}"


def test_the_search_would_find_it(fleet: Fleet) -> None:
    world = World(fleet, seed=1, scenario=load_scenarios()["disk_full"])
    assert any(isinstance(item, SECRET) for item in reachable(world))


def test_nothing_that_is_read_names_the_fault(fleet: Fleet) -> None:
    for name in ("disk_full", "poison_request", "adapter_cross_talk", "vendor_throttled"):
        world = World(fleet, seed=1, scenario=load_scenarios()[name].model_copy(update={"onset": (60.0, 90.0)}))
        for _ in range(10):
            world.advance(30.0)
        said = repr(world.cluster.topology()) + repr(world.cluster.changes(world.clock.now().replace(hour=0)))
        assert name not in said
