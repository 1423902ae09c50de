"""What services log and registries hold: inference windows, model versions, probes, traffic splits."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from config.frozen import Frozen


@dataclass(frozen=True, slots=True)
class InferenceWindow:
    """Logged inferences of one service, oldest first.

    ``at`` float64 (n,) POSIX seconds; ``features`` float64 (n, d), NaN = null; ``scores`` float64 (n,) predicted
    probability; ``labels`` float64 (n,), NaN = not yet known; ``version`` (n,) the model version that answered.
    """

    service: str
    names: tuple[str, ...]  # of the d features
    at: NDArray[np.float64]
    features: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.float64]
    version: NDArray[np.str_]

    def where(self, some: NDArray[np.bool_]) -> "InferenceWindow":
        """Return some of the rows."""
        at, features, scores = self.at[some], self.features[some], self.scores[some]
        return InferenceWindow(self.service, self.names, at, features, scores, self.labels[some], self.version[some])


@dataclass(frozen=True, slots=True)
class Recomputed:
    """Rows of one service as they were served, beside the same computed anew as training computes them; oldest first.

    ``at`` float64 (n,) POSIX seconds; ``served`` and ``again`` float64 (n, d), NaN = null.
    """

    service: str
    names: tuple[str, ...]  # of the d features
    at: NDArray[np.float64]
    served: NDArray[np.float64]
    again: NDArray[np.float64]


class ModelVersion(Frozen):
    """One registered version of a model."""

    model: str
    version: str
    created_at: datetime
    digest: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    lineage: str = ""  # "trained by prunella for inc-7 on ..."


class ModelState(Frozen):
    """A registered model: versions oldest first, aliases such as ``champion``."""

    model: str
    versions: tuple[ModelVersion, ...]
    aliases: dict[str, str]


class Comparison(Frozen):
    """Two versions of a model scored on the same labelled rows (offline, no effect)."""

    model: str
    rows: int
    accuracy: dict[str, float]  # by version
    log_loss: dict[str, float]
    gain: float  # mean log-loss of the first version less that of the second, paired
    gain_low: float  # 95 % interval of the gain
    gain_high: float
    only: dict[str, int] = Field(default_factory=dict, description="rows that this version alone is right on")
    auc: dict[str, float] = Field(default_factory=dict, description="share of pairs ranked rightly, by version")
    bias: dict[str, float] = Field(default_factory=dict, description="mean score less the share of positives")


class Probe(Frozen):
    """One active look at a replica: its health page, and one real question to its engine."""

    replica: str
    at: datetime
    health_ok: bool | None  # None: no answer could be had
    answers: bool | None
    seconds: float | None = None


class Split(Frozen):
    """How the traffic of a service is divided, per cent by backend (a model version, a vendor). Sums to 100."""

    service: str
    weights: dict[str, int]
