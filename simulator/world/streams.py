"""Named random streams: each user of chance has its own, so that a fault never changes the weather."""

import zlib

import numpy as np


class Streams:
    """Gives generators by name; the same seed and name give the same numbers, in every process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._given: dict[str, np.random.Generator] = {}
        self.turned: tuple[int, ...] = ()  # into which other future

    def named(self, name: str) -> np.random.Generator:
        """Return a fresh generator of that name."""
        self._given[name] = self._fresh(name)
        return self._given[name]

    def turn(self, number: int) -> None:
        """Let all that was given go on otherwise: what was drawn stays as it is, and what comes is another future."""
        self.turned = (number,)
        for name, given in self._given.items():
            given.bit_generator.state = self._fresh(name).bit_generator.state

    def _fresh(self, name: str) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, *self.turned, zlib.crc32(name.encode())]))

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> float:
        """Return one number that belongs to the name alone."""
        return float(low + (high - low) * self._fresh(name).random())

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """Return one of the options, chosen by the name alone."""
        return options[int(self._fresh(name).integers(len(options)))]
