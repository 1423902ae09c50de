"""The ports. Reading and acting are different types: whoever holds a read port can only read.

Every method may raise ``tools.errors.ToolError`` and nothing else.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tools.action import Action, Operation, Preimage, Receipt
from tools.change import Change
from tools.records import Comparison, InferenceWindow, ModelState, Probe, Recomputed, Split
from tools.signal import Frame, SignalSpec
from tools.tables import Column, Table
from tools.topology import Topology


class Metrics(Protocol):
    """Reads signals."""

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        """Return the value of every spec for every entity that has it, as of ``at``; NaN where a value is unknown."""
        ...

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        """Return frames of one spec every ``step`` seconds, both ends included; what is not kept is left out."""
        ...


class Cluster(Protocol):
    """Reads the cluster."""

    def topology(self) -> Topology:
        """Return deployments, replicas and nodes of the guarded services."""
        ...

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return what was changed at or after ``since``, oldest first."""
        ...


class Registry(Protocol):
    """Reads the model registry."""

    @property
    def answers_rows(self) -> bool:
        """Whether it holds models, so that ``compare_on`` says what versions make of rows that are handed in."""
        ...

    def model(self, name: str) -> ModelState:
        """Return versions and aliases; ``Absent`` when there is no such model."""
        ...

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return promotions at or after ``since``, oldest first."""
        ...

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        """Score two versions offline on the rows of ``service`` in [start, end) whose labels are known."""
        ...

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        """Score two versions of the model of ``rows.service`` offline on these rows, those whose labels are known."""
        ...


class InferenceLog(Protocol):
    """Reads logged inferences."""

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        """Return the rows logged in [start, end), with the labels that are known by now; may be empty.

        ``labelled``: those alone whose label is known. Without ``features`` none is read, and the array is (n, 0).
        """
        ...

    def reference(self, service: str) -> InferenceWindow:
        """Return the rows that the champion was accepted on; ``Absent`` when none were kept."""
        ...

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        """Return rows logged in [start, end) beside the same computed anew; ``Absent`` when nothing computes them."""
        ...


class LogTables(Protocol):
    """Reads inference logs as tables, with all of their columns, inside the engines where they lie."""

    def rows(self, service: str, start: datetime, end: datetime) -> Table:
        """Return the rows logged in [start, end); ``Absent`` when the service logs none."""
        ...

    def accepted(self, service: str) -> Table:
        """Return the rows that the model was accepted on; ``Absent`` when none were kept."""
        ...

    def again(self, service: str, keys: Column) -> Table:
        """Return the features of those keys computed anew; ``Absent`` when nothing computes them."""
        ...

    def keys(self, rows: str, column: str) -> Column:
        """Return a column of other rows, which logs refer to."""
        ...


class Serving(Protocol):
    """Looks at replicas and traffic from outside."""

    def probe(self, service: str, replica: str) -> Probe:
        """Ask the replica's health page, and its engine one small real question, within seconds."""
        ...

    def split(self, service: str) -> Split | None:
        """Return how the traffic is divided now; None where nothing divides it."""
        ...


class Actuator(Protocol):
    """Acts. Every implementation is wrapped by the gate before anybody else sees it."""

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs that this actuator can carry out here."""
        ...

    def preimage(self, action: Action) -> Preimage:
        """Read what the action would change, and how to change it back. No effect."""
        ...

    def rehearse(self, action: Action) -> str:
        """Ask the world to check the action without doing it; returns what would happen, or raises ``Refused``."""
        ...

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, once: an operation id that was applied before is answered with its first receipt."""
        ...

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what is known of an operation; None when it certainly did not happen."""
        ...

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """See that no earlier call of an operation can still take effect, then return what is known of it."""
        ...


class Reasoner(Protocol):
    """A language model, or a template: words for people, never authority."""

    def summarise(self, facts: str) -> str:
        """Return a few sentences for a person about the facts given (Markdown bullets)."""
        ...


class Memory(Protocol):
    """Keeps a few bytes across restarts. Losing them costs time, never truth: that is the journal's."""

    def read(self) -> bytes | None:
        """Return what was written last; None where nothing was."""
        ...

    def write(self, content: bytes) -> None:
        """Replace what is kept, as a whole."""
        ...
