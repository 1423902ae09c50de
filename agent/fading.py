"""Alarms that outlast a recovery: windows and late labels show the past for a while, and no longer than that."""

from datetime import datetime, timedelta

from agent.case import Anomaly
from agent.casebook import Case
from agent.correlate import LEAD, OWN_CAUSE, onset, upstream
from agent.judged import QUALITY_WINDOW
from agent.observe import Observation
from config.fleet import Fleet

WINDOWS = {  # by detector: after so long, every reading is of the time since; the others may show the past for hours
    "objective": timedelta(minutes=5),  # of which two are its rates' and two more the good looks that clear an alarm
    "stuck": timedelta(minutes=10),
    "inputs": timedelta(minutes=20),
}
QUALITY, MONEY, LABELS = "quality", "cost", "labels"
ECHO = timedelta(minutes=2)  # and the minute of the proof before: then the rates of a caller are of the time since


def covers(case: Case, alarm: Anomaly, seen: Observation, fleet: Fleet) -> bool:
    """Whether an alarm began before a recovery, and may be of that time still: its service's own, or one's beneath."""
    service = alarm.entity.split("/")[1]
    if service in (case.incident.service, *case.incident.related):
        return fades(alarm, case, seen)
    return _is_echo(alarm, case, seen, fleet)


def _is_echo(alarm: Anomaly, case: Case, seen: Observation, fleet: Fleet) -> bool:
    """Whether what a caller shows, who felt it later than the incident was written, is of a fault that is over."""
    over = case.outcome.at if case.outcome is not None else None
    if over is None or not alarm.onset_at <= over <= seen.at <= over + ECHO or alarm.detector in OWN_CAUSE:
        return False
    name = alarm.entity.split("/")[1]
    service = next((each for each in fleet.services if each.name == name), None)
    beneath = service is not None and case.incident.service in upstream(service, fleet)
    return beneath and onset(case.incident.anomalies) <= alarm.onset_at + LEAD


def fades(alarm: Anomaly, case: Case, seen: Observation) -> bool:
    """Whether an alarm that began before a case recovered may be of that time still."""
    if case.outcome is None or alarm.onset_at > case.outcome.at:
        return False
    if alarm.detector == MONEY and all(each.detector != MONEY for each in case.incident.anomalies):
        return False  # a matter apart: that answers came back says nothing of what they cost
    if alarm.signal == LABELS and all(each.signal != LABELS for each in case.incident.anomalies):
        return False  # that no labels come is of now, whatever else is over
    since = _newest_of(alarm, seen)
    return since is None or since <= case.outcome.at


def _newest_of(alarm: Anomaly, seen: Observation) -> datetime | None:
    """Return since when everything happened that an alarm rests on now; None: that is not known."""
    if alarm.detector == QUALITY:
        reading = seen.quality.get(alarm.entity.split("/")[1])
        return None if reading is None else seen.at - reading.late - QUALITY_WINDOW
    window = WINDOWS.get(alarm.detector)
    return None if window is None else seen.at - window
