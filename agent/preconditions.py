"""Preconditions: the named facts that a playbook wants to be true. An unknown name is never true."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from agent.bindings import Bindings
from agent.capacity import TARGET, measures_of, ready_of, use_lately
from agent.observe import Scene
from agent.served import compared
from agent.working import idle_replicas, working_of
from config.fleet import Service
from tools.errors import Absent, ToolError

WELL = 0.1  # errors of a vendor that may carry the traffic


@dataclass(frozen=True, slots=True)
class Ground:
    """What a precondition is asked about."""

    service: Service
    bindings: Bindings
    scene: Scene

    def bound(self, name: str) -> str:
        """Return a single binding, empty where there is none."""
        value = self.bindings.get(name, "")
        return value if isinstance(value, str) else ""


def unmet(name: str, ground: Ground) -> str:
    """Return why a precondition does not hold, with its arithmetic; empty where it does."""
    check = _KNOWN.get(name)
    return f"{name} is not known here" if check is None else check(ground)


def _revision(ground: Ground) -> str:
    deployment = ground.scene.observation.topology.deployment(ground.service.name)
    good = ground.bound("good_revision")
    if deployment is None:
        return f"no deployment of {ground.service.name} is known"
    known = good in [revision.number for revision in deployment.revisions]
    return "" if known and good != deployment.current else f"revision {good or 'none'} is current or unknown"


def _version(ground: Ground) -> str:
    good, champion = ground.bound("good_version"), ground.bound("champion")
    return "" if good and champion and good != champion else f"version {good or 'none'} is the champion already"


def _more(ground: Ground) -> str:
    wanted, most = ground.bound("more_replicas"), ground.service.max_replicas
    return (
        ""
        if wanted.isdigit() and int(wanted) <= most
        else f"no more replicas within the maximum {most}, the budget and the free GPUs"
    )


def _fewer(ground: Ground) -> str:
    counts = ground.bindings.get("fewer_replicas", ())
    least = min((int(count) for count in counts), default=0)
    floor = ground.service.min_replicas
    return "" if counts and least >= floor else f"no fewer replicas above the floor {floor}"


def _load(ground: Ground) -> str:
    now = measures_of(ground.scene.observation, ground.service)
    if not now:
        return f"the load of {ground.service.name} is NO DATA"
    lately = max(measures_of(seen, ground.service) for seen in ground.scene.history)
    return "" if now == lately else f"a part of the load of {ground.service.name} is NO DATA since lately"


def _labels(ground: Ground) -> str:
    return "" if ground.bound("train_start") and ground.bound("train_end") else "too few labelled rows since the onset"


def _features(ground: Ground) -> str:
    """Whether rows to train on were served as they are computed anew; where nothing computes them, a person is asked.

    A look that fails for now is raised: the next one looks again.
    """
    if spoiled := ground.scene.observation.spoiled.get(ground.service.name):
        return f"{spoiled[0].text}: training would learn that"
    start, end = ground.bound("train_start"), ground.bound("train_end")
    if not start or not end:
        return ""
    try:
        since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
        found = compared(ground.scene, ground.service.name, since, until)
    except Absent:
        return ""
    return f"{found.words()}: training would learn that" if found.differs else ""


def _candidate(ground: Ground) -> str:
    name = ground.bound("candidate")
    try:
        taken = [version.version for version in ground.scene.senses.registry.model(ground.service.model).versions]
    except ToolError as error:
        return str(error)
    return "" if name and name not in taken else f"version {name or 'none'} exists already"


def _peers(ground: Ground) -> str:
    """Whether the ready peers carry what one replica less leaves them; a replica that does not work takes nothing."""
    ready = working_of(ground.scene.observation, ground.service.name)
    use = use_lately(ground.scene.history, ground.service)
    idle = idle_replicas(ground.scene.observation, ground.service.name)
    if ready == 0 or ground.bound("replica") in idle or _moved(ground) <= idle:
        return ""  # nothing is left that an eviction could take away
    if use is None:
        return f"the load of {ground.service.name} is NO DATA"
    after = use * ready_of(ground.scene.observation, ground.service.name) / max(ready - 1, 1)
    return "" if ready > 1 or after < TARGET else f"one ready replica carries {use:.0%}"


def _moved(ground: Ground) -> frozenset[str]:
    """Return the patient's replicas that a plan for a node would move; where none is known, one without a name."""
    bound = (str(each).partition("/") for each in ground.bindings.get("replicas", ()))
    return frozenset(name for service, _, name in bound if service == ground.service.name) or frozenset(("",))


def _on_node(ground: Ground) -> str:
    node, replicas = ground.bound("node"), ground.bindings.get("replicas", ())
    there = {f"{each.service}/{each.name}" for each in ground.scene.observation.topology.on(node)}
    return "" if replicas and set(replicas) <= there else f"no replicas are known on node {node or '?'}"


def _unclaimed(ground: Ground) -> str:
    name, nodes = ground.bound("node"), ground.scene.observation.topology.nodes
    others = next((node.owners for node in nodes if node.name == name), ())
    return f"node {name} is in the hands of {', '.join(others)}" if others else ""


def _vendor(ground: Ground) -> str:
    other = ground.bound("to_vendor")
    errors = ground.scene.observation.value("vendor_error_ratio", f"vendor/{ground.service.name}/{other}")
    if errors is None:
        return f"vendor {other or '?'} is NO DATA"
    return "" if errors <= WELL else f"vendor {other} fails {errors:.0%} > {WELL:.0%}"


def _convertible(ground: Ground) -> str:
    if why := ground.bound("unconvertible"):
        return why
    return "" if ground.bindings.get("inputs") else f"nothing that {ground.service.name} is shown is spoiled"


_KNOWN: Mapping[str, Callable[[Ground], str]] = {
    "good_revision_is_not_current": _revision,
    "good_version_is_not_champion": _version,
    "more_replicas_within_maximum": _more,
    "fewer_replicas_above_floor": _fewer,
    "load_is_known": _load,
    "labels_are_enough": _labels,
    "candidate_is_new": _candidate,
    "inputs_convert_exactly": _convertible,
    "features_are_as_trained": _features,
    "peers_can_carry_load": _peers,
    "replicas_are_on_node": _on_node,
    "node_is_unclaimed": _unclaimed,
    "other_vendor_is_well": _vendor,
}
KNOWN = frozenset(_KNOWN)
