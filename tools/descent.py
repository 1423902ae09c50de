"""Adam over few weights, step for step as PyTorch has it.

``torch.optim`` imports PyTorch's compiler with its first optimiser: a second, longer than a small model takes to
train. A test holds these steps against it, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BETAS = (0.9, 0.999)  # how much of the mean gradient, and of the mean square, is kept at every step
EPSILON = 1e-8


class Adam:
    """Moves weights against their gradients (Kingma and Ba 2015), drawn to zero by ``weight_decay``."""

    def __init__(self, weights: Sequence[Tensor], weight_decay: float) -> None:
        self._weights, self._decay, self._steps = weights, weight_decay, 0
        self._moments = [(weight.detach() * 0.0, weight.detach() * 0.0) for weight in weights]

    def step(self, rate: float) -> None:
        """Move every weight by about ``rate``, and forget the gradients."""
        self._steps += 1
        for weight, moments in zip(self._weights, self._moments, strict=True):
            if weight.grad is not None:
                self._move(weight.detach(), weight.grad, moments, rate)
                weight.grad = None

    def _move(self, weight: Tensor, slope: Tensor, moments: tuple[Tensor, Tensor], rate: float) -> None:
        (first, second), (mean, square) = BETAS, moments
        slope = slope.add(weight, alpha=self._decay)
        mean.lerp_(slope, 1 - first)
        square.mul_(second).addcmul_(slope, slope, value=1 - second)
        size = rate / (1 - first**self._steps)
        spread = (square.sqrt() / (1 - second**self._steps) ** 0.5).add_(EPSILON)
        weight.addcdiv_(mean, spread, value=-size)


def annealed(first: float, last: float, epochs: int) -> Iterator[float]:
    """Yield the rate of each epoch, from ``first`` down to near ``last`` on half a cosine.

    Each rate comes from the one before, as in ``torch.optim.lr_scheduler.CosineAnnealingLR``: so it is the same float.

    >>> [round(rate, 3) for rate in annealed(1.0, 0.0, 4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    rate = first
    for epoch in range(epochs):
        if epoch:
            now, before = (1 + math.cos(math.pi * at / epochs) for at in (epoch, epoch - 1))
            rate = now / before * (rate - last) + last
        yield rate
