"""Correlation: anomalies of one cause become one incident."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from agent.case import Anomaly, Incident, Severity
from agent.detect import is_fatal
from agent.hardware import MACHINE, STICKY
from config.fleet import Fleet, Service
from tools.topology import Topology

SETTLE = timedelta(seconds=100)  # a service that leans on others waits so long: the cause may show itself there
LEAD = timedelta(minutes=2)  # by which a dependency's first sign may come after its caller's
OWN_CAUSE = frozenset(
    ("stuck", "hardware", "quality", "inputs", "rollout", "cost", MACHINE)
)  # what no dependency can bring about
MONEY = "cost"
Told = tuple[Incident, datetime]  # an incident that a person was told of, and when
Group = list[Anomaly]


def correlate(
    anomalies: Sequence[Anomaly],
    standing: Sequence[Incident],
    fleet: Fleet,
    topology: Topology,
    now: datetime,
    told: Sequence[Told] = (),
) -> tuple[Incident, ...]:
    """Return incidents that are new, and standing ones (same id) that grew.

    ``standing`` are those that somebody works on. A service whose dependency fell ill first is related to that
    dependency's incident and gets none of its own. Money is a matter apart, so that no question about it swallows an
    outage. What a person was told of is new again only when other signs came since.
    """
    groups = _by_service(anomalies, fleet, topology)
    taken = {_matter(incident.service, incident.anomalies): incident for incident in standing}
    known = {_matter(incident.service, incident.anomalies): (incident, at) for incident, at in told}
    onsets = {incident.service: onset(incident.anomalies) for incident in standing if _is_felt(incident.anomalies)}
    onsets |= {name: onset(group) for (name, _), group in groups.items() if _is_felt(group)}
    found: list[Incident] = []
    for matter, group in sorted(groups.items()):
        service = fleet.service(matter[0])
        if matter in taken:
            found += _grown(taken[matter], group, service)
            continue
        news = _is_news(known.get(matter), group) and _is_due(service, group, now)
        if news and not _explained(service, group, fleet, onsets):
            found.append(_new(service, group, _callers(service.name, fleet) & set(onsets), now))
    return tuple(found)


def onset(anomalies: Sequence[Anomaly]) -> datetime:
    """Return when the first sign showed itself."""
    return min(anomaly.onset_at for anomaly in anomalies)


def _is_money(anomalies: Sequence[Anomaly]) -> bool:
    return all(anomaly.detector == MONEY for anomaly in anomalies)


def _is_quiet(anomalies: Sequence[Anomaly]) -> bool:
    """Whether no promise is broken: nobody who leans on the service feels it, and nobody is woken."""
    return all(anomaly.tier == "daily" for anomaly in anomalies)


def _is_felt(anomalies: Sequence[Anomaly]) -> bool:
    """Whether others may be ill because of it: money, however fast it goes, makes nobody ill."""
    return not _is_quiet(anomalies) and not _is_money(anomalies)


def _matter(service: str, anomalies: Sequence[Anomaly]) -> tuple[str, bool]:
    return service, _is_money(anomalies)


def _is_news(told: Told | None, group: Group) -> bool:
    """Whether a person has not been told: other signs than those known then, which began since."""
    if told is None:
        return True
    incident, at = told
    known = {_sign(anomaly) for anomaly in incident.anomalies}
    return any(_sign(each) not in known and each.onset_at > at for each in group)


def _sign(anomaly: Anomaly) -> tuple[str, str, bool]:
    """Return what makes a sign the same: money that is gone at once is another than money that can wait."""
    return anomaly.signal, anomaly.entity, anomaly.detector == MONEY and anomaly.tier == "immediate"


def _explained(service: Service, group: Group, fleet: Fleet, onsets: Mapping[str, datetime]) -> bool:
    """Whether something that the service leans on fell ill before it did."""
    if any(anomaly.detector in OWN_CAUSE for anomaly in group):
        return False
    return any(onsets[name] <= onset(group) + LEAD for name in upstream(service, fleet) & set(onsets))


def _by_service(anomalies: Sequence[Anomaly], fleet: Fleet, topology: Topology) -> dict[tuple[str, bool], Group]:
    """Return the alarms of every service, those about money apart."""
    groups: dict[tuple[str, bool], Group] = {}
    hardware: list[Anomaly] = []
    guarded = {service.name for service in fleet.services}
    for anomaly in anomalies:
        kind, *rest = anomaly.entity.split("/")
        name = anomaly.patient or rest[0]
        if kind in ("gpu", "node") and not anomaly.patient:
            hardware.append(anomaly)
        elif name in guarded:
            groups.setdefault((name, anomaly.detector == MONEY), []).append(anomaly)
    for anomaly in hardware:
        there = sorted({each.service for each in topology.on(anomaly.entity.split("/")[1])} & guarded)
        hurt = [name for name in there if _may_hurt(anomaly, groups.get((name, False), []))]
        if is_fatal(anomaly) and hurt:
            groups[hurt[0], False].append(anomaly)
    return groups


def _may_hurt(machine: Anomaly, group: Group) -> bool:
    """Whether a machine's mark may have to do with a service's signs. The last XID stays on show until the next one."""
    own = [anomaly for anomaly in group if anomaly.detector not in ("hardware", MACHINE)]
    return bool(own) and (machine.signal != "xid" or onset(own) - machine.onset_at <= STICKY)


def upstream(service: Service, fleet: Fleet) -> set[str]:
    """Return everything that a service leans on."""
    found, todo = set(), list(service.depends_on)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += fleet.service(name).depends_on
    return found


def _callers(name: str, fleet: Fleet) -> set[str]:
    return {service.name for service in fleet.services if name in upstream(service, fleet)}


def _is_due(service: Service, group: Group, now: datetime) -> bool:
    if not service.depends_on or any(anomaly.detector in OWN_CAUSE for anomaly in group):
        return True
    return now - onset(group) >= SETTLE


def _grown(incident: Incident, group: Group, service: Service) -> list[Incident]:
    """Return an incident with its new signs; one that broke no promise yet is graver once it does."""
    known = {_sign(anomaly) for anomaly in incident.anomalies}
    fresh = [anomaly for anomaly in group if _sign(anomaly) not in known]
    if not fresh or len(incident.anomalies) > 20:
        return []
    whole: dict[str, object] = {"anomalies": (*incident.anomalies, *fresh)}
    if incident.tier == "daily" and not _is_quiet(fresh):
        whole |= {"tier": "immediate", "severity": _severity(service, fresh, daily=False)}
    return [incident.model_copy(update=whole)]


def _new(service: Service, group: Group, related: set[str], now: datetime) -> Incident:
    daily, money = _is_quiet(group), _is_money(group)
    about = "cost" if money else sorted(anomaly.detector for anomaly in group)[0]
    return Incident(
        id=f"inc-{now:%m%d-%H%M%S}-{'cost-' if money else ''}{service.name}",
        at=now,
        service=service.name,
        severity=_severity(service, group, daily=daily),
        tier="daily" if daily else "immediate",
        fingerprint=f"{service.name}/{about}",
        anomalies=tuple(sorted(group, key=lambda anomaly: -anomaly.score)),
        related=() if daily or money else tuple(sorted(related)),
    )


def _severity(service: Service, group: Group, *, daily: bool) -> Severity:
    if daily:
        return "low"
    grave = any(anomaly.signal == "error_ratio" and anomaly.value > 0.2 for anomaly in group)
    match service.tier:
        case "gold":
            return "critical" if grave else "high"
        case "silver":
            return "high" if grave else "medium"
        case "bronze":
            return "medium"
