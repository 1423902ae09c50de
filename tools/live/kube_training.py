"""Training over an API server: one verb (``train_model``), a Job from a CronJob that the service's team owns.

The API server cannot bind the making of a Job to anything that was read. So an operation is first announced on the
CronJob, in a write that is bound to it as it was read, then the Job is made under the operation's own name, then its
uid is added to the announcement. Whoever asks later reads CronJob, Job and registry; while a call may be on its way,
"it did not happen" is never said. A training is done when its Job is complete, the registry has the version, and the
alias ``candidate`` points at it: nobody is answered by it until traffic is sent there.
"""

from datetime import timedelta

from config.fleet import Fleet, Service, Training
from tools.action import Action, Operation, Preimage, Receipt, TrainModel
from tools.clock import Clock
from tools.errors import Absent, Malformed, Refused, Transient
from tools.lease import TargetLeases
from tools.live.kube_api import Conflict, Json, KubeApi
from tools.live.kube_job import SERVICE, is_of, job_name, job_of, state_of
from tools.live.kube_routes import CANDIDATE, Routes
from tools.live.kube_stamp import Mark, Stamps
from tools.live.kube_writing import Target, Write, Writer, insist, opened
from tools.live.mlflow_names import NAME
from tools.ports import Registry
from tools.records import ModelState

OVERDUE = timedelta(minutes=2)  # after its deadline, by which whoever runs Jobs has ended one
_MARGIN = timedelta(seconds=5)


class TrainingActuator:
    """Implements ``tools.ports.Actuator`` for trainings. To be wrapped by the gate before anybody sees it."""

    def __init__(
        self, api: KubeApi, fleet: Fleet, clock: Clock, registry: Registry, leases: TargetLeases | None = None
    ) -> None:
        self._api, self._clock, self._registry = api, clock, registry
        self._services = {service.name: service for service in fleet.services}
        self._routes, self._writer = Routes(api, fleet, registry), Writer(api, clock, leases)
        self._settling = timedelta(seconds=2 * api.seconds) + _MARGIN  # either side may hold a call for so long

    @property
    def verbs(self) -> frozenset[str]:
        """Training."""
        return frozenset({"train_model"})

    def preimage(self, action: Action) -> Preimage:
        """Read which versions there are. There is no way back: a version that nobody is served harms nobody."""
        known = self._ours(action)
        return Preimage(state=_versions(self._registry.model(known.model)))

    def rehearse(self, action: Action) -> str:
        """Have the API server judge the very Job, as a dry run: quotas, webhooks and rights included."""
        known = self._ours(action)
        cron = self._cron(known)
        rehearsal = Operation(id="rehearsal", incident="", epoch=0)
        self._check(known, cron, rehearsal)
        self._dry(known, cron, rehearsal)
        until, name = known.end_at.isoformat(), cron["metadata"]["name"]
        return f"version {known.version} would be trained by a Job of CronJob {name}, on rows until {until}"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Announce it, make the Job, note which; an operation whose Job was made is answered from there."""
        known = self._ours(action)
        cron = self._cron(known)
        mark = Stamps.of(cron).find(operation)
        if mark is None:
            mark = insist(lambda: self._announced(known, operation))
        elif mark.target:
            return self._judged(known, operation, mark)
        else:
            self._writer.admit(Stamps.of(cron), _target(known), operation)
        job = self._made(known, cron, operation)
        insist(lambda: self._noted(known, operation, str(job["metadata"]["uid"])))
        return self._receipt(operation, mark, "running", f"Job {job['metadata']['name']}")

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what CronJob, Job and registry tell of an operation; None when it certainly did not happen."""
        known = self._ours(action)
        mark = Stamps.of(self._cron(known)).find(operation)
        return None if mark is None else self._told(known, operation, mark)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Write to the CronJob, which keeps out whoever has not announced yet; wait for a Job that is on its way."""
        known = self._ours(action)
        mark = insist(lambda: self._fenced(known, operation))
        return None if mark is None else self._told(known, operation, mark)

    # -- what became of it ---------------------------------------------------------------------------------------------
    def _told(self, action: TrainModel, operation: Operation, mark: Mark) -> Receipt | None:
        if mark.target or self._job(action, operation) is not None:
            return self._judged(action, operation, mark)
        left = mark.at + self._settling - self._clock.now()
        if left > timedelta():
            raise Transient(f"operation {operation.id} was announced, and its Job may be on its way", left)
        return None

    def _judged(self, action: TrainModel, operation: Operation, mark: Mark) -> Receipt:
        """Return how a training stands whose Job was made, whether that is there still or was cleared away."""
        job = self._job(action, operation)
        state, why = ("complete", "") if job is None else state_of(job)
        name = job_name(self._training(action).cron_job, operation)
        if state == "failed":
            return self._receipt(operation, mark, "failed", f"Job {name} failed: {why}")
        if state == "running":
            late = self._clock.now() - mark.at > timedelta(seconds=action.max_seconds) + OVERDUE
            hung = f"Job {name} is not over {action.max_seconds:.0f} s after it began, its deadline: delete it"
            return self._receipt(operation, mark, "failed" if late else "running", hung if late else f"Job {name}")
        if missing := self._unregistered(action):
            gone = "is gone" if job is None else "is complete"
            return self._receipt(operation, mark, "failed", f"Job {name} {gone}, and {missing}")
        return self._receipt(operation, mark, "done", f"trained by Job {name}")

    def _unregistered(self, action: TrainModel) -> str:
        """Return what is wanting in the registry; empty: nothing."""
        state = self._registry.model(action.model)
        if action.version not in [version.version for version in state.versions]:
            return f"no version of {action.model} is tagged {action.version}"
        stands = state.aliases.get(CANDIDATE, "")
        return "" if stands == action.version else f"alias {CANDIDATE} points at {stands or 'nothing'}"

    @staticmethod
    def _receipt(operation: Operation, mark: Mark, state: str, detail: str) -> Receipt:
        found = {"operation": operation.id, "state": state, "at": mark.at, "detail": detail}
        return Receipt.model_validate(found)

    # -- writes --------------------------------------------------------------------------------------------------------
    def _announced(self, action: TrainModel, operation: Operation) -> Mark:
        """Look, and write down what is begun on what was looked at: of two who looked at once, one looks again."""
        cron = self._cron(action)
        stamps = Stamps.of(cron)
        if (mark := stamps.find(operation)) is not None:
            return mark
        self._writer.admit(stamps, _target(action), operation)
        self._check(action, cron, operation)
        if changed := operation.unmet(_versions(self._registry.model(action.model))):
            raise Refused(f"{action.model}: {changed}")
        self._dry(action, cron, operation)
        return self._writer.mark(Write(self._path(action), cron, {}, "merge", ""), operation)

    def _noted(self, action: TrainModel, operation: Operation, made: str) -> None:
        cron = self._cron(action)
        notes = Stamps.of(cron).pointed(operation, made).notes()
        self._writer.send(Write(self._path(action), cron, {}, "merge", ""), dry_run=False, notes=notes)

    def _fenced(self, action: TrainModel, operation: Operation) -> Mark | None:
        return self._writer.fenced(self._path(action), self._cron(action), _target(action), operation)

    def _made(self, action: TrainModel, cron: Json, operation: Operation) -> Json:
        """Make the Job; one of that name that is there already is this operation's, or nobody's business here."""
        try:
            return self._api.post(self._jobs(action), self._wanted(action, cron, operation))
        except Conflict:
            found = self._job(action, operation)
            if found is None:
                raise Transient(f"Job {job_name(cron['metadata']['name'], operation)} comes and goes") from None
            return found

    def _dry(self, action: TrainModel, cron: Json, operation: Operation) -> None:
        self._api.post(self._jobs(action), self._wanted(action, cron, operation), dry_run=True)

    def _wanted(self, action: TrainModel, cron: Json, operation: Operation) -> Json:
        return job_of(cron, action, operation, self._training(action).scores)

    # -- refusals ------------------------------------------------------------------------------------------------------
    def _check(self, action: TrainModel, cron: Json, operation: Operation) -> None:
        """Refuse what would not end in a version that can be tried beside the one that serves."""
        opened(cron, changed=False)
        if action.without:
            raise Refused(f"{action.service}: nothing here proves a version that does without columns")
        if not NAME.match(action.version):
            raise Refused(f"{action.version} is no name of a version")
        if action.version in [version.version for version in self._registry.model(action.model).versions]:
            raise Refused(f"model {action.model} has a version {action.version} already")
        if share := self._routes.candidate_share(action.service):
            raise Refused(f"the candidate's backend of {action.service} has {share} % of the requests already")
        for mark in Stamps.of(cron).marks:
            left = mark.at + self._settling - self._clock.now()
            if mark.id != operation.id and not mark.target and left > timedelta():
                raise Transient(f"operation {mark.id} was announced, and its Job may be on its way", left)
        listed = self._api.items(self._jobs(action), labelSelector=f"{SERVICE}={action.service}")
        if running := [job["metadata"]["name"] for job in listed if state_of(job)[0] == "running"]:
            raise Refused(f"{action.service} is trained already: Job {', '.join(sorted(running))} is not over")

    def _ours(self, action: Action) -> TrainModel:
        if not isinstance(action, TrainModel):
            raise Refused(f"a training does not {action.verb}")
        service = self._services.get(action.service)
        if service is None or service.training is None:
            raise Refused(f"no training of {action.service} is configured: fleet.services, training.cron_job")
        if service.model != action.model:
            raise Refused(f"{action.service} does not serve model {action.model}")
        return action

    # -- finding -------------------------------------------------------------------------------------------------------
    def _training(self, action: TrainModel) -> Training:
        found = self._services[action.service].training
        assert found is not None
        return found

    def _path(self, action: TrainModel) -> str:
        return cron_path(self._api, self._services[action.service])

    def _cron(self, action: TrainModel) -> Json:
        return self._api.get(self._path(action))

    def _jobs(self, action: TrainModel) -> str:
        return f"/apis/batch/v1/namespaces/{namespace_of(self._services[action.service])}/jobs"

    def _job(self, action: TrainModel, operation: Operation) -> Json | None:
        """Return the Job of an operation; ``Malformed`` where a namesake has taken its place."""
        name = job_name(self._training(action).cron_job, operation)
        try:
            found = self._api.get(f"{self._jobs(action)}/{name}")
        except Absent:
            return None
        if not is_of(found, operation):
            raise Malformed(f"Job {name} is not that of operation {operation.id}")
        return found


def namespace_of(service: Service) -> str:
    """Return the namespace in which a service is trained."""
    return (service.training.namespace if service.training else "") or service.namespace


def cron_path(api: KubeApi, service: Service) -> str:
    """Return where the CronJob of a service lies: ``batch/v1`` since Kubernetes 1.21, ``batch/v1beta1`` before."""
    if service.training is None:
        raise Refused(f"no training of {service.name} is configured: fleet.services, training.cron_job")
    kinds = {each["name"] for each in api.discover("/apis/batch/v1")["resources"]}
    version = "v1" if "cronjobs" in kinds else "v1beta1"
    return f"/apis/batch/{version}/namespaces/{namespace_of(service)}/cronjobs/{service.training.cron_job}"


def _versions(state: ModelState) -> dict[str, str]:
    return {"versions": ",".join(version.version for version in state.versions)}


def _target(action: TrainModel) -> Target:
    return Target(f"service/{action.service}", action.verb)
