"""How a version that was trained does on logged rows: its scores come from the job, all the rest from the log.

The job says of each row, by its key, what the new version answers. Labels, and what the version that serves answered,
are those of the log: what a job says of its own success counts for nothing.
"""

from datetime import datetime

import numpy as np

from config.fleet import Fleet, Service
from tools.errors import Absent, Malformed
from tools.grid import Floats
from tools.live.arrow import floats
from tools.live.log import TableLog
from tools.live.mlflow_names import NAME, Names, named
from tools.live.tables import expression
from tools.live.translating import translated
from tools.offline import compared
from tools.records import Comparison

SCORED = 0.95  # of the labelled rows up to the newest that was scored: a job may not choose which
MOST = 1_000_000  # scores that are read


class Offline:
    """Compares a trained version with another, on the rows that the other answered."""

    def __init__(self, fleet: Fleet, log: TableLog, names: Names) -> None:
        self._services = {service.name: service for service in fleet.services if service.training is not None}
        self._log, self._names = log, names

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        """Compare on rows of [start, end) that ``second`` answered, whose labels are known, and that the job scored."""
        found = self._services.get(service)
        if found is None or found.training is None or not NAME.match(first):
            raise Absent(f"{service}: nothing scored rows with version {first}")
        keys, rows = self._log.keyed(service, start, end)
        answered = np.isfinite(rows.labels) & np.isfinite(rows.scores)
        mine = answered & (named(rows.version, found.model, self._names) == second)
        scored = self._scores(found, first)
        theirs = np.array([scored.get(key, np.nan) for key in keys], np.float64)
        use = mine & np.isfinite(theirs)
        if use.sum() < 2:
            raise Absent(f"{service}: {int(use.sum())} labelled rows of {second} were scored with {first}")
        due = mine & (rows.at <= rows.at[use].max())
        if use.sum() < SCORED * due.sum():
            raise Malformed(f"{service}: {first} was shown {int(use.sum())} of {int(due.sum())} labelled rows, not all")
        return compared(found.model, (first, second), (theirs[use], rows.scores[use]), rows.labels[use])

    def _scores(self, service: Service, version: str) -> dict[str, float]:
        """Return what a job wrote, by key; ``Malformed`` where it is no probability, or a row is there twice."""
        address = service.training.scores.replace("{version}", version) if service.training else ""
        logged = self._log.table(service.name)
        with translated(address):
            table = expression(address)
            if lost := sorted({logged.key, logged.score} - set(table.columns)):
                raise Malformed(f"{address} has no column {', '.join(lost)}")
            read = table.select(key=table[logged.key].cast("string"), score=table[logged.score].cast("float64"))
            found = read.limit(MOST).to_pyarrow()
        values: Floats = floats(found["score"])
        if not ((values >= 0) & (values <= 1)).all():
            raise Malformed(f"{address}: scores that are no probabilities")
        scores = dict(zip(found["key"].to_pylist(), values.tolist(), strict=True))
        if len(scores) < len(values):
            raise Malformed(f"{address}: a row is scored twice")
        return scores
