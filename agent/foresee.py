"""How many replicas the coming hours need: by what is usual then, and by the proof that so many carry it."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.capacity import ready_of, use_of, wanted_of
from agent.case import Anomaly, Diagnosis, Hypothesis, Incident
from agent.casebook import Case
from agent.headroom import MOST_USED, headroom
from agent.observe import Scene
from config.fleet import Service
from playbooks.bind import Bindings, bind
from playbooks.plan import Plan, Playbook

NOT_NEEDED, NEEDED_SOON = "not_needed_for_hours", "needed_soon"
SURER = 1.1  # times what is foretold: what is given back must not be wanted again a moment later
EASY = 0.5  # of the capacity: so little needs no proof to stay as it is


@dataclass(frozen=True, slots=True)
class Need:
    """A number of replicas that is better than the present one, and the arithmetic."""

    service: str
    before: int
    after: int
    text: str
    why: str = ""

    @property
    def fault(self) -> str:
        """What it is a remedy for, in one word."""
        if self.why:
            return self.why
        return NOT_NEEDED if self.after < self.before else NEEDED_SOON

    def words(self) -> dict[str, object]:
        """Return it as the journal keeps it."""
        return {"service": self.service, "before": self.before, "after": self.after, "text": self.text}


def spare(scene: Scene, service: Service, growth: float) -> Need | None:
    """Return one replica less, where what remains is surely proven to carry ``growth`` times the load of now."""
    seen = scene.observation
    before, use = wanted_of(seen, service.name), use_of(seen, service)
    if use is None or ready_of(seen, service.name) != before or before <= max(service.min_replicas, 1):
        return None
    if use * growth * SURER * before / (before - 1) > MOST_USED:
        return None  # no proof is made for what cannot be proven
    shown = headroom(scene, service, before - 1, growth=growth * SURER)
    return Need(service.name, before, before - 1, _words(growth, shown.text)) if shown.proven else None


def shortage(scene: Scene, service: Service, most: int, growth: float) -> Need | None:
    """Return the least number of replicas, up to ``most``, that carries what is to come, where the present one is too
    small; of none that is proven, ``most``. So it is, too, where a process that has just begun knows too little.
    """
    seen = scene.observation
    before, use = wanted_of(seen, service.name), use_of(seen, service)
    if use is None or before >= most or ready_of(seen, service.name) < before or use * growth <= EASY:
        return None
    now = headroom(scene, service, before, growth=growth)
    if now.proven:
        return None
    enough = (
        iter(())
        if now.early
        else (n for n in range(before + 1, most) if headroom(scene, service, n, growth=growth).proven)
    )
    return Need(service.name, before, next(enough, most), _words(growth, now.text))


def _words(growth: float, text: str) -> str:
    return f"up to {growth:.2f} times the load of now is usual in the hours to come; {text}"


def planned(need: Need, scene: Scene, books: Sequence[Playbook], prefix: str) -> Plan | None:
    """Bind the scale playbook of a need to it; more replicas may cost no more than they do. None: there is none."""
    back = need.after < need.before
    book = next((each for each in books if each.id == ("scale_in" if back else "scale_out")), None)
    if book is None:
        return None
    subject = f"{prefix}{need.service}-{scene.now:%Y%m%dT%H%M%S}"
    known: Bindings = {"service": need.service, "fewer_replicas": (str(need.after),), "more_replicas": str(need.after)}
    return bind(
        book if back else _priced(book, need, scene),
        incident=subject,
        plan_id=f"{subject}-plan-1",
        at=scene.now,
        service=need.service,
        fault=need.fault,
        bindings=known,
        predicted=f"{need.before} > {need.after} replicas: {_price(need, scene):+.2f} money an hour",
    )


def told(need: Need, plan: Plan, confidence: float) -> Case:
    """Return a routine in the words in which policies are told of a plan."""
    at, subject, entity = plan.at, plan.incident, f"service/{need.service}"
    sign = Anomaly(
        at=at,
        onset_at=at,
        signal="replicas",
        entity=entity,
        value=need.before,
        expected=need.after,
        threshold=need.after,
        score=1.0,
        detector="foresight",
        tier="weekly",
        reason=need.text,
    )
    guess = Hypothesis(fault=need.fault, entity=entity, probability=confidence, supporting=(), opposing=())
    return Case(
        incident=Incident(
            id=subject,
            at=at,
            service=need.service,
            severity="low",
            tier="weekly",
            fingerprint=f"foresight/{need.service}",
            anomalies=(sign,),
        ),
        diagnosis=Diagnosis(incident=subject, at=at, hypotheses=(guess,), resolved=True),
        plans=(plan,),
    )


def _price(need: Need, scene: Scene) -> float:
    spend = scene.observation.value("spend", f"service/{need.service}")
    return (spend or 0.0) / max(need.before, 1) * (need.after - need.before)


def _priced(book: Playbook, need: Need, scene: Scene) -> Playbook:
    money = min(book.bounds.money, round(_price(need, scene) + 0.01, 2))
    return book.model_copy(update={"bounds": book.bounds.model_copy(update={"money": money})})
