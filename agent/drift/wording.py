"""Free text, such as prompts and answers: other words, another length, another encoding.

A text is the set of its words; where a script sets none apart (Chinese, Japanese, Thai), of its signs. What hides in no
single word, a classifier may still tell by which words go together.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from agent.drift.chance import rate_p
from agent.drift.finding import Fault, Joint, Limits
from agent.drift.gathering import Gathered
from agent.drift.joint import LEAST_AREA, area, classifier, judged, leading
from agent.drift.judging import change_of_rate
from agent.drift.texts import broken, dates, repaired
from agent.drift.vectors import ROWS, Shown
from tools.grid import Floats
from tools.tables import Labels, Table

UNSPACED = r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]"
WORD, SIGN = re.compile(rf"{UNSPACED}|[^\W\d_]+"), re.compile(UNSPACED)
SIGNS = 4000  # of a text that are looked at
VALUES = 100  # distinct, from which on a column may be free text; less are categories
LONG = 3  # words of the text in the middle
VOCABULARY = 400  # most frequent words of both sides together
RARE = 0.01  # of the texts: rarer words are not asked about
WORTH = 0.1  # Cohen's h of the share of texts that hold a word: 2 % to 3.7 %, for example
SURELY, OFTEN = 1e-6, 0.005  # p-value and share of texts from which on an encoding is named

Words = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of one side, as they are and as words."""

    plain: tuple[str, ...]
    words: Words

    def __len__(self) -> int:
        return len(self.plain)

    @property
    def lengths(self) -> Floats:
        """Return how many words each text has."""
        return np.array([len(words) for words in self.words], np.float64)

    def shares(self) -> Counter[str]:
        """Return how many texts hold each word."""
        return Counter(word for words in self.words for word in sorted(set(words)))


def candidates(gathered: Gathered) -> list[str]:
    """Return columns of text with so many values that they may be free text."""
    many = [name for name, (before, _) in gathered.texts.items() if len(before) > VALUES]
    return [*many, *gathered.worded]


def text_moves(reference: Table, current: Table, gathered: Gathered, limits: Limits, alpha: float) -> Shown:
    """Compare every column of free text; ``alpha`` is spent on all of them together."""
    found, names = Shown(), candidates(gathered)
    if not names or not limits.sample:
        return found
    drawn = gathered.drawn or (
        reference.sample(names, ROWS, limits.seed),
        current.sample(names, ROWS, limits.seed + 1),
    )
    read = {name: (_texts(drawn[0][name]), _texts(drawn[1][name])) for name in names}
    free = {name: both for name, both in read.items() if _free(both[0]) and min(map(len, both)) >= limits.rows}
    for name, (one, two) in read.items():
        found.faults += dates(name, Counter(one.plain), Counter(two.plain)) if name in gathered.worded else ()
    for name, (one, two) in free.items():
        found.names.append(name)
        found.faults += _encoding(name, one, two)
        for test in _tests(one, two, alpha / len(free) / 3, limits.seed):
            found.joint.append(test.model_copy(update={"feature": name, "text": f"{name}: {test.text}"}))
    return found


def _texts(column: object) -> Texts:
    if not isinstance(column, Labels):
        return Texts((), [])
    known = column.codes[column.codes >= 0]
    few = known[:: max(-(-len(known) // ROWS), 1)].tolist()
    words = {code: tuple(WORD.findall(column.names[code][:SIGNS].casefold())) for code in set(few)}
    return Texts(tuple(column.names[code] for code in few), [words[code] for code in few])


def _free(texts: Texts) -> bool:
    """Whether texts are made of words, and are not names, numbers or keys."""
    if not len(texts):
        return False
    apart = [len(text.split()) + len(SIGN.findall(text)) for text in texts.plain]
    return min(float(np.median(texts.lengths)), float(np.median(apart))) >= LONG


def _tests(one: Texts, two: Texts, level: float, seed: int) -> Iterator[Joint]:
    yield from _said(one, two, level)
    yield _length(one, two, level)
    yield from _together(one, two, level, seed)


def _vocabulary(one: Texts, two: Texts) -> list[tuple[str, int, int]]:
    """Return words that are not rare on either side, the most frequent first, with the texts that hold them."""
    before, after = one.shares(), two.shares()
    few = RARE * min(len(one), len(two))
    found = [(word, before[word], after[word]) for word in before.keys() | after.keys()]
    frequent = [each for each in found if max(each[1:]) >= few]
    return sorted(frequent, key=lambda each: (-each[1] / len(one) - each[2] / len(two), each[0]))[:VOCABULARY]


def _said(one: Texts, two: Texts, level: float) -> Iterator[Joint]:
    """Yield the word whose share of the texts changed most, with those that follow it."""
    words = _vocabulary(one, two)
    if not words:
        return
    n, m = len(one), len(two)
    p = np.array([float(rate_p(before, n, after, m)) for _, before, after in words]) * len(words)
    h = np.array([change_of_rate(before / n, after / m) for _, before, after in words])
    sure = [at for at in np.argsort(-np.abs(h), kind="stable").tolist() if p[at] <= level]
    at = sure[0] if sure else int(np.argmin(p))
    named = [
        f"{words[k][2] / m:.1%} of the texts say {words[k][0]!r}, {words[k][1] / n:.1%} did" for k in (sure or [at])[:3]
    ]
    yield judged("words", float(h[at]), min(float(p[at]), 1.0), level, abs(h[at]) >= WORTH, "; ".join(named))


def _length(one: Texts, two: Texts, level: float) -> Joint:
    lengths = np.concatenate([one.lengths, two.lengths])
    told = area(lengths, np.arange(len(lengths)) >= len(one))
    text = f"the text in the middle has {np.median(two.lengths):.0f} words, had {np.median(one.lengths):.0f}"
    return judged("length", told.statistic, told.p, level, abs(told.statistic - 0.5) >= LEAST_AREA, text)


def _together(one: Texts, two: Texts, level: float, seed: int) -> Iterator[Joint]:
    """Yield whether a classifier tells the sides apart by the words that go together."""
    place = {word: at for at, (word, _, _) in enumerate(_vocabulary(one, two))}
    sides = leading(*(_held(side.words, place) for side in (one, two)))
    if sides is not None:
        told = classifier(*sides, seed)
        text = f"a classifier tells the texts apart with an area of {told.statistic:.3f}"
        yield judged("classifier", told.statistic, told.p, level, told.statistic - 0.5 >= LEAST_AREA, text)


def _held(texts: Sequence[tuple[str, ...]], place: dict[str, int]) -> Floats:
    found = np.zeros((len(texts), len(place)))
    for row, words in enumerate(texts):
        found[row, [place[word] for word in set(words) if word in place]] = 1.0
    return found


def _encoding(name: str, one: Texts, two: Texts) -> Iterator[Fault]:
    """Texts that were read in a wrong encoding, more than there were."""
    wrong = partial(map, _misread)
    before, after = sum(wrong(one.plain)), sum(wrong(two.plain))
    share = after / len(two)
    if share < OFTEN or float(rate_p(before, len(one), after, len(two))) > SURELY or share < before / len(one):
        return
    example = next(text for text in two.plain if _misread(text))[:60]
    text = f"{share:.1%} of the texts were read in a wrong encoding, for example {example!r}"
    yield Fault(column=name, kind="encoding", text=text, share=share, sure=0.95, example=example)


def _misread(text: str) -> bool:
    return broken(text) or (not text.isascii() and repaired(text) is not None)
