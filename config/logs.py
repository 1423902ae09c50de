"""Inference logs: where the rows of a service lie, and what their columns mean."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from config.frozen import Frozen


class Measure(Frozen):
    """A column that says how good answers are: refused, toxicity, groundedness, corrected, converted, tokens, cost."""

    column: str = Field(min_length=1, description="numbers or flags; null where nobody scored the row")
    worse: Literal["higher", "lower", "either"] = Field(
        default="higher", description="the side on which it gets worse; either: a change is news"
    )
    limit: float | None = Field(
        default=None, description="mean beyond which somebody is told, whatever it was before; left out: none"
    )


class LogTable(Frozen):
    """The inference log of one service: one row per answer. Instants without a zone are UTC."""

    service: str = Field(description="a service of the fleet")
    rows: str = Field(
        min_length=1,
        description="Parquet file, folder or glob, CSV file, or URL#TABLE of an engine that Ibis speaks to",
    )
    at: str = Field(
        default="at", description="column with the instant of the answer: a timestamp, or seconds since 1970"
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="columns of the model's inputs, numbers or vectors of them (embeddings); empty: every such one "
        "that is named nowhere else here",
    )
    score: str = Field(default="score", description="column with the predicted probability")
    label: str = Field(default="label", description="column with the truth, 0 or 1, null until it is known")
    version: str = Field(default="version", description="column with the model version that answered; may be missing")
    reference: str = Field(default="", description="rows it was accepted on; empty: inputs are not compared")
    most: int = Field(default=50_000, ge=100, description="rows read at one look: the newest of the window")
    key: str = Field(default="", description="column that names a row (a request, say), there and in recomputed")
    recomputed: str = Field(
        default="",
        description="the same features computed anew from their source, by key; empty: no skew is seen",
    )
    rules: Path | None = Field(
        default=None,
        description="YAML rules that every window of the log must keep, as prunella drift --propose writes them; "
        "left out: they are proposed from the reference",
    )
    groups: tuple[str, ...] = Field(
        default=(), description="columns whose groups must be served alike: region, age band; codes or text"
    )
    measures: tuple[Measure, ...] = Field(
        default=(), description="columns that a scorer, a person or the business wrote beside the answers"
    )
