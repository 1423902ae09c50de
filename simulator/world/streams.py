"""Named random streams: each user of chance has its own, so that a fault never changes the weather."""

import zlib

import numpy as np


class Streams:
    """Gives generators by name; the same seed and name give the same numbers, in every process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def named(self, name: str) -> np.random.Generator:
        """Return a fresh generator of that name."""
        return np.random.Generator(np.random.PCG64([self.seed, zlib.crc32(name.encode())]))

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> float:
        """Return one number that belongs to the name alone."""
        return float(low + (high - low) * self.named(name).random())

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """Return one of the options, chosen by the name alone."""
        return options[int(self.named(name).integers(len(options)))]
