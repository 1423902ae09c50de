"""The hardware analyst: XIDs, heat, nodes."""

from agent.analysts.evidence import Notes, before, beneath, onset
from agent.case import Evidence, Incident
from agent.hardware import FATAL
from agent.observe import Scene
from tools.signal import SeriesKey

OFF_BUS = 79


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring what the GPUs and nodes beneath the patient say."""
    notes = Notes("hardware", incident, scene.now)
    service = f"service/{incident.service}"
    nodes = beneath(incident, scene)
    sick = False
    for key in scene.observation.frame.keys:
        kind, *rest = key.entity.split("/")
        value = scene.observation.value(key.signal, key.entity)
        if (
            kind in ("gpu", "node")
            and rest[0] in nodes
            and value is not None
            and not _is_old(key, value, incident, scene)
        ):
            sick |= _look(notes, key.signal, key.entity, value, rest[0])
    notes.add("gpu_fault", service, 2.0 if sick else -1.0, "hardware beneath it is " + ("sick" if sick else "well"))
    return notes.done()


def _is_old(key: SeriesKey, value: float, incident: Incident, scene: Scene) -> bool:
    """Whether an XID stood there before the incident: the exporter shows the last one until the next."""
    if key.signal != "xid" or int(value) not in FATAL:
        return False
    return before(scene, "xid", key.entity, onset(incident)) == value


def _look(notes: Notes, signal: str, entity: str, value: float, node: str) -> bool:
    bindings = {"node": node}
    match signal:
        case "xid" if int(value) == OFF_BUS:
            notes.add("gpu_off_bus", entity, 3.0, f"XID {value:.0f}: fell off the bus", bindings)
        case "xid" if int(value) in FATAL:
            notes.add("gpu_fatal", entity, 3.0, f"XID {value:.0f} is fatal", bindings)
        case "hw_thermal" if value > 0:
            notes.add("gpu_throttled", entity, 2.5, f"{value:.0f} thermal slow-downs in five minutes", bindings)
        case "node_ready" if value < 0.5:
            notes.add("node_down", entity, 3.0, f"node {node} does not report Ready", bindings)
        case _:
            return False
    return True
