"""Two versions of a model told apart by their own answers, where neither can be scored again on the same rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from agent.analysts.evidence import Notes
from agent.judged import wilson
from agent.observe import Scene
from config.fleet import Service
from tools.errors import ToolError
from tools.records import InferenceWindow

LEAST = 200  # labelled answers of each version
BEFORE = timedelta(hours=2)  # of the older version's answers, right before it was replaced


@dataclass(frozen=True, slots=True)
class Turn:
    """How right the last answers of one version were, and the first of the next: shares, with 95 % intervals."""

    before: tuple[float, float, float]  # share, low, high
    after: tuple[float, float, float]
    rows: tuple[int, int]

    @property
    def fell(self) -> bool:
        """Whether the next version is surely worse, and by more than a trifle."""
        return self.before[1] > self.after[2] and self.before[0] - self.after[0] > 0.03


def turn(rows: InferenceWindow, champion: str, older: str, at: datetime) -> Turn | None:
    """Compare the older version's labelled answers before ``at`` with the champion's since; None: too few of either."""
    known, then = np.isfinite(rows.labels), at.timestamp()
    right = (rows.scores >= 0.5) == (rows.labels >= 0.5)
    lately = (rows.at < then) & (rows.at >= then - BEFORE.total_seconds())
    since = (rows.version == champion) & (rows.at >= then)
    parts = [right[known & lately & (rows.version == older)], right[known & since]]
    if min(map(len, parts)) < LEAST:
        return None
    one, other = ((float(part.mean()), *wilson(float(part.mean()), len(part))) for part in parts)
    return Turn(one, other, (len(parts[0]), len(parts[1])))


def compare_turn(notes: Notes, scene: Scene, service: Service, pair: tuple[str, str], why: str) -> None:
    """Where no version can be scored again, compare the last answers before the promotion with the first after it."""
    (champion, older), entity = pair, f"model/{service.model}"
    try:
        promoted = [c.at for c in scene.senses.registry.changes(scene.now - timedelta(hours=8)) if c.after == champion]
        at = promoted[-1] if promoted else None
        found = None if at is None else turn(scene.senses.log.window(service.name, at - BEFORE, scene.now), *pair, at)
    except ToolError as error:
        why, found = str(error), None
    if found is None:
        notes.add("older_version_better", entity, 0.0, f"no comparison: {why}")
        return
    (before, least, _), (after, _, most), (last, first) = found.before, found.after, found.rows
    text = (
        f"{older} was right in {before:.1%} of its last {last} answers (at least {least:.1%}), {champion} in "
        f"{after:.1%} of its first {first} (at most {most:.1%}); {why}"
    )
    weight, told = (2.0, {"good_version": older}) if found.fell else (-1.0, None)
    notes.add("older_version_better", entity, weight, text, told)
