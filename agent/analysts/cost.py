"""The cost analyst: money against budget, and capacity that nobody uses."""

from agent.analysts.evidence import Notes
from agent.case import Evidence, Incident
from agent.detect import SPARE, spare
from agent.observe import Scene


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring what money and utilisation say about the patient."""
    notes = Notes("cost", incident, scene.now)
    service, entity = scene.fleet.service(incident.service), f"service/{incident.service}"
    spend, use = scene.observation.value("spend", entity), scene.observation.value("gpu_utilisation", entity)
    if not service.hourly_budget or spend is None or use is None:
        return ()
    over = spend > service.hourly_budget
    notes.add("over_budget", entity, 2.0 if over else -1.0, f"{spend:.2f} an hour, budget {service.hourly_budget:.2f}")
    replicas = scene.observation.value("replicas", entity) or 0.0
    idle = over and spare(use, replicas) >= SPARE and not any(a.detector != "cost" for a in incident.anomalies)
    notes.add(
        "capacity_idle",
        entity,
        2.5 if idle else -1.5,
        f"{replicas:.0f} replicas {use:.0f} % busy, {spare(use, replicas)} spare",
    )
    return notes.done()
