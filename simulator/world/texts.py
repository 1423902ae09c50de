"""A scoring problem over short texts, with a known truth: what people type, by topic, hour and day of the week.

A model is shown what an encoder makes of a text (``vector[0]`` and so on), its length, the share of its words that the
encoder's vocabulary lacks, and the channel that it came by. Shifts and corruptions are those of ``Drift``, where they
mean something for texts.
"""

from dataclasses import dataclass, replace
from functools import cache
from math import cos, pi, sin
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.world.encoder import DIMENSIONS, train, vectors
from simulator.world.tabular import CATEGORIES, ODDS, SHARPNESS, Drift, Floats, some
from simulator.world.topics import COMMON, KNOWN, LATER

VECTOR, LETTERS, UNKNOWN, CHANNEL = "vector", "letters", "unknown", "c0"  # columns
LEAST, MOST = 4, 12  # words of a text
COMMONLY = 0.25  # of the words, that say nothing of a topic
MISSPELT = 0.02  # of the words
DRAWS = 256  # entries of a topic's table of words: a word is drawn by looking a number up
LATER_SHARE = 0.9  # of the texts that are about later topics, at the end of a covariate shift
WEEK, DAY = 168.0, 24.0  # hours
WEEKEND = (48.0, 96.0)  # hours of the week since the epoch, which began on a Thursday
_TRIAL = 4000  # rows on which a concept is scaled
PLAIN = Drift()

_TOPICS = tuple((KNOWN | LATER).values())
_CORRECT = tuple(dict.fromkeys(" ".join((COMMON, *_TOPICS)).split()))
WORDS = _CORRECT + tuple(word + word[-1] for word in _CORRECT)  # as written, then as misspelt
_PLACE = {word: place for place, word in enumerate(_CORRECT)}
_LEARNT = frozenset(" ".join((COMMON, *KNOWN.values())).split())
_LETTERS = np.array([len(word) for word in WORDS])
_UNKNOWN = np.array([word not in _LEARNT for word in WORDS])


def _table(topic: str) -> NDArray[np.intp]:
    """Return places of words, so often as they come: of a topic the first ones are the commonest (Zipf's law)."""
    own, common = topic.split(), COMMON.split()
    share = np.concatenate([(1 - COMMONLY) * _zipf(len(own)), COMMONLY * _zipf(len(common))])
    steps = np.searchsorted(np.cumsum(share), (np.arange(DRAWS) + 0.5) / DRAWS)
    return np.array([_PLACE[word] for word in (*own, *common)])[np.minimum(steps, len(share) - 1)]


def _zipf(count: int) -> Floats:
    share = np.array([1.0 / (rank + 3.0) for rank in range(count)])
    return np.asarray(share / share.sum())


_DRAWN = np.stack([_table(topic) for topic in _TOPICS])  # (topics, DRAWS)


@cache
def encoder(number: int) -> Floats:
    """Return the vectors of all words, (WORDS, DIMENSIONS), by encoder ``number``; trained once a process."""
    rng = np.random.Generator(np.random.PCG64(number))
    about = rng.integers(0, len(KNOWN), 4000)
    texts = _DRAWN[about[:, None], rng.integers(0, DRAWS, (len(about), LEAST + 4))]
    return vectors(WORDS, train(WORDS, texts, seed=number), [_PLACE[word] for word in sorted(_LEARNT)])


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What texts are worth to the answer, in units of the true logit."""

    words: Floats  # (WORDS,), of which a text has the mean
    channels: Floats  # (topics, CATEGORIES), of a topic by the channel that it came by
    bias: float = 0.0

    def scaled(self, gain: float, bias: float) -> "Meaning":
        """Return the same with another sharpness and share of positives."""
        return Meaning(gain * self.words, gain * self.channels, bias)

    def logit(self, written: "Written") -> Floats:
        """Return the true logit of each text."""
        out: Floats = written.mean(self.words[written.words]) + self.channels[written.topic, written.channel]
        return out + self.bias


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Some texts as they were written, before anything read them."""

    words: NDArray[np.intp]  # (n, MOST), places in ``WORDS``
    there: NDArray[np.bool_]  # (n, MOST), whether a text has so many words
    topic: NDArray[np.intp]  # (n,)
    channel: NDArray[np.intp]  # (n,)

    def mean(self, values: Floats) -> Floats:
        """Return the mean of values by word, (n, MOST) or (n, MOST, d), over the words of each text."""
        weight = self.there / self.there.sum(axis=1, keepdims=True)
        out: Floats = (weight[:, None] @ values.reshape(*self.there.shape, -1))[:, 0]
        return out[:, 0] if values.ndim == 2 else out

    def every(self, step: int, there: NDArray[np.bool_]) -> "Written":
        """Return one text of so many, (n / step); ``there``: those that were not lost, (n,)."""
        kept = self.there[::step] & there[::step, None]
        return Written(self.words[::step], kept, self.topic[::step], self.channel[::step])

    def texts(self) -> list[str]:
        """Return them as text."""
        return [
            " ".join(WORDS[place] for place in row[:count])
            for row, count in zip(self.words, self.there.sum(axis=1), strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class TextProblem:
    """One problem over texts. Make it with ``text_problem``."""

    names: tuple[str, ...]
    base: Floats  # (known topics,), of the texts about a topic when nothing is in season; sums to 1
    swing: Floats  # (known topics,), of the logarithm of that, over a day
    phase: Floats  # (known topics,), hour of the daily peak
    weekend: Floats  # (known topics,), factor at weekends
    frequency: Floats  # (CATEGORIES - 1,), of channels, cumulated
    meaning: Meaning
    unrelated: Meaning  # what a concept shift turns to
    label_noise: float  # share of labels turned over
    period: ClassVar[int] = 168  # hours after which the seasons begin again
    lacks: ClassVar[frozenset[str]] = frozenset(  # of ``Drift``, what is for other kinds of columns
        ("date_flip", "unparsed", "unit_change", "categories", "shuffle", "swap")
    )

    @property
    def chosen(self) -> NDArray[np.intp]:
        """Columns that shifts and nulls fall on: the vector's."""
        return np.arange(DIMENSIONS)

    def shares(self, at_hours: ArrayLike, later: float = 0.0) -> Floats:
        """Return the share of each topic at some hours since the epoch, (..., topics); ``later``: of the later ones."""
        hours = np.asarray(at_hours, dtype=np.float64)[..., None] % WEEK
        off = np.where((hours >= WEEKEND[0]) & (hours < WEEKEND[1]), self.weekend, 1.0)
        known = self.base * off * np.exp(self.swing * np.cos(2 * pi * (hours - self.phase) / DAY))
        known *= (1 - later) / known.sum(axis=-1, keepdims=True)
        new = np.full((*known.shape[:-1], len(LATER)), later / len(LATER))
        return np.concatenate([known, new], axis=-1)

    def write(self, rng: np.random.Generator, n: int, at_hours: ArrayLike, later: float = 0.0) -> Written:
        """Write n texts at an hour, or at n hours."""
        steps = np.cumsum(self.shares(at_hours, later), axis=-1)
        topic = (rng.random((n, 1)) > steps).sum(axis=1).clip(max=len(_TOPICS) - 1)
        words = _DRAWN[topic[:, None], rng.integers(0, DRAWS, (n, MOST))]
        words += len(_CORRECT) * (rng.random((n, MOST)) < MISSPELT)
        there = np.arange(MOST) < rng.integers(LEAST, MOST + 1, (n, 1))
        channel = (rng.random((n, 1)) > self.frequency).sum(axis=1)
        return Written(words, there, topic, channel)

    def draw(
        self, rng: np.random.Generator, n: int, at_hours: ArrayLike, drift: Drift = PLAIN
    ) -> tuple[Floats, Floats, Floats]:
        """Draw n rows at an hour, or at n hours: features (n, d) as the model sees them, true probability, labels."""
        return self.read(rng, self.write(rng, n, at_hours, LATER_SHARE * drift.covariate), drift)

    def read(self, rng: np.random.Generator, written: Written, drift: Drift) -> tuple[Floats, Floats, Floats]:
        """Return what the model is shown of texts (n, d), the true probability, and labels."""
        n, logit = len(written.topic), self.meaning.logit(written)
        other = self.unrelated.logit(written) if drift.concept or drift.segment else logit
        turned = _turned(logit, other, drift.concept)
        if drift.segment:
            turned = np.where(written.channel >= CATEGORIES // 2, _turned(logit, other, drift.segment), turned)
        probability = 0.5 * (1.0 + np.tanh(0.5 * (turned + ODDS * drift.prior)))
        probability = self.label_noise + (1.0 - 2.0 * self.label_noise) * probability
        labels = (rng.random(n) < probability).astype(np.float64)
        shown = np.empty((n, len(self.names)))
        shown[:, :DIMENSIONS] = written.mean(encoder(1)[written.words])
        if drift.rotation:
            other_encoder = some(n, drift.rotation)
            shown[other_encoder, :DIMENSIONS] = written.mean(encoder(2)[written.words])[other_encoder]
        size = written.there.sum(axis=1)
        shown[:, DIMENSIONS] = (_LETTERS[written.words] * written.there).sum(axis=1) + size - 1
        shown[:, DIMENSIONS + 1] = (_UNKNOWN[written.words] & written.there).sum(axis=1) / size
        shown[:, DIMENSIONS + 2] = written.channel
        self._corrupt(rng, shown, drift)
        return shown, probability, labels

    def _corrupt(self, rng: np.random.Generator, shown: Floats, drift: Drift) -> None:
        """Spoil the rows in place, without a trace in the truth."""
        vector = shown[:, :DIMENSIONS]
        if drift.skew:
            vector[some(len(shown), drift.skew)] -= SKEWED
        if drift.stale:
            vector[:] = _FIRST
        if drift.lag:
            vector[:] = vector[rng.permutation(len(shown))]
        if drift.nulls:
            shown[rng.random(len(shown)) < drift.nulls, : DIMENSIONS + 2] = np.nan

    def recomputed(self, shown: Floats, off: NDArray[np.bool_]) -> Floats:
        """Return rows as training computes them, from the same source; ``off``: those served otherwise."""
        again = shown.copy()
        again[off, :DIMENSIONS] += SKEWED
        return again


SKEWED = 1.5  # by which a vector is off whose encoder forgets to centre, in spreads of a word
_FIRST = 0.3  # what stands in each place of a vector that a cache hands to everybody


def _turned(logit: Floats, other: Floats, amount: float) -> Floats:
    return cos(amount * pi / 2) * logit + sin(amount * pi / 2) * other if amount else logit


def text_problem(seed: int, label_noise: float = 0.02) -> TextProblem:
    """Make the problem of that seed; positives are about two rows in five."""
    rng = np.random.Generator(np.random.PCG64(seed))
    known = len(KNOWN)
    plain = Meaning(np.zeros(len(WORDS)), np.zeros((len(_TOPICS), CATEGORIES)))
    made = TextProblem(
        names=(*(f"{VECTOR}[{i}]" for i in range(DIMENSIONS)), LETTERS, UNKNOWN, CHANNEL),
        base=rng.dirichlet(np.full(known, 6.0)),
        swing=rng.uniform(0.2, 0.6, known),
        phase=rng.uniform(0, DAY, known),
        weekend=rng.uniform(0.6, 1.6, known),
        frequency=np.cumsum(rng.dirichlet(np.full(CATEGORIES, 3.0)))[:-1],
        meaning=plain,
        unrelated=plain,
        label_noise=label_noise,
    )
    side = np.where(rng.permutation(len(_TOPICS)) % 2, 1.0, -1.0)
    flipped = np.empty(len(_TOPICS))  # of each side one half, so that both concepts agree no more than by chance
    for each in (-1.0, 1.0):
        mine = rng.permutation(np.flatnonzero(side == each))
        flipped[mine] = np.where(np.arange(len(mine)) % 2, side[mine], -side[mine])
    return replace(
        made, meaning=_scaled(made, _meaning(rng, side), rng), unrelated=_scaled(made, _meaning(rng, flipped), rng)
    )


def _meaning(rng: np.random.Generator, side: Floats) -> Meaning:
    words = np.zeros(len(_CORRECT))
    for topic, value in zip(_TOPICS, side * rng.uniform(0.2, 1.2, len(side)), strict=True):
        words[[_PLACE[word] for word in topic.split()]] = value
    words += rng.normal(0.0, 0.2, len(words))
    return Meaning(np.concatenate([words, words]), rng.normal(0.0, 0.15, (len(_TOPICS), CATEGORIES)))


def _scaled(made: TextProblem, meaning: Meaning, rng: np.random.Generator) -> Meaning:
    """Give the concept its sharpness and its share of positives."""
    raw = meaning.logit(made.write(rng, _TRIAL, rng.uniform(0, WEEK, _TRIAL)))
    gain = SHARPNESS / float(raw.std())
    return meaning.scaled(gain, -gain * float(np.quantile(raw, 0.6)))
