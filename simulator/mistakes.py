"""What is wrong with a scenario that no type can tell: names that nothing bears, figures that cannot be played.

``mistakes`` needs the scenario alone; ``misfits`` tells what the fleet that is drilled cannot suffer. Each yields the
place in the file and a line that says what may stand there.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import get_args

from config.fleet import Fleet, Service, ServiceKind
from playbooks.faults import shipped_faults
from playbooks.library import shipped
from simulator.modifiers import MODIFIERS
from simulator.world.profile import reads_texts
from simulator.world.quality import FIELD
from simulator.world.script import DRIFTS, ONCE, ROUTES, Everywhere, Mutation, Scenario, Truth
from simulator.world.texts import TextProblem
from tools.action import VERBS
from tools.marks import MARKS

Place = tuple[int | str, ...]
Mistake = tuple[Place, str]

_AMOUNT, _FACTOR, _RATE = frozenset({"amount"}), frozenset({"factor"}), frozenset({"rate"})
_EFFECT = frozenset({"errors", "slow", "output", "prompt"})
PARAMS = {  # by what changes; the rest take ``amount``
    **dict.fromkeys(("traffic", "prompt", "output", "slow", "noise", "bursts", "price", "label_delay"), _FACTOR),
    **dict.fromkeys(("errors", "vendor_errors"), _RATE),
    "vendor_slow": _FACTOR,
    "heat": frozenset({"clock"}),
    "gpu_lost": frozenset({"xid"}),
    "restart": frozenset({"seconds"}),
    "scale": frozenset({"add"}),
    "release": _EFFECT,
    "autoscaler": frozenset({"target", "low", "high", "window", "queue", "blind"}),
    "reclaim": frozenset({"notice", "back"}),
    "leak": frozenset({"errors", "again"}),
    "promote": frozenset({"bias", "days", "mislabelled", "rows"}),
    "ail": _EFFECT
    | {"prefix", "traffic", "down", "dead", "skew", "throttled", "nonsense", "outdated"}
    | {"poison", "pause", "kv", "admit", "spread"}  # simulator.world.speed
    | {"tries", "budget", "backoff", "timeout"},  # simulator.world.again
    **dict.fromkeys(("hang", "owner", "own", "gap"), frozenset[str]()),
}
NEEDED = {  # without which a mutation cannot be played
    "errors": _RATE,
    "vendor_errors": _RATE,
    "heat": PARAMS["heat"],
    "scale": PARAMS["scale"],
    "autoscaler": frozenset({"target", "low", "high"}),
    "reclaim": PARAMS["reclaim"],
    **{what: names for what, names in PARAMS.items() if names == _FACTOR},
    **dict.fromkeys(DRIFTS, _AMOUNT),
}
TROUBLES = frozenset(
    {  # of the controller's own: simulator.trouble and simulator.crew
        *("clock_jump", "cluster_api_errors", "cluster_api_throttled", "controller_killed", "database_locked"),
        *("disk_full_own", "metrics_outage", "model_endpoint_down", "model_is_hostile", "model_talks_nonsense"),
        *("partial_scrape", "partitioned", "registry_unavailable", "reply_lost", "stale_metrics", "two_controllers"),
    }
)
SHARES = frozenset({"rate", "errors", "down", "dead", "throttled", "nonsense", "mislabelled", "clock"})
ABOVE = frozenset(
    {"clock", "factor", "slow", "output", "prompt", "target", "seconds", "add", "days", "rows"}
    | {"kv", "admit", "spread", "timeout"}
)
NOBODYS = frozenset({*get_args(Everywhere), "label_delay", "gap", "own"})  # hit no one service
ENTITIES = {  # what a truth may be about
    "service": "service/$service",
    "replica": "replica/$service/$replica",
    "node": "node/$node",
    "gpu": "gpu/$gpu",
    "vendor": "vendor/$service/$vendor",
    "model": "model/$model",
}
KINDS = frozenset({ServiceKind.LANGUAGE, ServiceKind.TABULAR})  # with replicas of their own
_ROW = frozenset({"skew", "outdated"})  # what an ail does to a model's answers


def near(name: str, known: Iterable[str], several: str = "there are") -> str:
    """Return what stands at the end of "no such name": the nearest of those that there are, or all of them.

    >>> near("chta", ("chat", "code"))
    '; did you mean chat?'
    """
    options = sorted(known)
    found = difflib.get_close_matches(name, options, n=1)
    return f"; did you mean {found[0]}?" if found else f"; {several} {', '.join(options)}"


# -- of the scenario alone -------------------------------------------------------------------------------------------
def mistakes(scenario: Scenario) -> Iterator[Mistake]:
    """Yield what is wrong, whatever the fleet."""
    early, late = scenario.onset
    if not 0 <= early <= late:
        yield ("onset",), f"from {early:g} to {late:g} s is no range of seconds after the start"
    for name in scenario.modifiers:
        if name not in MODIFIERS:
            yield ("modifiers",), f"no modifier {name!r}{near(name, MODIFIERS)}"
    for number, mutation in enumerate(scenario.mutations):
        for place, text in (*_of_params(mutation), *_of_words(mutation)):
            yield ("mutations", number, *place), text
        if (mutation.what not in NOBODYS or _drawn(mutation)) and not (mutation.target or scenario.target):
            yield ("mutations", number), f"{mutation.what} hits a service: name candidates in target"
    for place, text in _of_truth(scenario):
        yield ("truth", *place), text


def _drawn(mutation: Mutation) -> bool:
    """Whether it is drawn which of the patient's metrics are missing."""
    return mutation.what == "gap" and not mutation.text


def _of_params(mutation: Mutation) -> Iterator[Mistake]:
    known = PARAMS.get(mutation.what, _AMOUNT)
    for name in mutation.params.keys() - known:
        yield ("params",), f"{mutation.what} takes {', '.join(sorted(known)) or 'none'}, not {name!r}"
    if missing := sorted(NEEDED.get(mutation.what, frozenset()) - mutation.params.keys()):
        yield ("params",), f"{mutation.what} needs {', '.join(missing)}"
    for name, value in mutation.params.items():
        yield from ((("params", name), text) for text in _of_value(name, value))


def _of_words(mutation: Mutation) -> Iterator[Mistake]:
    if mutation.what == "own" and mutation.text not in TROUBLES:
        yield ("text",), f"no trouble {mutation.text!r}{near(mutation.text, TROUBLES)}"
    if mutation.what == "gap" and mutation.text and mutation.text not in metrics():
        yield ("text",), f"no metric {mutation.text!r}{near(mutation.text, metrics())}"
    marks = {mark.finding for mark in MARKS}
    for name in mutation.marks.keys() - marks:
        yield ("marks",), f"no mark {name!r}{near(name, marks)}"
    if mutation.carrier != "service" and mutation.what != "ail":
        yield ("carrier",), f"{mutation.what} sits on none: they are for an ail"
    if mutation.marks and mutation.what != "ail":
        yield ("marks",), f"{mutation.what} shows none: they are for an ail"
    yield from _of_time(mutation)


def _of_time(mutation: Mutation) -> Iterator[Mistake]:
    if mutation.what in ONCE and mutation.onset != "step":
        yield ("onset",), f"{mutation.what} happens at once: step"
    if mutation.what not in ONCE and mutation.every is not None and mutation.onset != "periodic":
        yield ("every",), f"{mutation.what} lasts: it comes again with onset: periodic"
    if "share" in mutation.model_fields_set and mutation.onset != "periodic":
        yield ("share",), "it is a share of a period: onset: periodic"


def _of_value(name: str, value: float | tuple[float, float]) -> Iterator[str]:
    low, high = value if isinstance(value, tuple) else (value, value)
    if low > high:
        yield f"from {low:g} to {high:g} is no range: the lower one comes first"
    if name in SHARES and not (low >= 0 and high <= 1):
        yield "a share is between 0 and 1"
    if name in ABOVE and not low > 0:
        yield "must be above 0"
    if name in ("low", "high") and not low >= 1:
        yield "an autoscaler keeps one replica at least"


def _of_truth(scenario: Scenario) -> Iterator[Mistake]:
    truth, quiet = scenario.truth, scenario.layer == "quiet"
    faults = {fault.id for fault in shipped_faults()}
    if truth.fault and quiet:
        yield ("fault",), "layer quiet has none: leave it out, or name the fault's layer"
    if not truth.fault and not quiet:
        yield ("fault",), f"layer {scenario.layer} has one: name it, or say layer: quiet"
    if truth.fault and not scenario.mutations:
        yield ("fault",), "mutations is empty: nothing makes it true"
    if truth.fault and truth.fault not in faults:
        yield ("fault",), f"{truth.fault!r} is not in playbooks/faults.yaml{near(truth.fault, faults)}"
    yield from _of_books(truth)
    for verb in truth.forbidden_verbs:
        if verb not in VERBS:
            yield ("forbidden_verbs",), f"there is no verb {verb!r}{near(verb, VERBS)}"
    if truth.fault or truth.entity:
        yield from ((("entity",), text) for text in _of_entity(scenario))


def _of_books(truth: Truth) -> Iterator[Mistake]:
    treats = {book.id: frozenset(book.cures) for book in shipped()}
    eases = {book.id: frozenset(book.eases) | treats[book.id] for book in shipped()}
    for kind, books in (("acceptable_playbooks", treats), ("easing_playbooks", eases)):
        for name in getattr(truth, kind):
            if name not in books:
                yield (kind,), f"there is no playbook {name!r}{near(name, books)}"
            elif truth.fault and truth.fault not in books[name]:
                fit = sorted(each for each, found in books.items() if truth.fault in found)
                does = "cures" if kind == "acceptable_playbooks" else "eases"
                yield (
                    (kind,),
                    f"{name} {does} no {truth.fault}; what does: {', '.join(fit) or 'nothing: tell a person'}",
                )


def _of_entity(scenario: Scenario) -> Iterator[str]:
    entity = scenario.truth.entity
    kind, _, rest = entity.partition("/")
    if kind not in ENTITIES or not rest:
        yield f"{entity!r} names nothing{near(entity, ENTITIES.values(), 'it is one of')}"
        return
    names = frozenset(ENTITIES)
    used = set(re.findall(r"\$(\w+)", entity))
    for name in sorted(used - names):
        yield f"${name} is no name{near(f'${name}', {f'${each}' for each in names})}"
    for name in sorted((used & names) - _cast(scenario)):
        yield f"nothing here chooses a {name}: ${name} would stay empty"


def _cast(scenario: Scenario) -> frozenset[str]:
    """Return the names that playing the scenario gives to what it hits."""
    found = {"service", "model"} if scenario.target else set()
    for mutation in scenario.mutations:
        if mutation.what in ROUTES or (mutation.what == "ail" and mutation.carrier == "vendor"):
            found.add("vendor")
        placed = mutation.what == "ail" and mutation.carrier in ("replica", "gpu", "node", "zone")
        if placed or mutation.what in ("heat", "hang", "gpu_lost", "reclaim", "leak"):
            found |= {"replica", "gpu", "node"}
    return frozenset(found)


@cache
def metrics() -> frozenset[str]:
    """Return the names of all series that a world can write."""
    from simulator.world.world import World

    kinds = (ServiceKind.LANGUAGE, ServiceKind.TABULAR, ServiceKind.VENDOR)
    least = tuple(
        Service(name=kind.value, kind=kind, vendors=("one",) if kind is ServiceKind.VENDOR else ()) for kind in kinds
    )
    return frozenset(World(Fleet(services=least)).body.store.families)


# -- of a scenario in a fleet ----------------------------------------------------------------------------------------
def misfits(scenario: Scenario, fleet: Fleet) -> Iterator[Mistake]:
    """Yield what this fleet cannot suffer: services that it has not, or that are of another kind."""
    services = {service.name: service for service in fleet.services if service.kind is not ServiceKind.BATCH}
    yield from ((("target",), text) for text in _strangers(scenario.target, services))
    for number, mutation in enumerate(scenario.mutations):
        place = ("mutations", number)
        yield from (((*place, "target"), text) for text in _strangers(mutation.target, services))
        for name in mutation.target or scenario.target:
            service = services.get(name)
            if service is not None and (lacks := _lacks(mutation, service)):
                yield (*place, "what"), f"{_told(mutation)} cannot hit {name}, which {lacks}"
    kind, _, rest = scenario.truth.entity.partition("/")
    first = rest.split("/")[0]
    if kind in ("service", "replica", "vendor") and first and "$" not in first:
        yield from ((("truth", "entity"), text) for text in _strangers((first,), services))


def _strangers(names: Iterable[str], services: Iterable[str]) -> Iterator[str]:
    known = frozenset(services)
    for name in names:
        if name not in known:
            yield f"{name}: no such service in the fleet{near(name, known)}"


def _told(mutation: Mutation) -> str:
    return f"an ail of a {mutation.carrier}" if mutation.what == "ail" else mutation.what


def _lacks(mutation: Mutation, service: Service) -> str:
    """Return why a mutation cannot hit a service; empty where it can."""
    what, carrier = mutation.what, mutation.carrier if mutation.what == "ail" else ""
    if (what in ROUTES or carrier == "vendor") and service.kind is not ServiceKind.VENDOR:
        return "calls no vendor"
    placed = carrier in ("replica", "gpu", "node", "zone", "revision")
    own = {"heat", "gpu_lost", "hang", "restart", "release", "scale", "autoscaler", "owner", "reclaim", "leak"}
    if (what in own or placed) and service.kind not in KINDS:
        return "has no replicas of its own"
    if what == "hang" and service.kind is not ServiceKind.LANGUAGE:
        return "has no engine that could stand still: it is no language model"
    modelled = service.kind is ServiceKind.TABULAR and service.model
    if (what in DRIFTS or what == "promote" or _ROW & mutation.params.keys()) and not modelled:
        return "has no tabular model (kind: tabular, with model)"
    texts = FIELD.get(what, what) in TextProblem.lacks and reads_texts(service.name)
    return "reads texts: it has no such column" if texts else ""
