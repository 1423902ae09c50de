"""Services of which nothing is wrong, drawn and scored side by side: the same numbers as one by one, in fewer steps.

Each has its own stream of chance, asked in the order of ``TabularProblem.draw``; all else is computed for all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from simulator.world.rowlog import LoggedRows
from simulator.world.scorer import Scorer
from simulator.world.store import Floats
from simulator.world.tabular import DATE_MEAN, DATE_SPREAD, TURN, Drift, TabularProblem
from tools.training import TabularModel

PLAIN = Drift()
Problems = tuple[TabularProblem, ...]
Models = tuple[TabularModel, ...]


def usual(scorer: Scorer) -> bool:
    """Whether it reads tables that nothing is wrong with, and one version answers all, reading codes as they come."""
    if (
        not isinstance(scorer.problem, TabularProblem)
        or scorer.drift != PLAIN
        or list(scorer.weights.values()) != [100]
    ):
        return False
    return not len(scorer.models[next(iter(scorer.weights))].codes)


@dataclass(frozen=True, slots=True, eq=False)
class _Worlds:
    """Constants of k problems of d features, one row each."""

    mixing: Floats  # (k, numeric, numeric)
    swing: Floats  # (k, 1, numeric), as ``phase``
    phase: Floats
    frequency: Floats  # (CATEGORIES - 1, k, 1, categorical)
    location: Floats  # (k, 1, d), as ``spread``
    spread: Floats
    linear: Floats  # (k, d, 1)
    pairs: Floats  # (k, d - 1, 1)
    gain: Floats  # (k, 1), as ``bias`` and ``noise``
    bias: Floats
    noise: Floats


def _tables(scorers: Sequence[Scorer]) -> Problems:
    return tuple(each.problem for each in scorers if isinstance(each.problem, TabularProblem))


def _worlds(problems: Problems) -> _Worlds:
    def stacked(values: Sequence[object]) -> Floats:
        return np.array(values, dtype=np.float64)

    concepts = [problem.concept for problem in problems]
    return _Worlds(
        mixing=np.stack([problem.mixing for problem in problems]),
        swing=stacked([problem.swing for problem in problems])[:, None],
        phase=stacked([problem.phase for problem in problems])[:, None],
        frequency=stacked([problem.frequency.T for problem in problems]).swapaxes(0, 1)[:, :, None],
        location=stacked([problem.location for problem in problems])[:, None],
        spread=stacked([problem.spread for problem in problems])[:, None],
        linear=stacked([concept.linear for concept in concepts])[:, :, None],
        pairs=stacked([concept.pairs for concept in concepts])[:, :, None],
        gain=stacked([concept.gain for concept in concepts])[:, None],
        bias=stacked([concept.bias for concept in concepts])[:, None],
        noise=stacked([problem.label_noise for problem in problems])[:, None],
    )


class Abreast:
    """Keeps the constants of those who were drawn last: they are the same for hours."""

    def __init__(self) -> None:
        self._problems: Problems = ()
        self._models: Models = ()

    def score(self, scorers: Sequence[Scorer], times: Floats, hour: float) -> None:
        """Draw a tick's rows for each, let its champion answer them, and log both."""
        if not scorers:
            return
        problems = _tables(scorers)
        if problems != self._problems:
            self._problems, self._worlds = problems, _worlds(problems)
        features, truth = self._drawn(scorers, len(times), hour)
        versions = [next(iter(scorer.weights)) for scorer in scorers]
        models = tuple(scorer.models[version] for scorer, version in zip(scorers, versions, strict=True))
        scores = self._answered(models, features)
        known = np.array([scorer.names.index(version) for scorer, version in zip(scorers, versions, strict=True)])
        by, nothing = np.repeat(known.astype(np.int16)[:, None], len(times), axis=1), np.zeros(len(times), np.bool_)
        for i, scorer in enumerate(scorers):
            scorer.log.append(LoggedRows(times, features[i], scores[i], truth[i], by[i], nothing))

    def _drawn(self, scorers: Sequence[Scorer], n: int, hour: float) -> tuple[Floats, Floats]:
        """Return features (k, n, d) and labels (k, n)."""
        of, first = self._worlds, self._problems[0]
        count, numeric, classes = len(scorers), first.numeric, len(first.frequency)
        normal, uniform = np.empty((count, n, numeric)), np.empty((count, n * (classes + 2)))
        day, month = np.empty((count, n), dtype=np.int64), np.empty((count, n), dtype=np.int64)
        for i, scorer in enumerate(scorers):
            scorer.rng.standard_normal(out=normal[i])
            day[i], month[i] = scorer.rng.integers(1, 31, n), scorer.rng.integers(0, 12, n)
            scorer.rng.random(out=uniform[i])
        chance = uniform[:, : n * classes].reshape(count, n, classes)
        luck = uniform[:, n * classes : -n]  # the last n: who is answered by which version; here all by one
        date = 30.4 * month + day
        shown = np.empty((count, n, len(first.names)))
        shown[..., :numeric] = normal @ of.mixing + of.swing * np.cos(2 * pi * (hour - of.phase) / 24)
        shown[..., numeric] = (date - DATE_MEAN) / DATE_SPREAD
        codes = np.zeros((count, n, classes), np.int8)
        for step in of.frequency:
            codes += chance > step
        shown[..., numeric + 1 :] = (codes - of.location[..., numeric + 1 :]) / of.spread[..., numeric + 1 :]
        probability = 0.5 * (1.0 + np.tanh(0.5 * self._logit(shown)))
        truth = (luck < of.noise + (1.0 - 2.0 * of.noise) * probability).astype(np.float64)
        shown = of.location + of.spread * shown
        shown[..., numeric] = date
        return shown, truth

    def _logit(self, z: Floats) -> Floats:
        of, bent = self._worlds, np.tanh(0.7 * z)
        raw = np.minimum(z, 3 * TURN - 2 * z) @ of.linear + (bent[..., :-1] * bent[..., 1:]) @ of.pairs
        out: Floats = of.gain * raw[..., 0] + of.bias
        return out

    def _answered(self, models: Models, features: Floats) -> NDArray[np.float64]:
        """Return what each model says to its rows, none of which lacks a value."""
        if models != self._models:
            self._models = models
            fields = ("mean", "scale", "hidden", "hidden_bias", "out", "out_bias")
            self._arrays = tuple(np.stack([getattr(model, name) for model in models]) for name in fields)
        mean, scale, hidden, hidden_bias, last, bias = self._arrays
        units = np.tanh((features - mean[:, None]) / scale[:, None] @ hidden + hidden_bias[:, None])
        said = (units @ last[:, :, None])[..., 0]
        out: Floats = 0.5 * (1.0 + np.tanh(0.5 * (said + bias[:, None])))
        return out
