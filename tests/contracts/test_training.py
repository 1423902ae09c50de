"""What training promises: the pretend world, its twin over the wire, and a real API server with its own Job controller.

On the real one the registry is told of a version as a job would tell it; all else is the cluster's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.fleet import Fleet, Service
from config.load import load_fleet
from config.servers import ClusterSettings, RegistrySettings
from simulator.lab.lab import apply
from simulator.lab.servers import wait_until
from simulator.twin.serve import served, write_kubeconfig
from simulator.twin.trainings import configured
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.contracts.conftest import WIRED, RealCluster
from tests.contracts.test_routes import CRD, HEAD, ROUTES
from tests.plane import NAMESPACE, there
from tools.action import Operation, Receipt, TrainModel
from tools.clock import Clock
from tools.errors import Absent, Refused
from tools.live.clock import SystemClock
from tools.live.doctor import rights, trainings
from tools.live.kube_api import KubeApi
from tools.live.kube_training import TrainingActuator
from tools.live.mlflow import MlflowRegistry
from tools.live.mlflow_api import MlflowApi
from tools.ports import Actuator, Registry
from tools.records import ModelState, ModelVersion

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"
LIVED = 60  # ticks of a world, after which enough labels are known


class School:
    """A service ``fraud`` whose model can be trained."""

    actuator: Actuator
    registry: Registry
    clock: Clock

    def let_end(self) -> None:
        """Let every training that was begun come to its end."""
        raise NotImplementedError

    def versions(self) -> list[str]:
        return [version.version for version in self.registry.model("fraud").versions]


class PretendSchool(School):
    def __init__(self) -> None:
        self.world = World(load_fleet(DEMO))
        self._live(LIVED)
        self.actuator, self.registry, self.clock = self.world.actuator, self.world.registry, self.world.clock

    def _live(self, ticks: int) -> None:
        for _ in range(ticks):
            self.world.advance(30.0)

    def let_end(self) -> None:
        self._live(8)


class TwinSchool(PretendSchool):
    """The pretend world again, through its API server and its registry, with the live adapters."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        super().__init__()
        twin = Twin(self.world)
        services = [configured(s, "{version}.parquet") if s.model else s for s in self.world.fleet.services]
        fleet = Fleet(services=tuple(services))
        where = stack.enter_context(served(twin, self.clock.now))
        kubeconfig = write_kubeconfig(folder / "kubeconfig", where.cluster_url, "default")
        api = KubeApi(ClusterSettings.model_validate({"kubeconfig": kubeconfig, "timeout": "30s"}))
        stack.callback(api.close)
        mlflow = MlflowApi(RegistrySettings.model_validate({"url": where.registry_url, "timeout": "30s"}))
        self.registry = MlflowRegistry(mlflow, fleet, self.clock)
        self.actuator = TrainingActuator(api, fleet, self.clock, self.registry)


class Told:
    """A registry that knows what a job told it."""

    def __init__(self) -> None:
        self.names, self.aliases = ["1", "2"], {"champion": "2"}

    def model(self, name: str) -> ModelState:
        if name != "fraud":
            raise Absent(f"no model {name}")
        at = SystemClock().now()
        made = tuple(ModelVersion(model=name, version=each, created_at=at) for each in self.names)
        return ModelState(model=name, versions=made, aliases=dict(self.aliases))


SIDE = {"champion": "fraud-champion", "candidate": "fraud-candidate"}
FRAUD = {"name": "fraud", "kind": "tabular", "model": "fraud", "namespace": NAMESPACE, "route": "fraud"}
TRAINED = {**FRAUD, "versions": SIDE, "training": {"cron_job": "train-fraud", "scores": "{version}.parquet"}}
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"


class RealSchool(School):
    def __init__(self, real: RealCluster, stack: ExitStack) -> None:
        self.admin, self.clock, self.told = real.admin, SystemClock(), Told()
        self._fresh()
        stack.callback(self._cleared)
        api = real.api()
        stack.callback(api.close)
        fleet = Fleet(services=(Service.model_validate(TRAINED),))
        self.registry = self.told  # type: ignore[assignment]
        self.actuator = TrainingActuator(api, fleet, self.clock, self.registry)

    def _fresh(self) -> None:
        admin = self.admin
        admin.ensure("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
        wait_until(lambda: there(admin, ROUTES), "HTTPRoutes")
        self._cleared()
        kinds = {each["name"] for each in admin.get("/apis/batch/v1")["resources"]}
        version = "v1" if "cronjobs" in kinds else "v1beta1"
        path = f"/apis/batch/{version}/namespaces/{NAMESPACE}/cronjobs"
        for at in (f"{path}/train-fraud", f"{ROUTES}/fraud"):
            if there(admin, at):
                admin.delete(at)
                wait_until(lambda at=at: not there(admin, at), "an end of the test before")  # type: ignore[misc]
        container = {"name": "train", "image": "registry.example/train:1", "command": ["true"]}
        pod = {"restartPolicy": "OnFailure", "containers": [container]}
        spec = {"schedule": "0 3 * * 0", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": pod}}}}
        admin.post(path, {"metadata": {"name": "train-fraud"}, "spec": spec})
        refs = [{"name": "fraud-champion", "port": 80}, {"name": "fraud-candidate", "port": 80, "weight": 0}]
        admin.post(ROUTES, {"metadata": {"name": "fraud"}, "spec": {"rules": [{"backendRefs": refs}]}} | HEAD)

    def _cleared(self) -> None:
        """Leave no Job behind, nor its pods: other tests count the pods of the namespace."""
        for job in self.admin.items(JOBS):
            self.admin.delete(f"{JOBS}/{job['metadata']['name']}?propagationPolicy=Background")
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=job-name"
        wait_until(lambda: not self.admin.items(pods), "the end of the pods of Jobs", limit_s=90.0)

    def let_end(self) -> None:
        """Wait for the Job controller, after the job has registered what it was ordered to make."""
        for job in self.admin.items(JOBS):
            (container,) = job["spec"]["template"]["spec"]["containers"]
            version = next(each["value"] for each in container["env"] if each["name"] == "PRUNELLA_VERSION")
            self.told.names.append(version)
            self.told.aliases["candidate"] = version
        wait_until(lambda: all(_complete(job) for job in self.admin.items(JOBS)), "the end of every Job", limit_s=90.0)


def _complete(job: Any) -> bool:
    return any(each["type"] == "Complete" for each in job.get("status", {}).get("conditions", ()))


@pytest.fixture(params=["world", pytest.param("twin", marks=WIRED), pytest.param("kubernetes", marks=WIRED)])
def school(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[School]:
    """Any implementation, fresh."""
    with ExitStack() as stack:
        match request.param:
            case "world":
                yield PretendSchool()
            case "twin":
                yield TwinSchool(tmp_path, stack)
            case _:
                yield RealSchool(request.getfixturevalue("real_cluster"), stack)


def op(name: str, epoch: int = 1) -> Operation:
    return Operation(id=name, incident="inc-1", epoch=epoch)


def order(school: School, **more: Any) -> TrainModel:
    now: datetime = school.clock.now()
    window = {"start_at": now - timedelta(hours=1), "end_at": now, "max_seconds": 600}
    return TrainModel.model_validate({"service": "fraud", "model": "fraud", "version": "p-1", **window, **more})


def known(found: Receipt | None) -> Receipt:
    assert found is not None
    return found


def test_a_version_is_made_in_its_time_and_serves_nobody(school: School) -> None:
    action, before = order(school), school.versions()
    seen = school.actuator.preimage(action)
    assert seen.state == {"versions": ",".join(before)}
    assert "p-1" in school.actuator.rehearse(action)
    assert school.actuator.lookup(action, op("a")) is None
    assert school.actuator.apply(action, op("a").model_copy(update={"expects": seen.state})).state == "running"
    assert known(school.actuator.lookup(action, op("a"))).state in ("running", "failed")  # failed: not registered yet
    school.let_end()
    assert known(school.actuator.lookup(action, op("a"))).state == "done"
    assert school.versions() == [*before, "p-1"]
    assert school.registry.model("fraud").aliases["champion"] == "2"


def test_it_is_begun_once(school: School) -> None:
    action = order(school)
    first = school.actuator.apply(action, op("a"))
    assert school.actuator.apply(action, op("a")).operation == first.operation
    school.let_end()
    assert known(school.actuator.lookup(action, op("a"))).at >= first.at
    assert school.actuator.apply(action, op("a")).operation == "a"
    assert school.versions().count("p-1") == 1


def test_a_lower_epoch_and_whoever_comes_late_are_kept_out(school: School) -> None:
    action = order(school)
    assert school.actuator.fence(action, op("gone", epoch=9)) is None
    for attempt in (school.actuator.apply, school.actuator.fence):
        with pytest.raises(Refused, match="epoch 8 is below 9"):
            attempt(action, op("zombie", epoch=8))
    assert school.actuator.apply(action, op("a", epoch=9)).state == "running"


@pytest.mark.parametrize("changed", [{"service": "nobody"}, {"model": "other"}, {"version": "2"}], ids=str)
def test_the_impossible_is_refused_in_rehearsal_and_in_earnest(school: School, changed: dict[str, str]) -> None:
    action, before = order(school, **changed), school.versions()
    for attempt in (lambda: school.actuator.rehearse(action), lambda: school.actuator.apply(action, op("a"))):
        with pytest.raises((Refused, Absent)):
            attempt()
    school.let_end()
    assert school.versions() == before


def test_what_is_not_as_it_was_seen_is_left_alone(school: School) -> None:
    action, stamp = order(school), op("a").model_copy(update={"expects": {"versions": "1"}})
    with pytest.raises(Refused, match="changed meanwhile"):
        school.actuator.apply(action, stamp)
    assert school.actuator.lookup(action, stamp) is None


@pytest.mark.real
@pytest.mark.enable_socket
def test_the_optional_role_is_what_a_training_needs_and_no_less(real_cluster: RealCluster, tmp_path: Path) -> None:
    """Under the roles that ship, and without the one for trainings."""
    admin, deploy = real_cluster.admin, DEMO.parents[1] / "deploy"
    for name in ("rbac.yaml", "training.yaml"):
        for item in yaml.safe_load_all((deploy / name).read_text()):
            apply(admin, item)
    with ExitStack() as stack:
        made = RealSchool(real_cluster, stack)
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": None}}
        token = admin.post("/api/v1/namespaces/prunella/serviceaccounts/prunella/token", asked)["status"]["token"]
        config = yaml.safe_load(real_cluster.plane.admin_kubeconfig.read_text())
        for user in config["users"]:
            user["user"] = {"token": token}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        api = real_cluster.api(tmp_path / "kubeconfig")
        stack.callback(api.close)
        fleet = Fleet(services=(Service.model_validate(TRAINED),))
        hands = TrainingActuator(api, fleet, made.clock, made.registry)
        assert hands.apply(order(made), op("a")).state == "running"
        made.let_end()
        assert known(hands.lookup(order(made), op("a"))).state == "done"
        assert not [check for check in rights(api, fleet) if "batch" in check.text]
        binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/prunella-train"
        admin.delete(binding)
        wait_until(lambda: _refused(hands, order(made)), "an end of that right")
        said = {check.text for check in rights(api, fleet) if check.ok is False}
        assert f"may not create jobs.batch in namespace {NAMESPACE}" in said
        (check,) = trainings(api, fleet, made.clock, made.registry)
        assert check.ok is None


def _refused(hands: TrainingActuator, action: TrainModel) -> bool:
    try:
        hands.rehearse(action)
    except Refused as error:
        return "403" in str(error)
    return False
