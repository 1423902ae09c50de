"""Hand-made observations, so that every agent can be shown exactly what it should judge."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from agent.case import Anomaly, Diagnosis, Evidence, Hypothesis, Incident
from agent.casebook import Case
from agent.judged import QualityReading
from agent.observe import Observation, Scene, Senses
from config.fleet import Fleet, Objective, Service, ServiceKind
from playbooks.plan import Bounds, Plan, Step, Verification
from tools.action import Action, RestoreRevision
from tools.errors import Absent
from tools.records import Comparison, InferenceWindow, ModelState, ModelVersion, Probe, Recomputed
from tools.signal import Frame, SeriesKey, SignalSpec
from tools.topology import Deployment, Node, Replica, Revision, Topology

START = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(seconds=30)
TALK = "service/talk"
FLEET = Fleet(
    services=(
        Service(
            name="talk",
            kind=ServiceKind.LANGUAGE,
            tier="gold",
            objectives=(Objective(signal="error_ratio", target=0.02), Objective(signal="ttft_p95", target=2.0)),
            depends_on=("out",),
            min_replicas=2,
            max_replicas=6,
            hourly_budget=10.0,
        ),
        Service(
            name="score",
            kind=ServiceKind.TABULAR,
            model="score",
            objectives=(Objective(signal="accuracy", bound="above", target=0.8),),
        ),
        Service(
            name="out",
            kind=ServiceKind.VENDOR,
            vendors=("a", "b"),
            objectives=(Objective(signal="error_ratio", target=0.03),),
        ),
    )
)
REPLICA = Replica(name="talk-1", service="talk", node="n1", ready=True, revision="2", started_at=START - TICK * 20)
NODE = Node(name="n1", ready=True, schedulable=True, gpus=4, gpus_free=3)
TALKING = Deployment(
    service="talk",
    replicas=3,
    ready=3,
    current="2",
    revisions=tuple(Revision(number=number, created_at=START - TICK * 100) for number in ("1", "2")),
)

Values = Mapping[tuple[str, str], float]


def topology(at: datetime = START, *, deployment: Deployment = TALKING, free: int = 3) -> Topology:
    """Return a cluster of one node that runs one replica of talk."""
    node = NODE.model_copy(update={"gpus_free": free})
    return Topology(at=at, deployments=(deployment,), replicas=(REPLICA,), nodes=(node,))


def seen(
    tick: int,
    values: Values,
    quality: Mapping[str, QualityReading] | None = None,
    *,
    where: Topology | None = None,
    problems: tuple[str, ...] = (),
) -> Observation:
    """Return one observation; what is not named is not there at all."""
    keys = tuple(SeriesKey(*key) for key in values)
    at = START + TICK * tick
    frame = Frame(at, keys, np.array(list(values.values()), dtype=np.float64), problems)
    places = {key: place for place, key in enumerate(keys)}
    return Observation(at, frame, where or topology(at), quality or {}, problems, places)


class Metrics:
    """Metrics that remember one value per signal and entity."""

    def __init__(self, past: Values | None = None) -> None:
        self.past = past or {}

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        raise Absent("read from the observation")

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        keys = tuple(SeriesKey(*key) for key in self.past if key[0] == spec.name)
        return (Frame(start, keys, np.array([self.past[key.signal, key.entity] for key in keys])),)


class Records:
    """A registry, an inference log, a probe and a list of changes, each as told."""

    answers_rows = True

    def __init__(self) -> None:
        self.rows: InferenceWindow | None = None
        self.old: InferenceWindow | None = None
        self.again: Recomputed | None = None
        self.versions: tuple[str, ...] = ()
        self.gain: tuple[float, float, float] | None = None
        self.only: dict[str, int] = {}  # rows that one version alone is right on
        self.count = 500  # rows that two versions are compared on
        self.would = 0.9  # accuracy of whatever the champion is compared with
        self.loss = 0.3  # its log loss
        self.compared: list[str] = []
        self.asked: list[tuple[datetime, datetime]] = []
        self.handed: list[InferenceWindow] = []
        self.answers: bool | None = True
        self.happened: tuple[Any, ...] = ()

    def model(self, name: str) -> ModelState:
        if not self.versions:
            raise Absent("no registry")
        versions = tuple(ModelVersion(model=name, version=each, created_at=START) for each in self.versions)
        return ModelState(model=name, versions=versions, aliases={"champion": self.versions[-1]})

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        if self.gain is None:
            raise Absent("no labelled rows")
        self.asked.append((start, end))
        return self._compared(service, first, second, self.count)

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        self.handed.append(rows)
        return self._compared(rows.service, first, second, len(rows.at))

    def _compared(self, service: str, first: str, second: str, count: int) -> Comparison:
        if self.gain is None:
            raise Absent("no labelled rows")
        low, gain, high = self.gain
        self.compared.append(first)
        accuracy = {second: 0.6, first: self.would}
        return Comparison(
            model=service,
            rows=count,
            accuracy=accuracy,
            log_loss={first: self.loss},
            gain=gain,
            gain_low=low,
            gain_high=high,
            only=self.only,
        )

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        if self.rows is None:
            raise Absent("no log")
        keep = (self.rows.at >= start.timestamp()) & (self.rows.at < end.timestamp())
        keep &= np.isfinite(self.rows.labels) | (not labelled)
        r = self.rows
        return InferenceWindow(
            service, r.names, r.at[keep], r.features[keep], r.scores[keep], r.labels[keep], r.version[keep]
        )

    def reference(self, service: str) -> InferenceWindow:
        if self.old is None:
            raise Absent("no reference")
        return self.old

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        if self.again is None:
            raise Absent("nothing computes features anew")
        keep = (self.again.at >= start.timestamp()) & (self.again.at < end.timestamp())
        a = self.again
        return Recomputed(service, a.names, a.at[keep], a.served[keep], a.again[keep])

    def probe(self, service: str, replica: str) -> Probe:
        return Probe(replica=replica, at=START, health_ok=True, answers=self.answers)

    def changes(self, since: datetime) -> tuple[Any, ...]:
        return tuple(change for change in self.happened if change.at >= since)


def rows(count: int, *, right: float = 0.9, known: float = 1.0, version: str = "v2", moved: float = 0.0) -> Any:
    """Return the rows of the half hour before START + 30 min; ``right`` of them are scored right."""
    rng = np.random.default_rng(1)
    at = START.timestamp() + np.linspace(0, 1799, count)
    labels = rng.integers(0, 2, count).astype(np.float64)
    wrong = np.arange(count) >= round(right * count)
    rng.shuffle(wrong)
    scores = np.where(wrong, 1 - labels, labels) * 0.8 + 0.1
    labels[round(known * count) :] = np.nan
    features = rng.normal(moved, 1.0, (count, 2))
    return InferenceWindow("score", ("x", "y"), at, features, scores, labels, np.full(count, version))


def scene(*looked: Observation, records: Records | None = None, past: Values | None = None) -> Scene:
    """Return what an agent is shown after some observations."""
    known: Any = records or Records()
    none: Any = None
    senses = Senses(Metrics(past), known, known, known, known, none)
    return Scene(FLEET, looked[-1], looked, senses, looked[-1].at)


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
        anomalies=anomalies or (anomaly(f"service/{service}"),),
    )


def evidence(finding: str, weight: float, entity: str = TALK, **bindings: str) -> Evidence:
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
        bindings=bindings,
    )


def guess(fault: str, entity: str = TALK, probability: float = 0.9) -> Hypothesis:
    """Return a hypothesis."""
    return Hypothesis(fault=fault, entity=entity, probability=probability, supporting=(), opposing=())


def case_of(*guesses: Hypothesis, evidence: tuple[Evidence, ...] = (), service: str = "talk") -> Case:
    """Return a case with a diagnosis."""
    about = incident(service=service)
    diagnosis = Diagnosis(incident=about.id, at=START, hypotheses=guesses, resolved=True)
    return Case(incident=about, diagnosis=diagnosis, evidence=evidence)


def plan(*actions: Action, service: str = "talk", fault: str = "bad_rollout_errors", **more: Any) -> Plan:
    """Return a plan of some actions."""
    made = actions or (RestoreRevision(service=service, revision="1"),)
    fields: dict[str, Any] = {
        "id": "plan-1",
        "incident": "inc-1-talk",
        "at": START,
        "playbook": "rollback_release",
        "class_": "rollback",
        "service": service,
        "fault": fault,
        "steps": tuple(Step(id=f"s{number}", action=action) for number, action in enumerate(made)),
        "bounds": Bounds(steps=9, time=timedelta(minutes=10)),
        "verification": Verification(hold=timedelta(minutes=1), deadline=timedelta(minutes=5)),
        "predicted": "better",
        **more,
    }
    return Plan(**fields)
