"""The cost analyst: money against budget, and capacity that nobody uses."""

from datetime import datetime, timedelta

from agent.analysts.evidence import Notes, before, onset
from agent.capacity import CAUTION
from agent.case import Evidence, Incident
from agent.money import MONEY, SPARE, spare
from agent.observe import Scene
from tools.figure import beside

DEARER = 1.3  # times the price before
QUIETER = 0.6  # times the traffic before


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring what money and utilisation say about the patient."""
    notes = Notes("cost", incident, scene.now)
    service, entity = scene.fleet.service(incident.service), f"service/{incident.service}"
    spend = scene.observation.value("spend", entity)
    if not service.hourly_budget or spend is None:
        return ()
    over = spend > service.hourly_budget
    usual = before(scene, "spend", entity, onset(incident))
    text = (
        f"{spend:.2f} an hour, budget {service.hourly_budget:.2f}{_wasted(spend, usual, scene.now - onset(incident))}"
    )
    notes.add("over_budget", entity, 2.0 if over else -1.0, text)
    replicas = scene.observation.value("replicas", entity) or 0.0
    _idle(notes, incident, scene, replicas, over=over)
    # A rollout runs more than is wanted, and each of them is paid for.
    paid = max(replicas, float(len(scene.observation.topology.of(service.name))))
    _usual(notes, incident, scene, (spend, usual), paid)
    return notes.done()


def _wasted(spend: float, usual: float | None, lasted: timedelta) -> str:
    """Return in words what is spent beyond what was usual, whatever holds the GPUs: replicas, or a forgotten job."""
    if usual is None:
        return ", what was usual is not known"
    more, hours = spend - usual, lasted / timedelta(hours=1)
    return f", {more:.2f} more than before: {more * hours:.2f} in {hours:.1f} h" if more > 0 else ""


def _idle(notes: Notes, incident: Incident, scene: Scene, replicas: float, *, over: bool) -> None:
    """Say whether capacity lies idle, by its use now; where that is not read, by the use and the traffic of before."""
    entity = f"service/{incident.service}"
    use, said = scene.observation.value("gpu_utilisation", entity), "busy"
    if use is None and over and replicas:
        use, said = (
            _reckoned(scene, entity, onset(incident), replicas),
            "busy by what was read before the money ran over",
        )
    if use is None:
        return
    idle = over and spare(use, replicas) >= SPARE and not any(a.detector != MONEY for a in incident.anomalies)
    text = f"{replicas:.0f} replicas {use:.0f} % {said}, {spare(use, replicas)} spare"
    notes.add("capacity_idle", entity, 2.5 if idle else -1.5, text)


def _reckoned(scene: Scene, entity: str, since: datetime, replicas: float) -> float | None:
    """Return how busy replicas are in percent: the work of before, grown or shrunk with traffic, shared by these."""
    use, few, calls = (before(scene, name, entity, since) for name in ("gpu_utilisation", "replicas", "requests"))
    now = scene.observation.value("requests", entity)
    return CAUTION * use * few / replicas * now / calls if use and few and calls and now is not None else None


def _usual(notes: Notes, incident: Incident, scene: Scene, spent: tuple[float, float | None], replicas: float) -> None:
    """Compare price and traffic with what was usual before the money ran over; ``spent``: an hour now, and then."""
    entity, since, (spend, usual) = f"service/{incident.service}", onset(incident), spent
    then = {name: before(scene, name, entity, since) for name in ("replicas", "requests")}
    if usual and then["replicas"] and replicas:
        now, was = spend / replicas, usual / then["replicas"]
        notes.add(
            "price_up", entity, 2.5 if now > DEARER * was else -1.5, f"{now:.2f} a replica and hour, before {was:.2f}"
        )
    calls = scene.observation.value("requests", entity)
    if calls is not None and then["requests"]:
        fewer = calls < QUIETER * then["requests"]
        text = f"requests {beside('requests', calls, 'before', then['requests'])}"
        notes.add("traffic_down", entity, 2.5 if fewer else -1.5, text)
