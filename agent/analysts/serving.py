"""The serving analyst: errors, latency, saturation, stuck engines, vendors."""

from datetime import datetime, timedelta
from statistics import median

from agent.analysts.alike import WORSE, ill_alike
from agent.analysts.evidence import Notes, before, onset
from agent.capacity import FULL, TARGET, queues
from agent.case import Evidence, Incident
from agent.observe import Scene
from config.fleet import ServiceKind
from tools.errors import ToolError
from tools.figure import beside

LATENCIES = ("ttft_p95", "latency_p95", "latency_mean")
LONGER = 1.6  # times the median before the onset
BUSY = 90.0  # per cent of its time in which a GPU computes
LATELY = timedelta(minutes=5)  # over which a gauge's peak is looked for
WHOLE = timedelta(minutes=30)  # the same, for what keeps coming back
LATE = 2.5  # times the median before: a slow vendor


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring what the serving signals say about one incident."""
    notes = Notes("serving", incident, scene.now)
    _objectives(notes, incident, scene)
    match scene.fleet.service(incident.service).kind:
        case ServiceKind.LANGUAGE:
            _lengths(notes, incident, scene)
            _saturation(notes, incident, scene)
            _stuck(notes, incident, scene)
        case ServiceKind.VENDOR:
            _vendors(notes, incident, scene)
        case ServiceKind.TABULAR:
            _saturation(notes, incident, scene)
        case ServiceKind.BATCH:
            pass  # nobody asks it
    return notes.done()


def _objectives(notes: Notes, incident: Incident, scene: Scene) -> None:
    service = scene.fleet.service(incident.service)
    entity = f"service/{service.name}"
    targets = {objective.signal: objective.target for objective in service.objectives}
    errors = scene.observation.value("error_ratio", entity)
    if errors is not None and "error_ratio" in targets:
        bad = errors > targets["error_ratio"]
        notes.add(
            "errors_up", entity, 2.5 if bad else -1.5, f"errors {errors:.1%}, target {targets['error_ratio']:.1%}"
        )
    worst = [
        (value / targets[name], name, value)
        for name in LATENCIES
        if name in targets and (value := scene.observation.value(name, entity)) is not None
    ]
    if worst:
        ratio, name, value = max(worst)
        notes.add(
            "latency_up", entity, 2.5 if ratio > 1 else -1.5, f"{name} {value:.3g} s, target {targets[name]:.3g} s"
        )


def _lengths(notes: Notes, incident: Incident, scene: Scene) -> None:
    entity, since = f"service/{incident.service}", onset(incident)
    for signal, finding in (
        ("answer_length", "answers_longer"),
        ("prompt_length", "prompts_longer"),
        ("requests", "traffic_up"),
    ):
        now, then = scene.observation.value(signal, entity), before(scene, signal, entity, since)
        if now is None or not then:
            continue
        least = 1.25 if signal == "requests" else LONGER
        text = f"{signal} {beside(signal, now, 'before', then)}"
        notes.add(finding, entity, 2.5 if now > least * then else -1.5, text)


def _saturation(notes: Notes, incident: Incident, scene: Scene) -> None:
    entity = f"service/{incident.service}"
    seen = scene.observation
    running = seen.value("running", entity)
    # What keeps coming back is short each time: it is looked at for longer, and lacks room where bursts find none.
    since = scene.now - (WHOLE if incident.returns else LATELY)
    waiting, cache, use = (_peak(scene, name, entity, since) for name in ("waiting", "kv_cache", "gpu_utilisation"))
    queue = waiting is not None and queues(waiting, running)
    busy = 100 * TARGET if incident.returns else BUSY
    full = bool(cache and cache > FULL) or bool(use and use > busy)
    if waiting is None and cache is None and use is None:
        return
    text = f"waiting {_shown(waiting)}, cache {_shown(cache)}, GPU {_shown(use)} % at most, running {_shown(running)}"
    notes.add("saturated", entity, 2.5 if queue and full else 1.2 if queue or full else -2.0, text)


def _peak(scene: Scene, signal: str, entity: str, since: datetime) -> float | None:
    """Return the most that a gauge read lately: queue and cache breathe from tick to tick; None for NO DATA."""
    recent = [seen.value(signal, entity) for seen in scene.history if seen.at > since]
    return max((value for value in recent if value is not None), default=None)


def _shown(value: float | None) -> str:
    return "NO DATA" if value is None else f"{value:.3g}"


def _stuck(notes: Notes, incident: Incident, scene: Scene) -> None:
    for anomaly in incident.anomalies:
        if anomaly.detector != "stuck":
            continue
        _, service, replica = anomaly.entity.split("/")
        steps = scene.observation.value("engine_steps", anomaly.entity)
        if steps != 0:
            continue
        bindings = {"replica": replica}
        notes.add("engine_stuck", anomaly.entity, 2.5, f"{replica} makes no step while it holds work", bindings)
        try:
            probe = scene.senses.serving.probe(service, replica)
        except ToolError as error:
            notes.add("probe_confirms", anomaly.entity, 0.0, f"no probe: {error}")
            continue
        hung = probe.health_ok is True and probe.answers is False
        text = f"health page ok: {probe.health_ok}, engine answers: {probe.answers}"
        weight = 3.0 if hung else -3.0 if probe.answers else 0.0
        notes.add("probe_confirms", anomaly.entity, weight, text, bindings if hung else None)


def _vendors(notes: Notes, incident: Incident, scene: Scene) -> None:
    service = scene.fleet.service(incident.service)
    targets = {objective.signal: objective.target for objective in service.objectives}
    since = onset(incident)
    # What strangers fail in the same minutes is no vendor's doing, of which a few requests may show a little more.
    shared = median(alike.values()) if service.vendors and (alike := ill_alike(incident, scene)) else 0.0
    most = max(3 * targets.get("error_ratio", 0.02), 0.05, WORSE * shared)
    for vendor in service.vendors:
        entity = f"vendor/{service.name}/{vendor}"
        errors = scene.observation.value("vendor_error_ratio", entity)
        late = scene.observation.value("vendor_latency_p95", entity)
        if errors is None:
            continue
        told = f"{vendor} fails {errors:.1%}" + (f", strangers to it {shared:.1%}" if shared else "")
        notes.add("vendor_failing", entity, 2.5 if errors > most else -1.5, told)
        usual = before(scene, "vendor_latency_p95", entity, since)
        limit = max(LATE * (usual or 0.0), targets.get("latency_p95", 1.0))
        slow = late is not None and late > limit
        shown = "NO DATA" if late is None else f"{late:.3g} s"
        notes.add("vendor_late", entity, 2.5 if slow else -1.5, f"{vendor} takes {shown}, limit {limit:.3g} s")
