"""Hand-made observations, so that every detector can be shown exactly what it should judge."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from agent.case import Anomaly, Evidence, Incident
from agent.observe import Observation, QualityReading
from config.fleet import Fleet, Objective, Service, ServiceKind
from tools.signal import Frame, SeriesKey
from tools.topology import Replica, Topology

START = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(seconds=30)
FLEET = Fleet(
    services=(
        Service(
            name="talk",
            kind=ServiceKind.LANGUAGE,
            tier="gold",
            objectives=(Objective(signal="error_ratio", target=0.02), Objective(signal="ttft_p95", target=2.0)),
            depends_on=("out",),
            hourly_budget=10.0,
        ),
        Service(
            name="score",
            kind=ServiceKind.TABULAR,
            model="score",
            objectives=(Objective(signal="accuracy", bound="above", target=0.8),),
        ),
        Service(name="out", kind=ServiceKind.VENDOR, vendors=("a", "b")),
    )
)
REPLICA = Replica(name="talk-1", service="talk", node="n1", ready=True, revision="1", started_at=START - TICK * 20)


def seen(
    tick: int, values: Mapping[tuple[str, str], float], quality: Mapping[str, QualityReading] | None = None
) -> Observation:
    """Return one observation; what is not named is not there at all."""
    keys = tuple(SeriesKey(*key) for key in values)
    at = START + TICK * tick
    where = Topology(at=at, deployments=(), replicas=(REPLICA,), nodes=())
    frame = Frame(at, keys, np.array(list(values.values()), dtype=np.float64))
    return Observation(at, frame, where, quality or {}, (), {key: place for place, key in enumerate(keys)})


def anomaly(
    entity: str, detector: str = "objective", tick: int = 0, signal: str = "error_ratio", **more: object
) -> Anomaly:
    """Return an alarm that began at a tick."""
    onset = START + TICK * tick
    fields: dict[str, object] = {"value": 0.1, "expected": 0.02, "threshold": 0.02, "score": 2.0, **more}
    return Anomaly.model_validate(
        {"at": onset, "onset_at": onset, "signal": signal, "entity": entity, "detector": detector, **fields}
    )


def incident(*anomalies: Anomaly, service: str = "talk") -> Incident:
    """Return an incident of some alarms."""
    return Incident(
        id=f"inc-1-{service}",
        at=START,
        service=service,
        severity="high",
        tier="immediate",
        fingerprint=service,
        anomalies=anomalies,
    )


def evidence(finding: str, weight: float, entity: str = "service/talk") -> Evidence:
    """Return one finding."""
    return Evidence(
        id=f"{finding}/{entity}",
        incident="inc-1-talk",
        at=START,
        analyst="serving",
        finding=finding,
        entity=entity,
        weight=weight,
        text=finding,
    )
