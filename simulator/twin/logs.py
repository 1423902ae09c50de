"""The twin's inference logs as Parquet files, written anew now and then: labels come late, and old rows change."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from simulator.twin.trainings import number_of
from simulator.twin.twin import Twin
from tools.errors import Absent
from tools.grid import Floats
from tools.records import InferenceWindow
from tools.vectors import vectors

KEPT = timedelta(hours=3)  # of the fleet's time
EVERY = timedelta(minutes=2)
KEY = "request"  # column that names a row


class TwinLogs:
    """Writes ``FOLDER/SERVICE.parquet``, ``SERVICE.reference.parquet`` and ``SERVICE.again.parquet`` (the same features
    computed anew) for every service that logs."""

    def __init__(self, twin: Twin, folder: Path) -> None:
        self._twin, self._folder = twin, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._services = tuple(service.name for service in twin.world.fleet.services if service.model)
        self._due = twin.world.clock.now()
        for name in self._services:
            _write(folder / f"{name}.reference.parquet", twin.world.log.reference(name))

    def tables(self) -> list[dict[str, Any]]:
        """Return the entries for ``logs`` of a configuration that lies beside the folder."""
        here = self._folder.name
        return [
            {
                "service": name,
                "rows": f"{here}/{name}.parquet",
                "reference": f"{here}/{name}.reference.parquet",
                "key": KEY,
                "recomputed": f"{here}/{name}.again.parquet",
                "groups": ["c0"],
            }
            for name in self._services
        ]

    def follow(self) -> None:
        """Write where that is due."""
        now = self._twin.world.clock.now()
        self._score()
        if now < self._due:
            return
        self._due = now + EVERY
        for name in self._services:
            try:
                with self._twin.lock:
                    rows = self._twin.world.log.window(name, now - KEPT, now)
                    again = self._twin.world.log.recomputed(name, now - KEPT, now).again
            except Absent:
                continue
            _replace(self._folder / f"{name}.again.parquet", _keyed(rows, again))
            with self._twin.lock:
                texts = dict(self._twin.world.log.texts(name, now - KEPT, now))
            _write(self._folder / f"{name}.parquet", self._numbered(name, rows), texts)

    def _numbered(self, service: str, rows: InferenceWindow) -> InferenceWindow:
        """Return rows as servers log them that follow a registry: with MLflow's number of the version."""
        names = list(self._twin.world.body.quality.served_versions(service))
        return replace(
            rows, version=np.array([number_of(each, names) for each in rows.version.tolist()], dtype=np.str_)
        )

    def scores(self, service: str) -> str:
        """Return where the trainings of a service write how they score rows, beside the configuration."""
        return f"{self._folder.name}/{service}.{{version}}.parquet"

    def _score(self) -> None:
        """Write what the job of each training that is done has written: its version's scores of the rows since."""
        import pyarrow as pa

        with self._twin.lock:
            made = self._twin.world.body.quality.trainings.made()
        for action, model in made:
            path = self._folder / f"{action.service}.{action.version}.parquet"
            if path.exists():
                continue
            with self._twin.lock:
                rows = self._twin.world.log.window(action.service, action.end_at, self._twin.world.clock.now())
            keys = pa.array((rows.at * 1e6).astype(np.int64)).cast(pa.string())
            _replace(path, {KEY: keys, "score": pa.array(model.predict(rows.features))})


def _write(path: Path, rows: InferenceWindow, texts: Mapping[float, str] | None = None) -> None:
    """Write rows as services log them; ``texts`` of some of them, by their instant."""
    import pyarrow as pa

    micro = (rows.at * 1e6).astype(np.int64)
    columns: dict[str, Any] = {"at": pa.array(micro, pa.timestamp("us", "UTC")), **_keyed(rows, rows.features)}
    columns |= {"score": pa.array(rows.scores), "label": pa.array(rows.labels, from_pandas=True)}
    if texts:
        columns["text"] = pa.array([texts.get(at) or None for at in rows.at.tolist()], pa.string())
    columns["version"] = pa.array(rows.version.tolist(), pa.string())
    _replace(path, columns)


def _keyed(rows: InferenceWindow, features: Floats) -> dict[str, Any]:
    """Return features beside the name of each row."""
    import pyarrow as pa

    keys = pa.array((rows.at * 1e6).astype(np.int64)).cast(pa.string())
    found = vectors(rows.names)
    within = {place for places in found.values() for place in places}
    lists = {name: _lists(features[:, places]) for name, places in found.items()}
    numbers = {name: pa.array(features[:, place]) for place, name in enumerate(rows.names) if place not in within}
    return {KEY: keys, **lists, **numbers}


def _lists(table: Floats) -> Any:
    """Return vectors as lists; one with a value that is missing is null."""
    import pyarrow as pa

    rows = [row if np.isfinite(row).all() else None for row in table]
    return pa.array(rows, pa.list_(pa.float64()))


def _replace(path: Path, columns: dict[str, Any]) -> None:
    """Replace a file as a whole: a reader sees the old rows or the new ones."""
    import pyarrow as pa
    from pyarrow import parquet

    beside = path.with_suffix(".part")
    parquet.write_table(pa.table(columns), beside)
    beside.replace(path)
