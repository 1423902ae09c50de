"""Two versions of a model held beside each other on the same labelled rows, by what each says of them."""

from math import sqrt

import numpy as np

from tools.grid import Floats
from tools.records import Comparison
from tools.training import auc, losses


def compared(model: str, pair: tuple[str, str], scores: tuple[Floats, Floats], labels: Floats) -> Comparison:
    """Compare two versions, ``pair``, by their ``scores`` of the same rows: float64 (n,) each, labels 0 or 1, n >= 2.

    The gain is the log loss of the first less that of the second, in nats per row, with its 95 % interval.
    """
    lost = [losses(each, labels) for each in scores]
    gains = lost[0] - lost[1]
    gain, margin = float(gains.mean()), 1.96 * float(gains.std(ddof=1)) / sqrt(len(labels))
    right = [(each >= 0.5) == (labels >= 0.5) for each in scores]
    first, second = pair
    return Comparison(
        model=model,
        rows=len(labels),
        accuracy={version: float(each.mean()) for version, each in zip(pair, right, strict=True)},
        log_loss={version: float(each.mean()) for version, each in zip(pair, lost, strict=True)},
        gain=gain,
        gain_low=gain - margin,
        gain_high=gain + margin,
        only={first: int((right[0] & ~right[1]).sum()), second: int((right[1] & ~right[0]).sum())},
        auc={version: auc(each, labels > 0.5) for version, each in zip(pair, scores, strict=True)},
        bias={version: float(np.mean(each - labels)) for version, each in zip(pair, scores, strict=True)},
    )
