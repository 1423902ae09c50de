"""Alarms that outlast a recovery: windows and late labels show the past for a while, and no longer than that."""

from datetime import datetime, timedelta

from agent.case import Anomaly
from agent.casebook import Case
from agent.judged import QUALITY_WINDOW
from agent.observe import Observation

WINDOWS = {  # by detector: after so long, every reading is of the time since; the others may show the past for hours
    "objective": timedelta(minutes=5),  # of which two are its rates' and two more the good looks that clear an alarm
    "stuck": timedelta(minutes=10),
    "inputs": timedelta(minutes=20),
}
QUALITY, MONEY = "quality", "cost"


def fades(alarm: Anomaly, case: Case, seen: Observation) -> bool:
    """Whether an alarm that began before a case recovered may be of that time still."""
    if case.outcome is None or alarm.onset_at > case.outcome.at:
        return False
    if alarm.detector == MONEY and all(each.detector != MONEY for each in case.incident.anomalies):
        return False  # a matter apart: that answers came back says nothing of what they cost
    since = _newest_of(alarm, seen)
    return since is None or since <= case.outcome.at


def _newest_of(alarm: Anomaly, seen: Observation) -> datetime | None:
    """Return since when everything happened that an alarm rests on now; None: that is not known."""
    if alarm.detector == QUALITY:
        reading = seen.quality.get(alarm.entity.split("/")[1])
        return None if reading is None else seen.at - reading.late - QUALITY_WINDOW
    window = WINDOWS.get(alarm.detector)
    return None if window is None else seen.at - window
