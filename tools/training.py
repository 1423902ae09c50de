"""Trains, scores and gates small binary classifiers over tables.

Training needs PyTorch, which is imported only there; a trained model is plain arrays and predicts with NumPy alone.
The same rows and seed give the same model, unless a time budget cuts training short.
"""

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tools.errors import Malformed

Floats = NDArray[np.float64]

BATCH = 256  # rows per step of training
EPOCHS, MOST_EPOCHS = 30, 120
LEAST_STEPS = 600  # of training
LEARNING_RATE = 0.01
WEIGHT_DECAY = 1e-4
CALIBRATION_BINS = 10
AUC_SLACK = 0.01  # a candidate may rank this much worse than the incumbent
CALIBRATION_LIMIT = 0.10  # and be this badly calibrated, or as badly as the incumbent is
ROUNDING = 1e-6  # within which a number is a code: what was standardised and turned back is whole but for it
_FIELDS = ("mean", "scale", "hidden", "hidden_bias", "out", "out_bias")


@dataclass(frozen=True, slots=True, eq=False)
class TabularModel:
    """A standardiser and a network of one hidden layer of tanh units, for d features and h units."""

    mean: Floats  # (d,), also what a missing value becomes
    scale: Floats  # (d,), above 0
    hidden: Floats  # (d, h)
    hidden_bias: Floats  # (h,)
    out: Floats  # (h,)
    out_bias: Floats  # ()
    codes: Floats = field(default_factory=lambda: np.zeros((0, 3)))  # (k, 3): column, code that comes, class it means

    def predict(self, features: Floats) -> Floats:
        """Return the probability of class 1 for each row of (n, d); NaN and infinities count as missing."""
        rows = self._read(features)
        rows = np.where(np.isfinite(rows), rows, self.mean)
        units = np.tanh((rows - self.mean) / self.scale @ self.hidden + self.hidden_bias)
        out: Floats = 0.5 * (1.0 + np.tanh(0.5 * (units @ self.out + self.out_bias)))
        return out

    def _read(self, features: Floats) -> Floats:
        """Return rows with classes in the place of the codes that they come as."""
        if not len(self.codes):
            return features
        rows = np.array(features, dtype=np.float64)
        for column, comes, means in self.codes:
            rows[np.abs(features[:, int(column)] - comes) < ROUNDING, int(column)] = means
        return rows

    def to_bytes(self) -> bytes:
        """Return the model as an npz archive."""
        buffer = io.BytesIO()
        np.savez(buffer, **{name: getattr(self, name) for name in self._kept})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "TabularModel":
        """Read an npz archive; Malformed where it is not a model. Never unpickles."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                names = (*_FIELDS, "codes") if "codes" in archive else _FIELDS
                model = cls(*(np.asarray(archive[name], dtype=np.float64) for name in names))
        except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise Malformed(f"not a tabular model: {error}") from error
        d, h = model.hidden.shape if model.hidden.ndim == 2 else (-1, -1)
        shapes = [getattr(model, name).shape for name in _FIELDS]
        if shapes != [(d,), (d,), (d, h), (h,), (h,), ()]:
            raise Malformed(f"not a tabular model: shapes {shapes}")
        if model.codes.ndim != 2 or model.codes.shape[1] != 3 or not np.isin(model.codes[:, 0], np.arange(d)).all():
            raise Malformed(f"not a tabular model: codes {model.codes.shape}")
        return model

    @property
    def _kept(self) -> tuple[str, ...]:
        return (*_FIELDS, "codes") if len(self.codes) else _FIELDS

    @property
    def digest(self) -> str:
        """SHA-256 of the arrays, in hexadecimal."""
        total = hashlib.sha256()
        for name in self._kept:
            array = getattr(self, name)
            total.update(f"{name}{array.shape}".encode() + np.ascontiguousarray(array, dtype="<f8").tobytes())
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a model does on n labelled rows. ``auc`` is NaN where one class is absent."""

    n: int
    accuracy: float
    log_loss: float  # nats per row
    auc: float
    brier: float
    calibration_error: float  # mean gap between probability and frequency over ten bins, weighted by rows


@dataclass(frozen=True, slots=True, eq=False)
class PairedLosses:
    """Log loss in nats of both models on the same rows, in the same order."""

    candidate: Floats
    incumbent: Floats


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether the candidate may go on, and every bar with its arithmetic."""

    passed: bool
    reasons: tuple[str, ...]


def fit(
    features: Floats,
    labels: Floats,
    *,
    seed: int,
    epochs: int = 30,
    hidden: int = 16,
    budget_seconds: float | None = None,
) -> TabularModel:
    """Train on (n, d) rows and n labels of 0 and 1. ValueError where the data cannot teach.

    Stops after the epoch that outlives ``budget_seconds``; one epoch is always done.
    """
    rows, wanted = _checked(features, labels)
    mean, scale = _standard(rows)
    rows = (np.where(np.isfinite(rows), rows, mean) - mean) / scale
    weights = _descend(rows, wanted, (seed, epochs, hidden), budget_seconds)
    return TabularModel(mean, scale, *weights)


def fit_without(
    features: Floats, labels: Floats, without: Sequence[int], *, seed: int, epochs: int = EPOCHS
) -> TabularModel:
    """Train as ``fit`` does, so that whatever stands in some columns changes nothing, neither then nor in answers."""
    columns, left = list(without), np.array(features, dtype=np.float64)
    left[:, columns] = np.nan
    model = fit(left, labels, seed=seed, epochs=epochs)
    hidden = model.hidden.copy()
    hidden[columns] = 0.0
    return replace(model, hidden=hidden)


def converted(
    model: TabularModel,
    inputs: Sequence[int],
    read_from: Sequence[int],
    divided_by: Floats,
    codes: Sequence[Sequence[tuple[int, int]]] = (),
) -> TabularModel:
    """Return the model that reads input ``inputs[i]`` from column ``read_from[i]``, divided by ``divided_by[i]``.

    A column of classes is read by its table ``codes[i]``, of (code that comes, class that it means), where it has one.
    Nothing is learnt: its answers are those of ``model`` to the rows so undone, but for rounding.
    """
    mean, scale, hidden = model.mean.copy(), model.scale.copy(), model.hidden.copy()
    old, new = list(inputs), list(read_from)
    mean[new], scale[new] = model.mean[old] * divided_by, model.scale[old] * divided_by
    hidden[new] = model.hidden[old]
    return replace(
        model, mean=mean, scale=scale, hidden=hidden, codes=_composed(model.codes, old, new, divided_by, codes)
    )


def _composed(
    first: Floats,
    inputs: Sequence[int],
    read_from: Sequence[int],
    divided_by: Floats,
    codes: Sequence[Sequence[tuple[int, int]]],
) -> Floats:
    """Return the tables of a model whose inputs are read otherwise, and which may have read codes already: (k, 3).

    What a new table makes of a code is read by the old one; the old one goes with its column, and with its unit.
    """
    moved = {old: (new, times) for old, new, times in zip(inputs, read_from, divided_by, strict=True)}
    rows = {}
    for column, comes, means in first:
        new, times = moved.get(int(column), (int(column), 1.0))
        rows[new, comes * times] = means * times
    later = {
        (column, float(comes)): rows.get((column, float(means)), float(means))
        for column, table in zip(inputs, codes, strict=False)
        for comes, means in table
    }
    return np.array([(*key, means) for key, means in (rows | later).items()], dtype=np.float64).reshape(-1, 3)


def epochs_for(rows: int) -> int:
    """Return for how many epochs to train: few rows make few steps, and a model of few steps has learnt little.

    >>> epochs_for(500), epochs_for(2000), epochs_for(50_000)
    (120, 75, 30)
    """
    return max(EPOCHS, min(MOST_EPOCHS, round(LEAST_STEPS * BATCH / max(rows, 1) * 0.98)))


def _checked(features: Floats, labels: Floats) -> tuple[Floats, Floats]:
    rows, wanted = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0 or wanted.shape != (len(rows),):
        raise ValueError(f"need (n, d) features and n labels, got {rows.shape} and {wanted.shape}")
    if not np.isfinite(rows).any():
        raise ValueError("no feature has a finite value")
    if not np.isin(wanted, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 or 1")
    if wanted.min() == wanted.max():
        raise ValueError(f"all {len(wanted)} labels are {wanted[0]:.0f}: one class cannot be told from itself")
    return rows, wanted


def _standard(rows: Floats) -> tuple[Floats, Floats]:
    """Return mean and spread of the finite values by column; 0 and 1 where there are none."""
    there = np.isfinite(rows)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, rows, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(there, rows - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, np.where(spread > 1e-12, spread, 1.0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread inside: the same numbers on every machine, and no other's core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _descend(
    rows: Floats, labels: Floats, plan: tuple[int, int, int], budget_seconds: float | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Minimise the log loss with Adam; return the weights in the model's order."""
    import torch

    seed, epochs, hidden = plan
    rng = np.random.default_rng(seed)
    d = rows.shape[1]
    first = [
        rng.standard_normal((d, hidden)) / np.sqrt(d),
        np.zeros(hidden),
        rng.standard_normal(hidden) / np.sqrt(hidden),
    ]
    started = time.monotonic()
    with one_thread():
        weights = [torch.tensor(array, dtype=torch.float32, requires_grad=True) for array in (*first, np.zeros(()))]
        x, y = (torch.tensor(array, dtype=torch.float32) for array in (rows, labels))
        descent = torch.optim.Adam(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        pace = torch.optim.lr_scheduler.CosineAnnealingLR(descent, max(epochs, 1), eta_min=LEARNING_RATE / 20)
        for _ in range(max(epochs, 1)):
            order = torch.from_numpy(rng.permutation(len(rows)))
            for chosen in torch.split(order, BATCH):
                descent.zero_grad()
                logits = torch.tanh(x[chosen] @ weights[0] + weights[1]) @ weights[2] + weights[3]
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[chosen])
                loss.backward()  # type: ignore[no-untyped-call]
                descent.step()
            pace.step()
            if budget_seconds is not None and time.monotonic() - started > budget_seconds:
                break
        a, b, c, e = (weight.detach().numpy().astype(np.float64) for weight in weights)
    return a, b, c, e


def row_losses(model: TabularModel, features: Floats, labels: Floats) -> Floats:
    """Return the log loss of each row in nats."""
    return losses(model.predict(features), np.asarray(labels, dtype=np.float64))


def losses(probability: Floats, labels: Floats) -> Floats:
    """Return the log loss of each probability in nats."""
    safe = np.clip(probability, 1e-12, 1 - 1e-12)
    out: Floats = -np.log(np.where(labels > 0.5, safe, 1 - safe))
    return out


def evaluate(model: TabularModel, features: Floats, labels: Floats) -> Scores:
    """Score the model on labelled rows; ValueError on none."""
    wanted = np.asarray(labels, dtype=np.float64)
    if wanted.size == 0 or wanted.shape != (len(features),):
        raise ValueError(f"need as many labels as rows, and some: {wanted.shape} for {len(features)}")
    probability = model.predict(features)
    return Scores(
        n=len(wanted),
        accuracy=float(((probability >= 0.5) == (wanted > 0.5)).mean()),
        log_loss=float(losses(probability, wanted).mean()),
        auc=auc(probability, wanted > 0.5),
        brier=float(((probability - wanted) ** 2).mean()),
        calibration_error=_calibration_error(probability, wanted),
    )


def auc(probability: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the chance that a random positive outranks a random negative; ties count half."""
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    _, place, many = np.unique(probability, return_inverse=True, return_counts=True)
    rank = (np.cumsum(many) - (many - 1) / 2)[place]
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _calibration_error(probability: Floats, labels: Floats) -> float:
    bins = np.minimum((probability * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=probability - labels, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def gate(
    candidate: Scores,
    incumbent: Scores,
    losses: PairedLosses,
    *,
    min_gain: float = 0.0,
    confidence: float = 0.95,
    min_rows: int = 200,
) -> GateVerdict:
    """Judge the candidate against the incumbent on the same held-out rows; every bar must hold.

    The gain is the fall in log loss per row, in nats; the lower end of its two-sided interval must exceed ``min_gain``.
    ValueError where rows do not pair up.
    """
    n = len(losses.candidate)
    if not n == len(losses.incumbent) == candidate.n == incumbent.n:
        raise ValueError(f"rows do not pair up: {n}, {len(losses.incumbent)}, {candidate.n}, {incumbent.n}")
    gains = losses.incumbent - losses.candidate
    gain = float(gains.mean())
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * float(gains.std(ddof=1)) / n**0.5 if n > 1 else float("inf")
    limit, least = max(CALIBRATION_LIMIT, incumbent.calibration_error), incumbent.auc - AUC_SLACK
    interval = f"gain {gain:+.4f} nats per row, {confidence:.0%} interval {gain - half:+.4f}..{gain + half:+.4f}"
    bars = (
        (n >= min_rows, f"held-out rows {n}, at least {min_rows} wanted"),
        (gain - half > min_gain, f"{interval}, lower end above {min_gain:.4f} wanted"),
        (candidate.auc >= least, f"AUC {candidate.auc:.4f}, at least {incumbent.auc:.4f} - {AUC_SLACK} wanted"),
        (
            candidate.calibration_error <= limit,
            f"calibration error {candidate.calibration_error:.4f}, at most {limit:.4f} wanted",
        ),
    )
    return GateVerdict(all(ok for ok, _ in bars), tuple(f"{'passed' if ok else 'failed'}: {text}" for ok, text in bars))
