"""Finished episodes on disk, a line each, so that a drill that was cut short goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

from config.load import ConfigError


class Kept:
    """A file of finished episodes. Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = dict(_read(path)) if path is not None and path.exists() else {}

    def of(self, key: str) -> dict[str, Any] | None:
        """Return the episode of that name, if it was finished."""
        return self._known.get(key)

    def add(self, key: str, episode: dict[str, Any]) -> None:
        """Write an episode down."""
        self._known[key] = episode
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:  # a line of its own, even after one that was cut off
                file.write("\n" + json.dumps({"key": key, "episode": episode}))


def _read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return what is whole in the file: its last line may have been cut off."""
    found = []
    text = path.read_text(encoding="utf-8", errors="replace").lstrip()
    for line in text.splitlines():
        try:
            row = json.loads(line)
            found.append((str(row["key"]), dict(row["episode"])))
        except (ValueError, KeyError, TypeError):
            continue
    if not found and text and not text.startswith('{"key"'):
        raise ConfigError((f"{path} is no file of kept episodes: give a new file, or one that a drill has made",))
    return found
