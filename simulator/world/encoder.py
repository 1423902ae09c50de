"""A small encoder of texts: the n-grams of each word hashed into buckets, whose vectors PyTorch has learnt.

It learns without labels: the two halves of one text shall lie nearer to each other than to the halves of others. A word
is the sum of its n-grams (Bojanowski et al., Enriching word vectors with subword information, 2017), so that a word
which it never saw has a vector too; a text is the mean of its words.
"""

import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tools.grid import Floats
from tools.training import one_thread

BUCKETS, GRAMS = 512, (3, 4)  # that n-grams fall into; their lengths in letters
DIMENSIONS = 12
STEPS, BATCH, RATE = 120, 256, 0.05  # of training: texts in a step
TEMPERATURE = 0.2  # of the softmax over the texts of a step


def grams(word: str) -> list[int]:
    """Return the buckets of a word, and of its n-grams between marks of its ends.

    >>> grams("cat") == grams("cat"), len(grams("cat"))
    (True, 6)
    """
    marked = f"<{word}>"
    found = [marked] + [marked[at : at + n] for n in GRAMS for at in range(len(marked) - n + 1)]
    return [zlib.crc32(gram.encode()) % BUCKETS for gram in found]


@cache
def counted(words: tuple[str, ...]) -> Floats:
    """Return (words, BUCKETS), the share of each bucket in each word."""
    found = np.zeros((len(words), BUCKETS))
    for place, word in enumerate(words):
        buckets = grams(word)
        np.add.at(found[place], buckets, 1.0 / len(buckets))
    return found


def train(words: tuple[str, ...], texts: NDArray[np.intp], seed: int) -> Floats:
    """Learn from (n, an even number) places in ``words``; return the vector of each bucket, (BUCKETS, DIMENSIONS).

    The same texts and seed give the same encoder; another seed gives one whose directions mean something else.
    """
    import torch

    rng = np.random.default_rng(seed)
    half = texts.shape[1] // 2
    with one_thread():
        start = rng.standard_normal((BUCKETS, DIMENSIONS))
        buckets = torch.tensor(start, dtype=torch.float32, requires_grad=True)
        spelt = torch.tensor(counted(words), dtype=torch.float32)
        descent = torch.optim.Adam([buckets], lr=RATE)
        pairs = torch.arange(BATCH)
        for _ in range(STEPS):
            chosen = torch.from_numpy(texts[rng.integers(0, len(texts), BATCH)])
            vectors = (spelt @ buckets)[chosen]
            one, two = (
                torch.nn.functional.normalize(side.mean(1), dim=1) for side in (vectors[:, :half], vectors[:, half:])
            )
            descent.zero_grad()
            loss = torch.nn.functional.cross_entropy(one @ two.T / TEMPERATURE, pairs)
            loss.backward()  # type: ignore[no-untyped-call]
            descent.step()
        return buckets.detach().numpy().astype(np.float64)


def vectors(words: tuple[str, ...], buckets: Floats, usual: Sequence[int]) -> Floats:
    """Return (words, DIMENSIONS), centred on the ``usual`` words and scaled to a spread of 1 over all directions."""
    found = counted(words) @ buckets
    known = found[list(usual)]
    out: Floats = (found - known.mean(axis=0)) / float(known.std())
    return out
