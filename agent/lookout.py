"""The lookout: the watch, what it learned kept across restarts, and departures written down for digests."""

from collections import deque
from datetime import UTC, datetime, timedelta

from agent.case import Anomaly, Incident
from agent.detect import Watch
from agent.observe import Observation
from agent.remarks import Remark
from tools.errors import ToolError
from tools.figure import beside
from tools.journal import Journal
from tools.ports import Memory

SUBJECT, DEPARTURE, NOTICED = "eyes", "DEPARTURE", "NOTICED"
LOGS, REMARK = "logs", "REMARK"
KEY = ("service", "kind", "subject")  # what makes two remarks the same one
AGAIN = timedelta(hours=24)  # until what an inference log still shows is written down again
NEVER = datetime.min.replace(tzinfo=UTC)
BESIDE = timedelta(minutes=30)  # before an incident's first sign, within which a departure belongs beside it
MOST_BESIDE = 5
STORM = 50  # departures of one tick, of which no more are written down


class Lookout:
    """Looks at every tick; departures go to the journal, the state to its memory every now and then."""

    def __init__(self, watch: Watch, journal: Journal, memory: Memory | None, every: timedelta) -> None:
        self._watch, self._journal, self._memory, self._every = watch, journal, memory, every
        self._saved_at: datetime | None = None
        self._lately: deque[Anomaly] = deque(maxlen=1000)
        written = journal.entries(subject=LOGS, kinds=(REMARK,))
        self._remarked = {tuple(entry.body.get(part) for part in KEY): entry.at for entry in written}
        self.problem = self._remember()

    def update(self, seen: Observation) -> tuple[Anomaly, ...]:
        """Take one observation; return the alarms that stand."""
        alarms = self._watch.update(seen)
        told = sorted(self._watch.departed, key=lambda each: -each.score)[:STORM]
        for departure in told:
            self._journal.append(SUBJECT, DEPARTURE, departure.model_dump(mode="json"), seen.at)
        self._lately += told
        self._remark(seen)
        self._saved_at = self._saved_at or seen.at
        if seen.at - self._saved_at >= self._every:
            self._saved_at = seen.at
            self.save()
        return alarms

    def _remark(self, seen: Observation) -> None:
        """Write down what inference logs show: each thing once a day, for as long as it stands."""
        for remark in (one for found in seen.remarks.values() for one in found):
            if seen.at - self._remarked.get(remark.key, NEVER) >= AGAIN:
                self._remarked[remark.key] = seen.at
                self._journal.append(LOGS, REMARK, remark.model_dump(mode="json"), seen.at)

    def note_beside(self, incident: Incident) -> None:
        """Write down, in the story of a new incident, what else left its past when it began."""
        first = min(anomaly.onset_at for anomaly in incident.anomalies) - BESIDE
        known = {(anomaly.signal, anomaly.entity) for anomaly in incident.anomalies}
        services = {incident.service, *incident.related}
        found = [
            each
            for each in self._lately
            if each.at >= first and _service(each) in services and (each.signal, each.entity) not in known
        ]
        if found:
            body = {"text": _told(found), "items": [each.model_dump(mode="json") for each in found[:MOST_BESIDE]]}
            self._journal.append(incident.id, NOTICED, body, incident.at)

    def save(self) -> None:
        """Keep what was learned; where that fails, say so and go on."""
        if self._memory is None:
            return
        try:
            self._memory.write(self._watch.save())
            self.problem = ""
        except ToolError as error:
            self.problem = f"what the eyes learned cannot be kept: {error}"

    def _remember(self) -> str:
        try:
            saved = self._memory.read() if self._memory is not None else None
            if saved is not None:
                self._watch.restore(saved)
        except (ToolError, ValueError, KeyError) as error:
            return f"the eyes learn anew: {error}"
        return ""


def _service(departure: Anomaly) -> str:
    kind, *rest = departure.entity.split("/")
    return rest[0] if kind in ("service", "replica", "vendor") else ""


def _told(found: list[Anomaly]) -> str:
    lines = [
        f"{each.signal} of {each.entity} {each.reason} ({beside(each.signal, each.value, 'expected', each.expected)})"
        for each in found[:MOST_BESIDE]
    ]
    more = f"; {len(found) - MOST_BESIDE} more" if len(found) > MOST_BESIDE else ""
    return f"also unusual: {'; '.join(lines)}{more}"


def departures(journal: Journal, since: datetime, until: datetime) -> tuple[Anomaly, ...]:
    """Return what was written down in [since, until)."""
    entries = journal.entries(subject=SUBJECT, kinds=(DEPARTURE,))
    return tuple(Anomaly.model_validate(entry.body) for entry in entries if since <= entry.at < until)


def remarks_of(journal: Journal, since: datetime, until: datetime) -> tuple[Remark, ...]:
    """Return what was written down about inference logs in [since, until)."""
    entries = journal.entries(subject=LOGS, kinds=(REMARK,))
    return tuple(Remark.model_validate(entry.body) for entry in entries if since <= entry.at < until)
