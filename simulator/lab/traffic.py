"""The requests that the load replays: the real trace where its file is at hand, else a sample of figures fitted to it.

The trace is an hour of a production code model with silences of minutes and bursts of dozens a second. The lab has
minutes, so silences are cut to `QUIET_S`, and the whole is sped up or slowed down to the mean rate asked for. Prompts
are shortened to fit a model of processor size; order, bursts and the ratio of lengths stay.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

TRACE_FILE = Path("shared/data/traffic/azure_llm_code_2023.csv")
QUIET_S = 1.5
PROMPT_DIVISOR = 16
LONGEST_PROMPT = 480
LONGEST_ANSWER = 96


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: seconds since the one before, and its lengths in tokens."""

    gap_s: float
    prompt_tokens: int
    max_tokens: int


def find_trace() -> Path | None:
    """The trace: named by `PRUNELLA_TRACE`, or beside the checkout; None when it is not on this machine."""
    named = os.environ.get("PRUNELLA_TRACE")
    beside = Path(__file__).resolve().parents[3] / TRACE_FILE
    found = Path(named) if named else beside
    return found if found.is_file() else None


def read_trace(path: Path) -> list[Arrival]:
    """The trace's requests in order, silences cut and lengths fitted."""
    with path.open(newline="") as source:
        rows = [
            (datetime.fromisoformat(row["TIMESTAMP"][:26]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
            for row in csv.DictReader(source)
        ]
    gaps = [0.0, *((after[0] - before[0]).total_seconds() for before, after in itertools.pairwise(rows))]
    return [fit(gap, prompt, answer) for gap, (_, prompt, answer) in zip(gaps, rows, strict=True)]


def sample_fitted(count: int, seed: int) -> list[Arrival]:
    """As many requests drawn independently from the fitted quantiles."""
    fitted = json.loads(Path(__file__).with_name("traffic.json").read_text())
    source = random.Random(seed)

    def draw(name: str) -> float:
        quantiles: list[float] = fitted[name]
        at = source.random() * (len(quantiles) - 1)
        low = int(at)
        return quantiles[low] + (at - low) * (quantiles[low + 1] - quantiles[low])

    return [fit(draw("gap_seconds"), draw("prompt_tokens"), draw("generated_tokens")) for _ in range(count)]


def fit(gap_s: float, prompt: float, answer: float) -> Arrival:
    """A request of the trace at the lab's size."""
    prompt_tokens = min(max(round(prompt / PROMPT_DIVISOR), 1), LONGEST_PROMPT)
    return Arrival(min(gap_s, QUIET_S), prompt_tokens, min(max(round(answer), 1), LONGEST_ANSWER))


def replay(arrivals: list[Arrival], rate: float, start: int = 0) -> Iterator[Arrival]:
    """The requests without end from the `start`-th on, gaps scaled so that the mean is `rate` requests a second."""
    scale = 1.0 / (rate * (sum(arrival.gap_s for arrival in arrivals) / len(arrivals)))
    for arrival in itertools.islice(itertools.cycle(arrivals), start, None):
        yield Arrival(arrival.gap_s * scale, arrival.prompt_tokens, arrival.max_tokens)


def arrivals(seed: int) -> list[Arrival]:
    """What to replay on this machine."""
    trace = find_trace()
    return read_trace(trace) if trace else sample_fitted(8000, seed)
