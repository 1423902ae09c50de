"""Refits ``traffic_fit.json``: ``python -m simulator.world.fit_traffic TRACE.csv > simulator/world/traffic_fit.json``.

Run by hand, never by the simulator. Everything is chosen on the first half of the requests; the second half is left
for the tests. Candidates for the arrivals are compared by how far they are from that half: the two-sample distance of
gaps plus the mean log ratio of dispersion in windows of 1, 10 and 30 seconds.
"""

import csv
import io
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from simulator.world.traffic import KNOTS, Floats, TrafficFit, arrivals, rate_variance

WINDOWS = (1.0, 10.0, 30.0)
LONG = 20.0  # a candidate is drawn for this many times the half's length
_MEMORY = (0.9, 0.93, 0.95, 0.97, 0.98)
_SHARE = (0.2, 0.3, 0.4, 0.5, 0.6)


@dataclass(frozen=True, slots=True)
class Trace:
    """Real requests in order: seconds since the first, and tokens."""

    times: Floats
    prompt: Floats
    output: Floats

    def halves(self) -> "tuple[Trace, Trace]":
        """Return the first half of the requests, and the second."""
        cut = len(self.times) // 2
        first, second = (
            Trace(self.times[part], self.prompt[part], self.output[part]) for part in (slice(cut), slice(cut, None))
        )
        return first, second

    @property
    def rate(self) -> float:
        """Requests per second."""
        return float((len(self.times) - 1) / (self.times[-1] - self.times[0]))


def parse(text: str) -> Trace:
    """Read the trace's CSV text."""
    rows = list(csv.DictReader(io.StringIO(text)))
    moments = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    times = np.array([(moment - moments[0]).total_seconds() for moment in moments])
    prompt, output = (np.array([float(row[name]) for row in rows]) for name in ("ContextTokens", "GeneratedTokens"))
    return Trace(times, prompt, output)


def distance(one: Floats, two: Floats) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance, 0..1."""
    one, two = np.sort(one), np.sort(two)
    both = np.concatenate((one, two))
    below = np.searchsorted(one, both, "right") / len(one) - np.searchsorted(two, both, "right") / len(two)
    return float(np.abs(below).max())


def dispersion(times: Floats, window: float) -> float:
    """Return variance over mean of the counts per window of so many seconds."""
    counted = np.histogram(times, np.arange(times[0], times[-1], window))[0]
    return float(counted.var() / counted.mean())


def score(drawn: Floats, real: Floats) -> float:
    """Return how far drawn times are from real ones; 0 is the same."""
    ratios = [abs(np.log(dispersion(drawn, w) / dispersion(real, w))) for w in WINDOWS]
    return distance(np.diff(drawn), np.diff(real)) + float(np.mean(ratios))


def table(values: Floats) -> Floats:
    """Return quantiles at the knots."""
    from scipy.special import ndtr

    out: Floats = np.round(np.quantile(values, ndtr(KNOTS)), 7)
    return out


def fit(half: Trace) -> TrafficFit:
    """Fit everything but the memory of gaps, which ``choose`` finds by trial."""
    from scipy.stats import spearmanr

    variance, seconds = _rate_process(half)
    ranked = float(spearmanr(half.prompt, half.output).statistic)
    gaps = np.maximum(table(np.diff(half.times)), 1e-6)
    return TrafficFit(
        rate=half.rate,
        gaps=gaps,
        gap_memory=0.0,
        gap_share=0.0,
        rate_variance=variance,
        rate_seconds=seconds,
        prompt=table(half.prompt),
        output=table(half.output),
        length_correlation=2 * float(np.sin(np.pi * ranked / 6)),
    )


def _rate_process(half: Trace) -> tuple[float, float]:
    """Match the dispersion of counts in windows of 1 to 60 seconds by least squares of logs."""
    windows = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    real = np.log([(dispersion(half.times, w) - 1) / (half.rate * w) for w in windows])
    best = (np.inf, 1.0, 1.0)
    for seconds in np.geomspace(1.0, 60.0, 200):
        unit = TrafficFit(1.0, KNOTS, 0.0, 0.0, 1.0, float(seconds), KNOTS, KNOTS, 0.0)
        off = real - np.log([rate_variance(unit, w)[0] for w in windows])
        best = min(best, (float(off.var()), float(np.exp(off.mean())), float(seconds)))
    return best[1], best[2]


def choose(half: Trace, base: TrafficFit, seed: int = 1) -> tuple[TrafficFit, dict[str, float]]:
    """Return the fit with the best memory of gaps, and every kind of process's score on the half."""
    span = LONG * float(half.times[-1] - half.times[0])
    grid = [replace(base, gap_memory=m, gap_share=s) for m, s in itertools.product(_MEMORY, _SHARE)]
    scored = [(score(arrivals(one, np.random.default_rng(seed), span, half.rate), half.times), one) for one in grid]
    best = min(scored, key=lambda pair: pair[0])
    drawn: dict[str, Callable[[np.random.Generator], Floats]] = {
        "poisson": lambda rng: np.cumsum(rng.exponential(1 / half.rate, int(span * half.rate))),
        "on_off": lambda rng: _on_off(rng, span, half.rate),
        "gamma_poisson": lambda rng: _gamma_poisson(base, rng, span, half.rate),
        "renewal": lambda rng: arrivals(base, rng, span, half.rate),
    }
    scores = {name: score(draw(np.random.default_rng(seed)), half.times) for name, draw in drawn.items()}
    return best[1], {**scores, "correlated_renewal": best[0]}


def _on_off(rng: np.random.Generator, span: float, rate: float) -> Floats:
    """Markov-modulated: exponential bursts and silences, of the means that fitted best by hand."""
    on, off = rng.exponential(6.0, int(span / 18)), rng.exponential(12.0, int(span / 18))
    starts = np.cumsum(on + off) - on
    hits = rng.poisson(3 * rate * on)
    return np.sort(np.repeat(starts, hits) + rng.random(hits.sum()) * np.repeat(on, hits))


def _gamma_poisson(base: TrafficFit, rng: np.random.Generator, span: float, rate: float, step: float = 0.25) -> Floats:
    """The process of ``counts`` in small steps, requests uniform within each."""
    variance, memory = rate_variance(base, step)
    steps, shape = int(span / step), 1 / variance
    keep, fresh = (
        rng.beta(shape * memory, shape * (1 - memory), steps),
        rng.gamma(shape * (1 - memory), variance, steps),
    )
    level = np.ones(steps)
    for i in range(1, steps):
        level[i] = level[i - 1] * keep[i] + fresh[i]
    hits = rng.poisson(level * rate * step)
    return np.sort((np.repeat(np.arange(steps), hits) + rng.random(hits.sum())) * step)


def render(fitted: TrafficFit, scores: dict[str, float]) -> str:
    """Return the fit as JSON text."""
    tables = {name: getattr(fitted, name).tolist() for name in ("gaps", "prompt", "output")}
    scalars = ("rate", "gap_memory", "gap_share", "rate_variance", "rate_seconds", "length_correlation")
    about = "Fitted to the first half of the Azure LLM inference trace 2023 (code), Azure/AzurePublicDataset, CC-BY-4.0"
    body = {
        "about": about,
        "score_on_the_fitted_half": {name: round(value, 3) for name, value in scores.items()},
        **{name: round(getattr(fitted, name), 4) for name in scalars},
        **tables,
    }
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in body.items()) + "\n}"


def main(argv: Sequence[str]) -> int:
    """Write the fit of the trace at the path given to standard output."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m simulator.world.fit_traffic TRACE.csv\n")
        return 2
    first, _ = parse(Path(argv[0]).read_text(encoding="utf-8")).halves()
    sys.stdout.write(render(*choose(first, fit(first))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
