"""Rules: what a table must be, as people read and edit it."""

from pydantic import Field

from config.duration import Duration
from config.frozen import Frozen
from tools.tables import Kind


class Reference(Frozen):
    """The rows that a column refers to, such as customers by their id."""

    rows: str = Field(min_length=1)  # a file, or URL#TABLE
    column: str = Field(min_length=1)


class Rule(Frozen):
    """What one column must be; what is left out is not asked."""

    kind: Kind
    nulls_at_most: float | None = Field(None, ge=0, le=1)
    at_least: float | None = None
    at_most: float | None = None
    values: tuple[str, ...] | None = None
    unseen_at_most: float = Field(0.0, ge=0, le=1)
    unique: bool = False
    fresh_within: Duration | None = None
    refers_to: Reference | None = None


class Constraints(Frozen):
    """Rules of a table."""

    rows_at_least: int = Field(1, ge=0)
    columns: dict[str, Rule]
