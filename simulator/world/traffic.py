"""Requests like those of a real trace: bursts, silences and token lengths, from figures fitted elsewhere.

The trace is an hour of one production code model (Azure LLM inference trace 2023, CC-BY-4.0). Two processes stand for
it, both fitted to its first half by ``fit_traffic``:

- ``arrivals``, single requests: gaps follow the trace's distribution, through a latent normal of which a part persists
  from request to request, so that short gaps come together;
- ``counts``, requests per tick: Poisson around a gamma rate whose memory fades within seconds.

Traffic above the trace's own rate is a sum of independent streams like it, so its counts vary less for their size;
traffic below is a thinner stream. Give ``streams`` to say otherwise.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import ceil, exp, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOTS: Floats = np.linspace(-3.5, 3.5, 64)  # normal scores at which every table is kept: dense in both tails
PIVOT = 0.5  # seconds; longer gaps are silences, and silences are what slower streams have more of
WARM = 600.0  # seconds drawn and dropped, so that a record does not begin with a request
_FINE: Floats = np.linspace(-6.0, 6.0, 481)
_WEIGHT: Floats = np.exp(-(_FINE**2) / 2) / np.exp(-(_FINE**2) / 2).sum()


@dataclass(frozen=True, slots=True)
class TrafficFit:
    """Fitted figures. Tables hold the value at each normal score of ``KNOTS``."""

    rate: float  # requests per second of the trace
    gaps: Floats  # seconds between requests
    gap_memory: float  # correlation of the persistent part from one request to the next
    gap_share: float  # share of the latent variance that persists, 0..1
    rate_variance: float  # variance of the momentary rate over its squared mean, one stream
    rate_seconds: float  # time constant of the rate's memory
    prompt: Floats  # tokens
    output: Floats  # tokens
    length_correlation: float  # of the normal scores of prompt and output


@dataclass(frozen=True, slots=True)
class LengthMoments:
    """First and second moments of token lengths, per request."""

    prompt: float
    prompt_square: float
    output: float
    output_square: float
    product: float  # mean of prompt times output


def load_fit(text: str) -> TrafficFit:
    """Read a fit from JSON text; KeyError or ValueError where it is not one."""
    raw: dict[str, Any] = json.loads(text)
    tables = [np.asarray(raw[name], dtype=np.float64) for name in ("gaps", "prompt", "output")]
    if any(table.shape != KNOTS.shape or not np.all(np.diff(table) >= 0) for table in tables):
        raise ValueError(f"each table must rise over {len(KNOTS)} knots")
    return TrafficFit(
        rate=float(raw["rate"]),
        gaps=tables[0],
        gap_memory=float(raw["gap_memory"]),
        gap_share=float(raw["gap_share"]),
        rate_variance=float(raw["rate_variance"]),
        rate_seconds=float(raw["rate_seconds"]),
        prompt=tables[1],
        output=tables[2],
        length_correlation=float(raw["length_correlation"]),
    )


@cache
def shipped_fit() -> TrafficFit:
    """Return the fit that ships with the package."""
    return load_fit(resources.files("simulator.world").joinpath("traffic_fit.json").read_text(encoding="utf-8"))


def arrivals(fit: TrafficFit, rng: np.random.Generator, seconds: float, rate: float) -> Floats:
    """Return sorted request times in [0, seconds), with the trace's bursts, at a mean of ``rate`` per second."""
    if rate <= 0 or seconds <= 0:
        return np.empty(0)
    streams = max(1, round(rate / fit.rate))
    each = max(rate / streams, 0.5 * fit.rate)
    stretch = _stretch(fit, each)
    times = _streams(fit, rng, (seconds + WARM, each, stretch), streams).ravel() - WARM
    times = times[(times >= 0) & (times < seconds)]
    keep = rate / (each * streams)
    if keep < 1.0:
        times = times[rng.random(len(times)) < keep]
    return np.sort(times)


def _stretch(fit: TrafficFit, rate: float) -> float:
    """Return the factor on silences that gives one stream this mean rate."""
    gaps = _gap(fit, _FINE)
    busy = float(np.minimum(gaps, PIVOT) @ _WEIGHT)
    quiet = float(np.maximum(gaps - PIVOT, 0.0) @ _WEIGHT)
    return (1.0 / rate - busy) / quiet


def _gap(fit: TrafficFit, scores: Floats) -> Floats:
    return np.exp(np.interp(scores, KNOTS, np.log(fit.gaps)))


def _streams(fit: TrafficFit, rng: np.random.Generator, plan: tuple[float, float, float], streams: int) -> Floats:
    """Return times of shape (requests, streams), each stream drawn until it passes ``plan``'s end."""
    end, rate, stretch = plan
    latent = rng.standard_normal(streams)
    times = np.zeros((1, streams))
    chunk = ceil(end * rate * 0.5) + 64
    while times[-1].min() < end:
        scores = np.empty((chunk, streams))
        noise = sqrt(1 - fit.gap_memory**2) * rng.standard_normal((chunk, streams))
        for row in range(chunk):
            latent = fit.gap_memory * latent + noise[row]
            scores[row] = latent
        scores = sqrt(fit.gap_share) * scores + sqrt(1 - fit.gap_share) * rng.standard_normal(scores.shape)
        gaps = _gap(fit, scores)
        gaps += (stretch - 1.0) * np.maximum(gaps - PIVOT, 0.0)
        times = np.concatenate((times, times[-1] + np.cumsum(gaps, axis=0)))
    return times


def start(services: int) -> Floats:
    """Return the state that ``counts`` begins with: every service at its mean rate."""
    return np.ones(services)


def rate_variance(fit: TrafficFit, dt: float) -> tuple[float, float]:
    """Return one stream's relative variance of the rate averaged over ``dt`` seconds, and its correlation tick to tick.

    They follow from a rate whose correlation fades as exp(-t / rate_seconds).
    """
    a = dt / fit.rate_seconds
    spread = 2.0 * (a - 1.0 + exp(-a))
    return fit.rate_variance * spread / a**2, (1.0 - exp(-a)) ** 2 / spread


def counts(
    fit: TrafficFit, state: Floats, rng: np.random.Generator, rates: Floats, dt: float, streams: ArrayLike | None = None
) -> tuple[Ints, Floats]:
    """Draw the requests of each service in one tick; return them and the next state, both of shape (S,).

    ``rates`` are means per second, ``dt`` is seconds. ``streams``, how many independent streams like the trace make up
    each service, defaults to rate over the trace's rate, at least 1: more streams, smoother counts.
    """
    variance, memory = rate_variance(fit, dt)
    many = np.maximum(rates / fit.rate, 1.0) if streams is None else np.asarray(streams, dtype=np.float64)
    shape = np.broadcast_to(many / variance, rates.shape)
    # A beta share of the old plus fresh gamma stays gamma with that shape and has exactly this correlation.
    fresh = rng.standard_gamma(shape * (1.0 - memory)) / shape
    state = rng.beta(shape * memory, shape * (1.0 - memory)) * state + fresh
    return rng.poisson(rates * state * dt), state


def lengths(fit: TrafficFit, rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
    """Draw prompt and output tokens of n requests, each at least 1."""
    first = rng.standard_normal(n)
    r = fit.length_correlation
    second = r * first + sqrt(1 - r * r) * rng.standard_normal(n)
    return _tokens(fit.prompt, first), _tokens(fit.output, second)


def _tokens(table: Floats, scores: Floats) -> Ints:
    return np.maximum(np.rint(np.interp(scores, KNOTS, table)), 1).astype(np.int64)


def length_moments(fit: TrafficFit) -> LengthMoments:
    """Return the moments of what ``lengths`` draws, before rounding."""
    prompt, output = np.interp(_FINE, KNOTS, fit.prompt), np.interp(_FINE, KNOTS, fit.output)
    r = fit.length_correlation
    second = r * _FINE[:, None] + sqrt(1 - r * r) * _FINE[None, :]
    given = np.interp(second, KNOTS, fit.output) @ _WEIGHT
    return LengthMoments(
        prompt=float(prompt @ _WEIGHT),
        prompt_square=float(prompt**2 @ _WEIGHT),
        output=float(output @ _WEIGHT),
        output_square=float(output**2 @ _WEIGHT),
        product=float((prompt * given) @ _WEIGHT),
    )


@cache
def shipped_moments() -> LengthMoments:
    """Return the moments of the fit that ships with the package."""
    return length_moments(shipped_fit())


def _week() -> Floats:
    hour = np.arange(168.0)
    day = 1.0 + 0.45 * np.cos(2 * pi * (hour - 14.5) / 24) + 0.10 * np.cos(4 * pi * (hour - 11.0) / 24)
    weekday = np.interp(hour, (0, 6, 114, 126, 156, 168), (0.9, 1.12, 1.12, 0.7, 0.7, 0.9))
    shape = day * weekday
    out: Floats = shape / shape.mean()
    return out


_WEEK = np.append(_week(), _week()[0])


def seasonal(hour_of_week: ArrayLike) -> Floats:
    """Return the factor on traffic at hours since Monday 00:00 (any real number, taken modulo a week); mean 1.

    Ours, not fitted: the trace is too short to show a day. Peaks in the working day's afternoon, low at weekends.

    >>> float(seasonal(38.0)) > 1.3, float(seasonal(148.0)) < 0.6
    (True, True)
    """
    return np.asarray(np.interp(np.mod(hour_of_week, 168.0), np.arange(169.0), _WEEK))
