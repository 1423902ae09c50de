"""Verbs applied to the world. Every effect of Prunella is one of these values.

A new verb is one class here and one branch in each adapter, found by exhaustive ``match``.
"""

from datetime import datetime
from math import isfinite
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from config.frozen import Frozen


class SetReplicas(Frozen):
    """Ask for a number of replicas."""

    verb: Literal["set_replicas"] = "set_replicas"
    service: str
    replicas: int = Field(ge=0)


class RestoreRevision(Frozen):
    """Make an earlier revision of the deployment's template current again."""

    verb: Literal["restore_revision"] = "restore_revision"
    service: str
    revision: str


class EvictReplica(Frozen):
    """Evict one replica, honouring disruption budgets; its controller starts a fresh one, elsewhere if need be."""

    verb: Literal["evict_replica"] = "evict_replica"
    service: str
    replica: str


class SetSchedulable(Frozen):
    """Cordon (False) or uncordon (True) a node."""

    verb: Literal["set_schedulable"] = "set_schedulable"
    node: str
    schedulable: bool


class SetAlias(Frozen):
    """Point a registry alias at a version; whoever serves the alias follows."""

    verb: Literal["set_alias"] = "set_alias"
    service: str
    model: str
    alias: str = "champion"
    version: str


class SetSplit(Frozen):
    """Divide the traffic of a service over backends, per cent."""

    verb: Literal["set_split"] = "set_split"
    service: str
    weights: dict[str, Annotated[int, Field(ge=0, le=100)]]

    @model_validator(mode="after")
    def _whole(self) -> "SetSplit":
        if sum(self.weights.values()) != 100:
            raise ValueError(f"weights sum to {sum(self.weights.values())}, not 100")
        return self


class TrainModel(Frozen):
    """Train a new version of a model on logged data of a window; long-running, bounded in time and money."""

    verb: Literal["train_model"] = "train_model"
    service: str
    model: str
    version: str  # the name that the new version will bear
    start_at: datetime
    end_at: datetime
    max_seconds: float = Field(default=600, gt=0)
    # Columns that the version shall do without. Left out of what is written where there are none: plans of before this
    # field keep their digest.
    without: tuple[str, ...] = Field(default=(), exclude_if=lambda columns: not columns)


def _codes(value: object) -> object:
    """Return a table of classes from its short form.

    >>> _codes("24:0 25:1")
    [['24', '0'], ['25', '1']]
    """
    return [pair.split(":") for pair in value.split()] if isinstance(value, str) else value


def _none(tables: tuple["Codes", ...]) -> tuple["Codes", ...]:
    return tables if any(tables) else ()


Codes = Annotated[tuple[tuple[int, int], ...], BeforeValidator(_codes), Field(max_length=24)]  # (comes as, means)


class ConvertInputs(Frozen):
    """Make a version out of another that reads some inputs as they come now; nothing is trained, and nothing serves it.

    Its answer to a row is that of version ``of`` to the same row with every input ``inputs[i]`` taken from the column
    ``read_from[i]`` and divided by ``divided_by[i]``. The columns are the same on both sides, so that none is lost.
    Where ``codes[i]`` says what classes come as, the column holds classes, and is read one to one by that table; a code
    that it does not name is read as it is.
    """

    verb: Literal["convert_inputs"] = "convert_inputs"
    service: str
    model: str
    version: str  # the name that the new version will bear
    of: str
    inputs: tuple[str, ...] = Field(min_length=1)
    read_from: tuple[str, ...]
    divided_by: tuple[float, ...]
    # Left out of what is written where no class is renamed: plans of before this field keep their digest.
    codes: Annotated[tuple[Codes, ...], AfterValidator(_none)] = Field(default=(), exclude_if=lambda tables: not tables)

    @model_validator(mode="after")
    def _fitting(self) -> "ConvertInputs":
        if not len(self.inputs) == len(self.read_from) == len(self.divided_by):
            raise ValueError("inputs, read_from and divided_by are not as many")
        if len(set(self.inputs)) < len(self.inputs) or set(self.inputs) != set(self.read_from):
            raise ValueError("each input is named once, and read from one of them that no other is read from")
        if not all(isfinite(each) and each > 0 for each in self.divided_by):
            raise ValueError("divided_by are numbers above 0")
        if self.codes and len(self.codes) != len(self.inputs):
            raise ValueError("inputs and codes are not as many")
        for place, table in enumerate(self.codes):
            self._one_to_one(place, table)
        return self

    def _one_to_one(self, place: int, table: Codes) -> None:
        if any(len(set(side)) < len(table) for side in zip(*table, strict=True)):
            raise ValueError("each code is named once, and means a class that no other means")
        if table and (self.inputs[place] != self.read_from[place] or self.divided_by[place] != 1.0):
            raise ValueError("a column of classes keeps its place, and is divided by nothing")

    @property
    def tables(self) -> dict[str, Codes]:
        """What renamed classes come as and mean, by column."""
        return {name: table for name, table in zip(self.inputs, self.codes, strict=False) if table}


Action = Annotated[
    SetReplicas | RestoreRevision | EvictReplica | SetSchedulable | SetAlias | SetSplit | TrainModel | ConvertInputs,
    Field(discriminator="verb"),
]
ACTION: TypeAdapter[Action] = TypeAdapter(Action)
VERBS = (
    "set_replicas",
    "restore_revision",
    "evict_replica",
    "set_schedulable",
    "set_alias",
    "set_split",
    "train_model",
    "convert_inputs",
)


class Operation(Frozen):
    """The stamp of one intended effect: the actuator is asked about ``id`` before any retry."""

    id: str
    incident: str
    epoch: int = Field(ge=0, description="fencing token: a write below the highest epoch seen is refused")
    expects: dict[str, str] | None = Field(
        default=None, description="state of the target, as preimage told it; another one is refused. None: any will do"
    )

    undo: bool | None = Field(
        default=None,
        description="whether it undoes a step. False: it may equal one that does, and is none",
    )

    def unmet(self, state: dict[str, str]) -> str:
        """Return how a target differs from what was expected; empty: it does not."""
        if self.expects is None or self.expects == state:
            return ""
        return f"it was changed meanwhile: {state}, not {self.expects}"


class Preimage(Frozen):
    """What an action will change, as it stands before; ``inverse`` undoes the action, None where nothing can."""

    state: dict[str, str]
    inverse: Action | None = None


class Receipt(Frozen):
    """What the actuator knows of an operation."""

    operation: str
    state: Literal["done", "running", "failed"]
    at: datetime
    detail: str = ""
    observed: dict[str, str] = Field(default_factory=dict)
