"""The analyst of rows: what the inference log of the patient shows beside its accuracy, found by the inspector."""

from agent.analysts.evidence import Notes
from agent.case import Evidence, Incident
from agent.observe import Scene
from agent.remarks import Kind

FINDINGS: dict[Kind, str] = {
    "rule": "rules_broken",
    "skew": "features_skewed",
    "group": "groups_apart",
    "measure": "answers_worse",
    "calibration": "scores_lie",
    "estimate": "estimate_down",
    "concept": "concept_moved",
}


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring every remark about the patient; nothing where no log is read, which is no all-clear."""
    notes = Notes("rows", incident, scene.now)
    for remark in scene.observation.remarks.get(incident.service, ()):
        notes.add(FINDINGS[remark.kind], f"service/{incident.service}", 2.5, remark.text)
    return notes.done()
