"""Makeshift: while a person mends what comes broken from upstream, a version serves that does without it.

The cause is a person's, and a person is told before anything is done here. What users feel is softened meanwhile: a
version is trained on rows of before without the columns that are spoiled, tried on rows of before that are spoiled as
those of now, and served step by step. Labels then confirm it, or it is taken back. Once the columns are sound and
labels show that the whole version is better again, that one is put back. How one is carried out is in ``agent.course``.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from agent.case import Anomaly, Diagnosis, Hypothesis, Incident
from agent.casebook import Case, read_cases
from agent.course import GIVEN_UP, Course
from agent.desk import Desk
from agent.guards import checker
from agent.observe import Scene
from agent.preconditions import Ground, unmet
from agent.soundness import LEAST, bindings, champion_of, ill_shown
from agent.spoiled import INPUTS
from config.fleet import Service
from playbooks.bind import bind
from playbooks.plan import Plan, Playbook
from policies.windows import frozen_by
from tools.action import TrainModel
from tools.errors import Absent, Ambiguous, ToolError, Transient

PREFIX = "makeshift-"
EASED = "EASED"  # why a makeshift was begun or ended
SOUND = "columns_sound"  # what a version is put back for
BACK = "rollback_model"  # the playbook that does it
EVERY = timedelta(minutes=1)  # between two looks for what could be eased or put back
TOLD = timedelta(hours=6)  # after which what a person was told is no ground any more
MOST_BACK = 3  # times that putting back is tried


class Makeshift(Course):
    """Begins makeshifts, takes them further, and puts back what served before."""

    prefix = PREFIX

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._check = checker(desk.look)
        self._serving: dict[str, Plan] = {}  # by service
        self._sound_at: dict[str, datetime] = {}  # since when no column of a service is spoiled
        self._next_at: datetime | None = None
        self._recall()

    def tick(self, scene: Scene, ill: Collection[str], *, calm: bool) -> None:
        """Look for what could be eased or put back, and take what is under way further.

        ``ill``: the services of open cases. ``calm``: nothing holds her back; else nothing is begun.
        """
        spoiled = scene.observation.spoiled
        for name in self._serving:
            self._sound_at.pop(name, None) if spoiled.get(name) else self._sound_at.setdefault(name, scene.now)
        calm = calm and not scene.observation.problems and not frozen_by(self._desk.freezes, scene.now)
        if calm and (self._next_at is None or scene.now >= self._next_at):
            self._next_at = scene.now + EVERY
            self._put_back(scene, ill)
            self._ease(scene, ill)
        for plan in tuple(self._open.values()):  # what was begun just now is done at once
            self._further(plan, scene)

    # -- beginning -----------------------------------------------------------------------------------------------------
    def _ease(self, scene: Scene, ill: Collection[str]) -> None:
        """Begin what may be done for services whose columns are spoiled, and of which a person was told."""
        taken = {*ill, *self._serving, *(plan.service for plan in self._open.values())}
        lately = ill_shown(scene)
        sick = [s for s in scene.fleet.services if s.name in lately and s.name not in taken]
        cases = read_cases(self._desk.journal) if sick else ()
        for service in sick:
            told = [case for case in cases if _was_told(case, service, scene.now)]
            told = [case for case in told if not self._rests_now(service.name, _top(case).fault, scene.now)]
            for book in self._desk.playbooks if told and not self._busy(scene.now, service.name) else ():
                self._try(book, service, told[-1], scene)

    def _try(self, book: Playbook, service: Service, case: Case, scene: Scene) -> None:
        top, subject = _top(case), f"{PREFIX}{case.incident.id.removeprefix('inc-')}"
        if top.fault not in book.eases or self._desk.journal.entries(subject=subject, kinds=("PLAN",)):
            return  # one is tried once
        known = bindings(service, case, scene)
        if any(not known.get(name) for name in book.requires):
            return
        ground = Ground(service, known, scene)
        if any(unmet(name, ground) for name in book.preconditions):
            return
        columns = ", ".join(known["columns"])
        text = f"answers without {columns}, if that is surely better, until what feeds it is mended"
        plan = bind(
            book,
            incident=subject,
            plan_id=f"{subject}-plan-1",
            at=scene.now,
            service=service.name,
            fault=top.fault,
            bindings=known,
            predicted=f"{service.name} {text}",
        )
        self._judged(spoken(plan, case.incident, top.probability, text), scene, {}, _words(plan, text))

    def _note(self, plan: Plan, why: Mapping[str, object]) -> None:
        self._desk.write(plan.incident, EASED, why)

    def _put_back(self, scene: Scene, ill: Collection[str]) -> None:
        """Put the whole version back where its columns are sound and labels show that it is better again."""
        taken = {*ill, *(plan.service for plan in self._open.values())}
        for name, served in tuple(self._serving.items()):
            service, sound = scene.fleet.service(name), self._sound_at.get(name)
            now, before = versions(served)
            if champion_of(service, scene) not in ("", now):
                self._serving.pop(name)  # somebody put something else there: it is over
            elif name not in taken and sound and (text := _better_again(service, (before, now), sound, scene)):
                self._back(served, before, text, scene)

    def _back(self, served: Plan, version: str, text: str, scene: Scene) -> None:
        book = next((each for each in self._desk.playbooks if each.id == BACK), None)
        subject = self._fresh(served)
        model = next(step.action.model for step in served.steps if isinstance(step.action, TrainModel))
        if book is None or not subject:
            return
        plan = bind(
            book,
            incident=subject,
            plan_id=f"{subject}-plan-1",
            at=scene.now,
            service=served.service,
            fault=SOUND,
            bindings={"service": served.service, "model": model, "good_version": version},
            predicted=f"{served.service} answers with all of its columns again",
        )
        self._judged(spoken(plan, None, 1.0, text), scene, {}, _words(plan, text))

    def _fresh(self, served: Plan) -> str:
        """Return a subject for putting back; none while another is under way, whoever began it, or too many failed."""
        for number in range(1, MOST_BACK + 1):
            subject = f"{served.incident}-back-{number}"
            kinds = [entry.kind for entry in self._desk.journal.entries(subject=subject, kinds=("PLAN", "OUTCOME"))]
            if "OUTCOME" not in kinds:
                return "" if kinds else subject
        return ""

    # -- going on ------------------------------------------------------------------------------------------------------
    def _further(self, plan: Plan, scene: Scene) -> None:
        desk, service = self._desk, scene.fleet.service(plan.service)
        proving = desk.since(plan.incident, "VERIFYING")
        try:
            if desk.since(plan.incident, GIVEN_UP) is not None:
                self._turn(plan, "", again=True)
            elif proving is None:
                self._advance(plan)
            elif plan.fault == SOUND:
                self._prove(plan, scene, service, proving)
            else:
                self._confirm(plan, scene, proving)
        except (Transient, Ambiguous):
            return  # the next tick looks again
        except ToolError as error:
            self._end(plan, "inconclusive", f"not carried out: {error}")

    def _confirm(self, plan: Plan, scene: Scene, began: datetime) -> None:
        """Keep it where labels of spoiled rows say that it is better; else take it back."""
        said = self._check(plan.verification.guards[0], plan)
        if said.verdict == "holds" and scene.now - began >= plan.verification.hold:
            self._end(plan, "recovered", said.text)
        elif said.verdict == "broken" or scene.now - began > plan.verification.deadline:
            self._turn(plan, f"labels do not show that it helps: {said.text}", again=False)

    def _settled(self, plan: Plan, verdict: str, at: datetime) -> None:
        """Remember what serves; what did not help one time is not tried again soon."""
        if verdict != "recovered":
            self._rest(plan.service, plan.fault, at + TOLD)
        if plan.fault != SOUND and verdict == "recovered":
            self._serving[plan.service] = plan
        elif plan.fault == SOUND and verdict == "recovered":
            self._serving.pop(plan.service, None)


def _better_again(service: Service, pair: tuple[str, str], since: datetime, scene: Scene) -> str:
    """Return how much better the first version is on labelled rows since then, where it surely is; else nothing."""
    try:
        found = scene.senses.registry.compare(service.name, *pair, since, scene.now)
    except ToolError:
        return ""
    if found.rows < LEAST or found.gain_high >= 0:
        return ""
    right = " against ".join(f"{found.accuracy[version]:.1%}" for version in pair)
    return f"its columns are sound, and {pair[0]} is right again: {right} of {found.rows} rows"


def versions(plan: Plan) -> tuple[str, str]:
    """Return the version that does without, and the one that it stands in for."""
    args = plan.verification.guards[0].args
    return args["version"], args["than"]


def spoken(plan: Plan, incident: Incident | None, confidence: float, text: str) -> Case:
    """Return one of these in the words in which policies are told of a plan; ``incident``: the one that it eases."""
    entity = f"service/{plan.service}"
    sign = Anomaly(
        at=plan.at,
        onset_at=plan.at,
        signal=INPUTS,
        entity=entity,
        value=0.0,
        expected=0.0,
        threshold=0.0,
        score=1.0,
        detector=INPUTS,
        tier="daily",
        reason=text,
    )
    own = Incident(
        id=plan.incident,
        at=plan.at,
        service=plan.service,
        severity=incident.severity if incident else "low",
        tier="daily",
        fingerprint=f"makeshift/{plan.service}",
        anomalies=incident.anomalies if incident else (sign,),
    )
    guess = Hypothesis(fault=plan.fault, entity=entity, probability=confidence, supporting=(), opposing=())
    diagnosis = Diagnosis(incident=plan.incident, at=plan.at, hypotheses=(guess,), resolved=True)
    return Case(incident=own, diagnosis=diagnosis, plans=(plan,))


def _words(plan: Plan, text: str) -> dict[str, object]:
    return {"service": plan.service, "playbook": plan.playbook, "text": text}


def _was_told(case: Case, service: Service, now: datetime) -> bool:
    """Whether a person was told lately what is wrong with what the model of a service is shown."""
    told = case.phase == "escalated" and case.outcome is not None and now - case.outcome.at < TOLD
    return told and case.incident.service == service.name and case.diagnosis is not None and case.diagnosis.resolved


def _top(case: Case) -> Hypothesis:
    if case.diagnosis is None or case.diagnosis.top is None:
        raise Absent(f"{case.incident.id} has no diagnosis")
    return case.diagnosis.top
