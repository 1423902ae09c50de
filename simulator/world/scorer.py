"""One service that scores rows: its task, its models by version, and its log."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from config.fleet import Service
from simulator.world.rowlog import RowLog
from simulator.world.store import Floats
from simulator.world.tabular import Drift, TabularProblem
from simulator.world.texts import TextProblem, Written
from tools.records import InferenceWindow, ModelVersion
from tools.training import Scores, TabularModel, evaluate

TEXT_TICKS = 360  # of which texts are kept: three hours at ticks of 30 s
Problem = TabularProblem | TextProblem


@dataclass
class Scorer:
    """One service that scores rows: its task, its models by version, and its log."""

    service: Service
    problem: Problem
    rng: np.random.Generator
    log: RowLog
    drift: Drift = field(default_factory=Drift)
    versions: list[ModelVersion] = field(default_factory=list)
    models: dict[str, TabularModel] = field(default_factory=dict)
    references: dict[str, InferenceWindow] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)  # of versions, as the log indexes them
    texts: deque[tuple[Floats, Written]] = field(default_factory=lambda: deque(maxlen=TEXT_TICKS))  # sampled, by tick
    judged: tuple[object, dict[int, float]] | None = None  # what the true accuracy was computed for, and it by hour

    def register(self, version: ModelVersion, model: TabularModel, reference: InferenceWindow) -> None:
        """Add a version."""
        self.versions.append(version)
        self.models[version.version] = model
        self.references[version.version] = reference
        self.names.append(version.version)


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """The labelled rows that a model was accepted on, (n, d) and (n,), its answers to them, and how good those are."""

    features: Floats
    labels: Floats
    answers: Floats
    found: Scores


def accepted(model: TabularModel, rows: tuple[Floats, Floats]) -> Accepted:
    """Ask a model the rows that it is accepted on: features and labels."""
    return Accepted(*rows, model.predict(rows[0]), evaluate(model, *rows))


def register(scorer: Scorer, version: str, model: TabularModel, on: Accepted, at: datetime, why: str = "") -> None:
    """Register a version as of ``at``, with what it was accepted on."""
    found, labels = on.found, on.labels
    name = scorer.service.model
    reference = InferenceWindow(
        service=scorer.service.name,
        names=scorer.problem.names,
        at=at.timestamp() - np.arange(len(labels), 0, -1.0),
        features=on.features,
        scores=on.answers,
        labels=labels,
        version=np.full(len(labels), version, dtype=np.str_),
    )
    metrics = {"accuracy": round(found.accuracy, 4), "log_loss": round(found.log_loss, 4)}
    named = ModelVersion(model=name, version=version, created_at=at, digest=model.digest, metrics=metrics, lineage=why)
    scorer.register(named, model, reference)
