"""What happens to a world: scenarios as values. Reading them from files is ``simulator.scenario``'s work."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from config.frozen import Frozen

Number = float | tuple[float, float]  # a pair is a range: the seed draws from it

# Lasting: they have a level, which onset shapes. On the target service ...
Turned = Literal["traffic", "prompt", "output", "slow", "errors"]
Drift = Literal[
    "concept",
    "covariate",
    "dates",
    "nulls",
    "units",
    "unparsed",
    "categories",
    "shuffle",
    "swap",
    "stale",
    "lag",
    "prior",
    "rotation",
    "segment",
    "echo",
]
# ... on the vendor that it prefers, on measurement or prices everywhere ...
Route = Literal["vendor_errors", "vendor_slow"]
Everywhere = Literal["noise", "bursts", "price"]
# ... on the GPU beneath one replica (heat), on a carrier of its own (ail), on the age of labels, on a metric that text
# names (gap), on the controller itself by a trouble of simulator.trouble that text names (own); who scales besides;
# a node that the provider takes back (reclaim); memory that one replica takes and never gives back (leak).
Elsewhere = Literal["heat", "ail", "label_delay", "gap", "own", "autoscaler", "reclaim", "leak"]
Once = Literal["gpu_lost", "hang", "restart", "release", "promote", "scale", "owner"]
What = Literal[Turned, Drift, Route, Everywhere, Elsewhere, Once]
DRIFTS: tuple[str, ...] = get_args(Drift)
ROUTES: tuple[str, ...] = get_args(Route)
TURNED: tuple[str, ...] = get_args(Turned)
ONCE: tuple[str, ...] = get_args(Once)


Carrier = Literal["replica", "gpu", "node", "zone", "revision", "service", "vendor"]
Onset = Literal["step", "ramp", "periodic", "sustain"]


Condition = Literal["revision_sound", "champion_sound", "replicas_sound"]


class Mutation(Frozen):
    """One change of the world's coefficients."""

    what: What
    params: dict[str, Number] = Field(default_factory=dict)
    target: tuple[str, ...] = Field(default=(), description="candidates; empty: the scenario's target")
    onset: Onset = Field(
        default="step",
        description="sustain: it goes on after ``ramp`` seconds for as long as its service fails requests",
    )
    carrier: Carrier = Field(default="service", description="what an ail sits on")
    marks: dict[str, float] = Field(default_factory=dict, description="findings of tools.marks: what their series read")
    kind: Literal["release", "config"] = Field(default="release", description="what the change log calls a revision")
    at: float = Field(default=0.0, ge=0, description="seconds after the scenario's onset")
    ramp: float = Field(default=600.0, gt=0, description="seconds that a ramp takes to its full level")
    duration: float | None = Field(default=None, gt=0, description="seconds; None: lasts")
    every: float | None = Field(
        default=None,
        gt=0,
        description="seconds between repetitions on fresh targets, or the period of what is periodic",
    )
    share: float = Field(default=0.5, gt=0, lt=1, description="of each period, in which what is periodic is there")
    also: bool = Field(
        default=False,
        description="a fault in its own right: its service is a patient too, and nothing is over before it came",
    )
    text: str = Field(default="", description="what the change log says, where the change is visible there")
    actor: str = Field(default="ci", description="who the change log says did it")


class Truth(Frozen):
    """What is really wrong. For scoring alone: no port leads here."""

    fault: str = Field(default="", description="fault id of the catalogue; empty: nothing is wrong")
    entity: str = Field(default="", description="may name $service, $replica, $node, $gpu, $vendor, $model")
    acceptable_playbooks: tuple[str, ...] = Field(
        default=(), description="remedies; none for a fault: the honest thing is to give it to a person"
    )
    easing_playbooks: tuple[str, ...] = Field(
        default=(),
        description="what a machine may do beside telling a person, where it cannot cure: taken back afterwards",
    )
    forbidden_verbs: tuple[str, ...] = Field(
        default=(), description="that no plan may use but one of an acceptable or easing playbook"
    )
    restore: tuple[Condition, ...] = Field(
        default=(),
        description="what must be so for it to be healed, beyond every objective: no bad revision is current, the "
        "champion is none that the scenario promoted, no replica hangs or crashes",
    )
    passes: bool = Field(
        default=False, description="a fault is there and passes by itself: who misses a promise says so"
    )


class Scenario(Frozen):
    """One drill: what happens, to whom, and the truth that the scorer knows."""

    id: str
    layer: Literal["cluster", "gpu", "engine", "quality", "pipeline", "cost", "vendor", "ourselves", "quiet"]
    about: str
    target: tuple[str, ...] = Field(default=(), description="candidate services; the seed chooses one")
    onset: Annotated[tuple[float, float], Field(description="seconds after the start; the seed draws from it")] = (
        3600.0,
        5400.0,
    )
    mutations: tuple[Mutation, ...] = ()
    truth: Truth = Truth()
    start_days: int = Field(default=0, ge=0, description="days after a Monday on which it begins")
    modifiers: tuple[str, ...] = ()
