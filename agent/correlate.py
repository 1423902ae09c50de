"""Correlation: anomalies of one cause become one incident."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.case import Anomaly, Incident, Severity
from agent.detect import is_fatal
from config.fleet import Fleet, Service
from tools.topology import Topology

SETTLE = timedelta(seconds=100)  # a service that leans on others waits so long: the cause may show itself there
OWN_CAUSE = frozenset(("stuck", "hardware"))  # detectors that name the place of the cause


def correlate(
    anomalies: Sequence[Anomaly], standing: Sequence[Incident], fleet: Fleet, topology: Topology, now: datetime
) -> tuple[Incident, ...]:
    """Return incidents that are new, and standing ones (same id) that grew.

    ``standing`` are those that somebody works on or was told of. A service whose dependency is ill is related to that
    dependency's incident and gets none of its own.
    """
    groups = _by_service(anomalies, fleet, topology)
    taken = {incident.service: incident for incident in standing}
    found: list[Incident] = []
    ill = set(groups) | set(taken)
    for name, group in sorted(groups.items()):
        service = fleet.service(name)
        if name in taken:
            found += _grown(taken[name], group)
        elif not (_upstream(service, fleet) & ill) and _is_due(service, group, now):
            found.append(_new(service, group, _callers(name, fleet) & ill, now))
    return tuple(found)


def _by_service(anomalies: Sequence[Anomaly], fleet: Fleet, topology: Topology) -> dict[str, list[Anomaly]]:
    groups: dict[str, list[Anomaly]] = {}
    hardware: list[Anomaly] = []
    guarded = {service.name for service in fleet.services}
    for anomaly in anomalies:
        kind, *rest = anomaly.entity.split("/")
        if kind in ("gpu", "node"):
            hardware.append(anomaly)
        elif rest[0] in guarded:
            groups.setdefault(rest[0], []).append(anomaly)
    for anomaly in hardware:
        there = sorted({each.service for each in topology.on(anomaly.entity.split("/")[1])} & guarded)
        hurt = [name for name in there if name in groups]
        if is_fatal(anomaly) and hurt:
            groups[hurt[0]].append(anomaly)
    return groups


def _upstream(service: Service, fleet: Fleet) -> set[str]:
    """Return everything that a service leans on."""
    found, todo = set(), list(service.depends_on)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += fleet.service(name).depends_on
    return found


def _callers(name: str, fleet: Fleet) -> set[str]:
    return {service.name for service in fleet.services if name in _upstream(service, fleet)}


def _is_due(service: Service, group: list[Anomaly], now: datetime) -> bool:
    if not service.depends_on or any(anomaly.detector in OWN_CAUSE for anomaly in group):
        return True
    return now - min(anomaly.onset_at for anomaly in group) >= SETTLE


def _grown(incident: Incident, group: list[Anomaly]) -> list[Incident]:
    known = {(anomaly.signal, anomaly.entity) for anomaly in incident.anomalies}
    fresh = [anomaly for anomaly in group if (anomaly.signal, anomaly.entity) not in known]
    if not fresh or len(incident.anomalies) > 20:
        return []
    return [incident.model_copy(update={"anomalies": (*incident.anomalies, *fresh)})]


def _new(service: Service, group: list[Anomaly], related: set[str], now: datetime) -> Incident:
    daily = all(anomaly.tier == "daily" for anomaly in group)
    return Incident(
        id=f"inc-{now:%m%d-%H%M%S}-{service.name}",
        at=now,
        service=service.name,
        severity=_severity(service, group, daily),
        tier="daily" if daily else "immediate",
        fingerprint=f"{service.name}/{'cost' if daily else sorted(anomaly.detector for anomaly in group)[0]}",
        anomalies=tuple(sorted(group, key=lambda anomaly: -anomaly.score)),
        related=tuple(sorted(related)),
    )


def _severity(service: Service, group: list[Anomaly], daily: bool) -> Severity:
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
