"""What an API server adds to objects: identity, versions, generations, who wrote what; and the log of changes."""

import copy
from collections import deque
from collections.abc import Iterator
from typing import Any

from simulator.twin.objects import Json, Key, Shapes, uid

KEPT = 2000  # changes that a watch may start from


class Gone(Exception):
    """The version asked for is no longer kept."""


class Shelf:
    """The objects as last shown. ``look`` compares them with the world, and gives what changed a new version."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self.version = 1
        self._items: dict[Key, Json] = {}
        self._seen: dict[Key, Json] = {}
        self._log: deque[tuple[int, str, Key, Json]] = deque(maxlen=KEPT)
        self.notes: dict[Key, dict[str, Json]] = {}  # what was written onto objects: annotations and labels
        self.fields: dict[Key, dict[str, Json]] = {}  # managedFields by manager and field
        self.own: dict[Key, Json] = {}  # objects that the world knows nothing of: leases, events

    def look(self) -> None:
        """Read the world anew."""
        found = {key: self._dressed(key, item) for key, item in self._shapes.all()}
        found |= {key: self._dressed(key, copy.deepcopy(item)) for key, item in self.own.items()}
        for key in [key for key in self._items if key not in found]:
            self.version += 1
            item = self._items.pop(key)
            del self._seen[key]
            self._log.append((self.version, "DELETED", key, _versioned(item, self.version)))
        for key, item in found.items():
            if self._seen.get(key) != item:
                self._keep(key, item)

    def _keep(self, key: Key, item: Json) -> None:
        old = self._seen.get(key)
        self.version += 1
        self._seen[key] = item
        shown = _versioned(item, self.version)
        if "spec" in item and key[0] in ("deployments", "replicasets"):
            before = self._items[key]["metadata"]["generation"] if key in self._items else 0
            shown["metadata"]["generation"] = before + (old is None or old["spec"] != item["spec"])
            shown["status"] = {**shown["status"], "observedGeneration": shown["metadata"]["generation"]}
        self._log.append((self.version, "ADDED" if old is None else "MODIFIED", key, shown))
        self._items[key] = shown

    def _dressed(self, key: Key, item: Json) -> Json:
        metadata = item["metadata"]
        metadata.setdefault("uid", uid(*key))
        for name, extra in self.notes.get(key, {}).items():
            merged = {**metadata.get(name, {}), **extra}
            metadata[name] = {k: v for k, v in merged.items() if v is not None}
        if key in self.fields:
            metadata["managedFields"] = list(self.fields[key].values())
        return item

    def get(self, key: Key) -> Json | None:
        """Return an object; to be read, never written."""
        return self._items.get(key)

    def list(self, plural: str, namespace: str) -> list[Json]:
        """Return the objects of a kind; an empty namespace is every one."""
        return [
            item
            for key, item in sorted(self._items.items(), key=lambda pair: pair[0])
            if key[0] == plural and namespace in ("", key[1])
        ]

    def since(self, version: int, plural: str, namespace: str) -> Iterator[tuple[int, str, Json]]:
        """Yield changes after a version; ``Gone`` when some are no longer kept."""
        if self._log and version + 1 < self._log[0][0] and len(self._log) == KEPT:
            raise Gone
        for at, kind, key, item in list(self._log):
            if at > version and key[0] == plural and namespace in ("", key[1]):
                yield at, kind, item

    def wrote(self, key: Key, manager: str, at: str, *path: str) -> None:
        """Note who wrote a field last."""
        fields: dict[str, Any] = {}
        inner = fields
        for name in path:
            inner = inner.setdefault(name, {})
        entry = {"manager": manager, "operation": "Update", "time": at, "fieldsType": "FieldsV1", "fieldsV1": fields}
        self.fields.setdefault(key, {})["/".join(path)] = entry


def _versioned(item: Json, version: int) -> Json:
    return {**item, "metadata": {**item["metadata"], "resourceVersion": str(version)}}
