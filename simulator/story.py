"""Golden stories: an episode with all that it was played from, a line each, to be played again and compared.

The first line says what was played, the last what came of it; between them is the controller's journal, as it wrote it.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from config.fleet import Fleet
from simulator.modifiers import modified
from simulator.world.script import Scenario
from tools.journal import Entry

FORM = 1  # of the file
ENDING = ".story"


@dataclass(frozen=True, slots=True)
class Played:
    """What a story is played from."""

    scenario: Scenario  # before its modifiers
    seed: int
    modifiers: tuple[str, ...] = ()
    length: timedelta | None = None
    fleet: Fleet | None = None  # none: the demo's

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{'+'.join((self.scenario.id, *self.modifiers))}-{self.seed}{ENDING}"


def tell(played: Played) -> str:
    """Play, and return the story."""
    from simulator.episode import GUARDIANS, play
    from simulator.score import score

    scenario = modified(played.scenario, played.modifiers)
    record = play(scenario, played.seed, GUARDIANS["prunella"], played.length, played.fleet)
    lines = [_head(played), *(_line(entry) for entry in record.entries), score(record)]
    return "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)


def _head(played: Played) -> dict[str, Any]:
    return {
        "story": FORM,
        "scenario": played.scenario.model_dump(mode="json", exclude_defaults=True),
        "seed": played.seed,
        "modifiers": list(played.modifiers),
        "seconds": played.length and played.length.total_seconds(),
        "fleet": played.fleet and played.fleet.model_dump(mode="json", exclude_defaults=True),
    }


def _line(entry: Entry) -> dict[str, Any]:
    return {"at": entry.at.isoformat(), "subject": entry.subject, "kind": entry.kind, "body": entry.body}


def read(path: Path) -> tuple[Played, str]:
    """Return what a story is played from, and its whole text; ``ValueError`` where the file is none."""
    text = path.read_text(encoding="utf-8")
    try:
        head = json.loads(text.partition("\n")[0])
        if head["story"] != FORM:
            raise ValueError(f"a story of form {head['story']}, not {FORM}")
        seconds, fleet = head["seconds"], head["fleet"]
        played = Played(
            Scenario.model_validate(head["scenario"]),
            int(head["seed"]),
            tuple(head["modifiers"]),
            None if seconds is None else timedelta(seconds=seconds),
            None if fleet is None else Fleet.model_validate(fleet),
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: no story: {error!r}") from error
    return played, text


def replay(path: Path) -> str:
    """Play a story again; return where it first differs from what was recorded, empty where it does not."""
    played, before = read(path)
    after = tell(played)
    if after == before:
        return ""
    old, new = before.splitlines(), after.splitlines()
    place = next(
        (i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new))
    )
    then, now = (lines[place] if place < len(lines) else "the end" for lines in (old, new))
    return f"line {place + 1}\n  recorded: {then}\n  now:      {now}"
