"""A version is trained once or not at all, wherever a call breaks off and whatever its Job does: without any server."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.fleet import Fleet, Service
from tools.action import Operation, SetAlias, SetSplit, TrainModel
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError, Transient
from tools.lease import Hold
from tools.live.doctor import routes, trainings
from tools.live.kube_api import Conflict, Json
from tools.live.kube_job import job_name, job_of
from tools.live.kube_routes import RouteActuator, Routes
from tools.live.kube_training import TrainingActuator
from tools.live.promotion import PromotingActuator
from tools.records import ModelState, ModelVersion

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIDE = {"champion": "fraud-champion", "candidate": "fraud-candidate"}
FRAUD = {"name": "fraud", "kind": "tabular", "model": "fraud", "route": "fraud", "versions": SIDE}
TRAINED = {**FRAUD, "training": {"cron_job": "train-fraud", "scores": "s/{version}.parquet"}}
FLEET = Fleet(
    services=(
        Service.model_validate(TRAINED),
        Service.model_validate({**FRAUD, "name": "credit", "route": ""} | {"versions": None, "model": "credit"}),
    )
)
ACTION = TrainModel(
    service="fraud", model="fraud", version="p-1", start_at=AT - timedelta(hours=2), end_at=AT, max_seconds=600
)
ONCE = Operation(id="op-1", incident="inc-1", epoch=4)
CRON = "/apis/batch/v1/namespaces/default/cronjobs/train-fraud"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
JOB = f"{JOBS}/{job_name('train-fraud', ONCE)}"
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/fraud"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class Clock:
    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at


class Registry:
    """The model registry, as told."""

    def __init__(self) -> None:
        self.versions, self.aliases, self.away = ["1", "2"], {"champion": "2"}, False

    def model(self, name: str) -> ModelState:
        if self.away:
            raise Transient("the registry is away")
        made = tuple(ModelVersion(model=name, version=each, created_at=AT) for each in self.versions)
        return ModelState(model=name, versions=made, aliases=dict(self.aliases))

    def registered(self, version: str = "p-1", alias: str = "p-1") -> None:
        """Do what the job does at its end."""
        self.versions.append(version)
        self.aliases["candidate"] = alias


class Server:
    """An API server of one CronJob, its Jobs, a route and two Deployments, which fails as it is told."""

    seconds = 10.0

    def __init__(self) -> None:
        container = {"name": "train", "image": "x", "env": [{"name": "A", "value": "b"}]}
        pod = {"restartPolicy": "OnFailure", "containers": [container]}
        cron = {"spec": {"suspend": True, "jobTemplate": {"spec": {"template": {"spec": pod}}}}}
        refs = [{"name": "fraud-champion"}, {"name": "fraud-candidate", "weight": 0}]
        accepted = {"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]}
        self.items_at: dict[str, Json] = {
            CRON: {**cron, "metadata": _head("train-fraud")},
            ROUTE: {"spec": {"rules": [{"backendRefs": refs}]}, "status": accepted, "metadata": _head("fraud")},
            f"{DEPLOYMENTS}/fraud": {"status": {"readyReplicas": 4}},
            f"{DEPLOYMENTS}/fraud-candidate": {"status": {"readyReplicas": 4}},
        }
        self.made: list[str] = []
        self.meddle: Callable[[str, str], None] = lambda _verb, _path: None

    def discover(self, path: str) -> Json:
        assert path == "/apis/batch/v1"
        return {"resources": [{"name": "jobs"}, {"name": "cronjobs"}]}

    def group(self, name: str) -> str:
        return f"{name}/v1"

    def get(self, path: str, **_: str) -> Json:
        if path not in self.items_at:
            raise Absent(f"nothing at {path}")
        return copy.deepcopy(self.items_at[path])

    def items(self, path: str, labelSelector: str = "") -> list[Json]:
        key, value = labelSelector.split("=")
        found = [item for at, item in self.items_at.items() if at.startswith(f"{path}/")]
        return [item for item in found if item["metadata"]["labels"].get(key) == value]

    def post(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        if dry_run:
            return body
        self.meddle("before", path)
        at = f"{path}/{body['metadata']['name']}"
        if at in self.items_at:
            raise Conflict("already exists")
        self.items_at[at] = copy.deepcopy(body)
        self.items_at[at]["metadata"]["uid"] = f"uid-{len(self.made)}"
        self.made.append(at)
        self.meddle("after", path)
        return copy.deepcopy(self.items_at[at])

    def patch(self, path: str, body: Any, kind: str, *, dry_run: bool = False) -> Json:
        if dry_run:
            return {}
        self.meddle("before", path)
        item = self.items_at[path]
        version = body[0]["value"] if kind == "json" else body["metadata"]["resourceVersion"]
        if version != item["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        if kind == "json":
            item["metadata"]["annotations"] = body[1]["value"]
            for step in body[2:]:
                _, _, _, rule, _, ref, _ = step["path"].split("/")
                item["spec"]["rules"][int(rule)]["backendRefs"][int(ref)]["weight"] = step["value"]
        else:
            item["metadata"].setdefault("annotations", {}).update(body["metadata"]["annotations"])
        item["metadata"]["resourceVersion"] = str(int(version) + 1)
        self.meddle("after", path)
        return item

    def ended(self, kind: str, reason: str = "", at: str = JOB) -> None:
        """Say of the Job what its controller would."""
        self.items_at[at]["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}

    def weights(self) -> list[int]:
        return [ref.get("weight", 1) for ref in self.items_at[ROUTE]["spec"]["rules"][0]["backendRefs"]]


def _head(name: str) -> Json:
    return {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}


class Ground:
    def __init__(self, leases: Any = None) -> None:
        self.server, self.registry, self.clock = Server(), Registry(), Clock()
        self.leases = leases

    def hands(self) -> TrainingActuator:
        """Return the hands of a process that has just begun."""
        return TrainingActuator(self.server, FLEET, self.clock, self.registry, self.leases)  # type: ignore[arg-type]

    def traffic(self) -> RouteActuator:
        return RouteActuator(self.server, FLEET, self.clock, None, self.registry)  # type: ignore[arg-type]


@pytest.fixture
def ground() -> Ground:
    return Ground()


# -- the Job -----------------------------------------------------------------------------------------------------------
def test_a_job_is_the_template_with_an_order_and_bounds(ground: Ground) -> None:
    cron = ground.server.get(CRON)
    cron["spec"]["jobTemplate"]["metadata"] = {"labels": {"team": "risk"}, "annotations": {"note": "x"}}
    job = job_of(cron, ACTION, ONCE, "s/{version}.parquet")
    env = {each["name"]: each["value"] for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env == {
        "A": "b",
        "PRUNELLA_MODEL": "fraud",
        "PRUNELLA_VERSION": "p-1",
        "PRUNELLA_TRAIN_START": "2026-03-01T10:00:00+00:00",
        "PRUNELLA_TRAIN_END": "2026-03-01T12:00:00+00:00",
        "PRUNELLA_SCORES": "s/p-1.parquet",
    }
    assert job["spec"]["activeDeadlineSeconds"] == 600
    assert (job["spec"]["backoffLimit"], job["spec"]["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert job["metadata"]["labels"] == {"team": "risk", "prunella.dev/service": "fraud"}
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CronJob", "uid-train-fraud", True)
    assert "blockOwnerDeletion" not in owner
    assert cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"  # theirs is left


def test_a_deadline_of_the_team_s_own_is_kept_where_it_is_shorter(ground: Ground) -> None:
    cron = ground.server.get(CRON)
    cron["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] = 90
    assert job_of(cron, ACTION, ONCE, "{version}")["spec"]["activeDeadlineSeconds"] == 90


def test_a_template_that_cannot_be_run_is_said_to_be_so(ground: Ground) -> None:
    cron = ground.server.get(CRON)
    cron["spec"]["jobTemplate"] = {"spec": {"template": {}}}
    with pytest.raises(Malformed, match="train-fraud has no template"):
        job_of(cron, ACTION, ONCE, "{version}")


def test_the_longest_names_make_a_name_that_kubernetes_takes() -> None:
    name = job_name("a" * 41 + "-" + "b" * 10, ONCE)
    assert len(name) <= 63
    assert "--" not in name
    assert name != job_name("a" * 41 + "-" + "b" * 10, ONCE.model_copy(update={"id": "op-2"}))


# -- how it goes -------------------------------------------------------------------------------------------------------
def test_all_goes_well(ground: Ground) -> None:
    hands = ground.hands()
    before = hands.preimage(ACTION)
    assert (before.state, before.inverse) == ({"versions": "1,2"}, None)
    assert "p-1" in hands.rehearse(ACTION)
    assert not ground.server.made
    assert hands.lookup(ACTION, ONCE) is None
    assert hands.apply(ACTION, ONCE).state == "running"
    assert _state(ground) == "running"
    ground.registry.registered()
    ground.server.ended("Complete")
    assert _state(ground) == "done"
    assert hands.apply(ACTION, ONCE).state == "done"  # answered, not done again
    assert ground.server.made == [JOB]


def _state(ground: Ground) -> str:
    """Ask as another process would."""
    found = ground.hands().lookup(ACTION, ONCE)
    return found.state if found else "nothing"


def _detail(ground: Ground) -> str:
    found = ground.hands().lookup(ACTION, ONCE)
    assert found is not None
    assert found.state == "failed"
    return found.detail


def test_a_job_that_fails_or_is_ended_at_its_deadline_has_failed(ground: Ground) -> None:
    ground.hands().apply(ACTION, ONCE)
    ground.server.ended("Failed", "DeadlineExceeded")
    assert "failed: DeadlineExceeded" in _detail(ground)


def test_a_job_that_nobody_ends_has_failed_after_its_deadline_and_is_named(ground: Ground) -> None:
    ground.hands().apply(ACTION, ONCE)
    ground.clock.at += timedelta(minutes=11)
    assert _state(ground) == "running"
    ground.clock.at += timedelta(minutes=2)
    assert "delete it" in _detail(ground)


@pytest.mark.parametrize(
    ("version", "alias", "why"),
    [
        ("", "", "no version of fraud is tagged p-1"),
        ("9", "9", "is tagged p-1"),
        ("p-1", "2", "alias candidate points at 2"),
    ],
)
def test_a_job_that_is_complete_and_registered_nothing_of_use_has_failed(
    ground: Ground, version: str, alias: str, why: str
) -> None:
    ground.hands().apply(ACTION, ONCE)
    if version:
        ground.registry.registered(version, alias)
    ground.server.ended("Complete")
    assert why in _detail(ground)


def test_while_the_registry_is_away_nothing_is_said(ground: Ground) -> None:
    ground.hands().apply(ACTION, ONCE)
    ground.server.ended("Complete")
    ground.registry.away = True
    for ask in (ground.hands().lookup, ground.hands().apply):
        with pytest.raises(Transient):
            ask(ACTION, ONCE)


def test_nothing_is_begun_while_the_registry_is_away(ground: Ground) -> None:
    ground.registry.away = True
    for ask in (lambda: ground.hands().preimage(ACTION), lambda: ground.hands().apply(ACTION, ONCE)):
        with pytest.raises(Transient):
            ask()
    assert not ground.server.made


def test_a_job_that_was_cleared_away_is_judged_by_the_registry(ground: Ground) -> None:
    ground.hands().apply(ACTION, ONCE)
    del ground.server.items_at[JOB]
    assert "is gone, and no version" in _detail(ground)
    ground.registry.registered()
    assert _state(ground) == "done"


# -- where it breaks off -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(3))
def test_a_reply_that_is_lost_anywhere_never_makes_two_jobs(ground: Ground, number: int, when: str) -> None:
    """Also what a crash there is: another process asks, and goes on."""
    count = {"before": 0, "after": 0}

    def lose(at: str, _: str) -> None:
        count[at] += 1
        if at == when and count[at] == number + 1:
            raise Ambiguous("the reply was lost")

    ground.server.meddle = lose
    with pytest.raises(Ambiguous):
        ground.hands().apply(ACTION, ONCE)
    try:
        known = ground.hands().lookup(ACTION, ONCE)
    except Transient as error:
        assert not ground.server.made
        ground.clock.at += error.retry_after
        known = ground.hands().lookup(ACTION, ONCE)
    assert (known is not None) == bool(ground.server.made)
    assert ground.hands().apply(ACTION, ONCE).state == "running"
    assert ground.server.made == [JOB]


def announced(ground: Ground) -> None:
    """Begin a training whose Job may be on its way: the call that makes it is lost."""

    def lose(at: str, path: str) -> None:
        if (at, path) == ("before", JOBS):
            raise Ambiguous("the reply was lost")

    ground.server.meddle = lose
    with pytest.raises(Ambiguous):
        ground.hands().apply(ACTION, ONCE)


def test_while_a_job_may_be_on_its_way_nobody_says_that_it_was_not_made(ground: Ground) -> None:
    announced(ground)
    for ask in (ground.hands().lookup, ground.hands().fence):
        with pytest.raises(Transient):
            ask(ACTION, ONCE)
    ground.clock.at += timedelta(seconds=30)
    assert ground.hands().fence(ACTION, ONCE) is None


def test_of_two_processes_with_one_operation_one_makes_the_job(ground: Ground) -> None:
    def other(at: str, path: str) -> None:
        if (at, path) == ("before", JOBS):
            ground.server.meddle = lambda *_: None
            ground.hands().apply(ACTION, ONCE)

    ground.server.meddle = other
    assert ground.hands().apply(ACTION, ONCE).state == "running"
    assert ground.server.made == [JOB]


def test_a_second_training_is_refused_while_one_is_not_over(ground: Ground) -> None:
    ground.hands().apply(ACTION, ONCE)
    other = ACTION.model_copy(update={"version": "p-2"})
    with pytest.raises(Refused, match="is trained already"):
        ground.hands().apply(other, ONCE.model_copy(update={"id": "op-2"}))
    ground.server.ended("Failed")
    assert ground.hands().apply(other, ONCE.model_copy(update={"id": "op-2"})).state == "running"


def test_of_two_trainings_that_begin_at_once_one_is_refused(ground: Ground) -> None:
    """Both have looked, and seen no Job; the CronJob, changed since, makes the second look again."""

    def other(at: str, path: str) -> None:
        if (at, path) == ("before", CRON):
            ground.server.meddle = lambda *_: None
            ground.hands().apply(ACTION.model_copy(update={"version": "p-2"}), ONCE.model_copy(update={"id": "op-2"}))

    ground.server.meddle = other
    with pytest.raises(Refused, match="is trained already"):
        ground.hands().apply(ACTION, ONCE)
    assert len(ground.server.made) == 1


def test_a_training_that_somebody_has_just_announced_is_waited_for(ground: Ground) -> None:
    announced(ground)
    ground.server.meddle = lambda *_: None
    other = ONCE.model_copy(update={"id": "op-2"})
    with pytest.raises(Transient, match="op-1 was announced"):
        ground.hands().apply(ACTION, other)
    ground.clock.at += timedelta(seconds=30)
    assert ground.hands().apply(ACTION, other).state == "running"


def test_whoever_was_superseded_is_kept_out(ground: Ground) -> None:
    assert ground.hands().fence(ACTION, ONCE.model_copy(update={"id": "gone", "epoch": 9})) is None
    with pytest.raises(Refused, match="epoch 4 is below 9"):
        ground.hands().apply(ACTION, ONCE)
    assert not ground.server.made


def test_whoever_holds_no_lease_any_more_is_kept_out() -> None:
    class Held:
        def read(self, target: str) -> Hold:
            assert target == "service/fraud"
            return Hold("other", 5, "run", AT, AT)

    ground = Ground(Held())
    with pytest.raises(Refused, match="epoch 4 is below 5"):
        ground.hands().apply(ACTION, ONCE)
    assert not ground.server.made


def test_a_namesake_is_no_job_of_ours(ground: Ground) -> None:
    ground.hands().apply(ACTION, ONCE)
    ground.server.items_at[JOB]["metadata"]["annotations"] = {}
    with pytest.raises(Malformed, match="is not that of operation"):
        ground.hands().lookup(ACTION, ONCE)


# -- what is refused ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"service": "credit", "model": "credit"}, r"training\.cron_job"),
        ({"service": "nobody"}, r"training\.cron_job"),
        ({"model": "other"}, "does not serve model other"),
        ({"version": "2"}, "is no name of a version"),
        ({"version": "p-../x"}, "is no name of a version"),
        ({"without": ("age",)}, "does without columns"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_says_why(ground: Ground, changed: Json, why: str) -> None:
    action = ACTION.model_copy(update=changed)
    for attempt in (lambda: ground.hands().rehearse(action), lambda: ground.hands().apply(action, ONCE)):
        with pytest.raises(Refused, match=why):
            attempt()
    assert not ground.server.made


def test_a_cron_job_that_says_hands_off_is_left_alone(ground: Ground) -> None:
    ground.server.items_at[CRON]["metadata"]["annotations"] = {"prunella.dev/hands-off": "true"}
    with pytest.raises(Refused, match="hands off"):
        ground.hands().apply(ACTION, ONCE)
    assert not ground.server.made


def test_nothing_is_loaded_under_requests(ground: Ground) -> None:
    """The alias candidate would move below whoever is answered by its backend."""
    ground.server.items_at[ROUTE]["spec"]["rules"][0]["backendRefs"][1]["weight"] = 1
    with pytest.raises(Refused, match="has 50 % of the requests already"):
        ground.hands().apply(ACTION, ONCE)


def test_a_version_that_came_meanwhile_is_another_world(ground: Ground) -> None:
    seen = ground.hands().preimage(ACTION).state
    ground.registry.versions.append("3")
    with pytest.raises(Refused, match="changed meanwhile"):
        ground.hands().apply(ACTION, ONCE.model_copy(update={"expects": seen}))
    assert not ground.server.made


# -- two versions side by side -----------------------------------------------------------------------------------------

STEP = SetSplit(service="fraud", weights={"p-1": 25, "2": 75})


def test_versions_are_the_backends_that_their_aliases_lead_to(ground: Ground) -> None:
    ground.registry.registered()
    before = ground.traffic().preimage(STEP)
    assert before.state == {"2": "100", "p-1": "0"}
    ground.traffic().apply(STEP, ONCE)
    assert ground.server.weights() == [75, 25]
    assert before.inverse == SetSplit(service="fraud", weights={"2": 100, "p-1": 0})
    ground.traffic().apply(before.inverse, ONCE.model_copy(update={"id": "back", "undo": True}))
    assert ground.server.weights() == [100, 0]


def test_a_version_that_nothing_serves_gets_no_requests(ground: Ground) -> None:
    with pytest.raises(Refused, match="has no backend p-1"):
        ground.traffic().apply(STEP, ONCE)


def test_a_route_that_somebody_else_changed_is_left_as_it_is(ground: Ground) -> None:
    ground.registry.registered()
    seen = ground.traffic().preimage(STEP).state

    def meddle(at: str, path: str) -> None:
        if (at, path) == ("before", ROUTE):
            ground.server.meddle = lambda *_: None
            item = ground.server.items_at[ROUTE]
            item["spec"]["rules"][0]["backendRefs"][1]["weight"] = 1
            item["metadata"]["resourceVersion"] = "77"

    ground.server.meddle = meddle
    with pytest.raises(Refused, match="changed meanwhile"):
        ground.traffic().apply(STEP, ONCE.model_copy(update={"expects": seen}))
    assert ground.server.weights() == [1, 1]


def test_no_backend_gets_more_than_its_replicas_carry_but_the_way_back_is_always_open(ground: Ground) -> None:
    ground.registry.registered()
    ground.server.items_at[f"{DEPLOYMENTS}/fraud-candidate"] = {"status": {"readyReplicas": 1}}
    ground.traffic().apply(STEP, ONCE)
    with pytest.raises(Refused, match="p-1 has 1 ready replicas, and 4 are wanted for 100 %"):
        ground.traffic().rehearse(SetSplit(service="fraud", weights={"p-1": 100}))
    ground.server.items_at[f"{DEPLOYMENTS}/fraud"] = {"status": {}}
    home = SetSplit(service="fraud", weights={"2": 100})
    ground.traffic().apply(home, ONCE.model_copy(update={"id": "back", "undo": True}))
    assert ground.server.weights() == [100, 0]


def test_a_third_backend_is_nobody_s_version(ground: Ground) -> None:
    ground.server.items_at[ROUTE]["spec"]["rules"][0]["backendRefs"].append({"name": "fraud-shadow", "weight": 1})
    with pytest.raises(Refused, match="fraud-shadow that serves neither"):
        ground.traffic().preimage(STEP)


def test_a_backend_that_serves_the_champion_too_bears_no_second_name(ground: Ground) -> None:
    ground.registry.aliases["candidate"] = "2"
    routes = Routes(ground.server, FLEET, ground.registry)  # type: ignore[arg-type]
    found = routes.split("fraud")
    assert found is not None
    assert found.weights == {"2": 100, "candidate": 0}


# -- promotion ---------------------------------------------------------------------------------------------------------
class Aliases:
    """Hands on aliases that note what stood where when one was moved."""

    verbs = frozenset({"set_alias"})

    def __init__(self, ground: Ground, trouble: ToolError | None = None) -> None:
        self.ground, self.trouble, self.moved = ground, trouble, list[tuple[str, list[int]]]()

    def rehearse(self, _: Any) -> str:
        return "it would"

    def lookup(self, _: Any, __: Any) -> None:
        return None

    def admitted(self, _: Any, operation: Operation) -> None:
        if operation.epoch < 4:
            raise Refused("superseded")

    def apply(self, action: SetAlias, _: Operation) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.moved.append((action.version, self.ground.server.weights()))
        self.ground.registry.aliases["champion"] = action.version


PROMOTED = SetAlias(service="fraud", model="fraud", version="p-1")


def promoting(ground: Ground, trouble: ToolError | None = None) -> tuple[PromotingActuator, Aliases]:
    aliases = Aliases(ground, trouble)
    return PromotingActuator(aliases, ground.traffic(), FLEET), aliases  # type: ignore[arg-type]


def test_traffic_goes_home_before_the_alias_moves(ground: Ground) -> None:
    ground.registry.registered()
    ground.traffic().apply(SetSplit(service="fraud", weights={"p-1": 100}), ONCE)
    hands, aliases = promoting(ground)
    assert "2 100 %" in hands.rehearse(PROMOTED)
    hands.apply(PROMOTED, ONCE.model_copy(update={"id": "op-2"}))
    assert aliases.moved == [("p-1", [100, 0])]


def test_an_alias_that_could_not_be_moved_leaves_traffic_at_the_champion_of_before_and_is_moved_later(
    ground: Ground,
) -> None:
    ground.registry.registered()
    ground.traffic().apply(SetSplit(service="fraud", weights={"p-1": 100}), ONCE)
    with pytest.raises(Transient):
        promoting(ground, Transient("away"))[0].apply(PROMOTED, ONCE.model_copy(update={"id": "op-2"}))
    assert ground.server.weights() == [100, 0]
    hands, aliases = promoting(ground)
    hands.apply(PROMOTED, ONCE.model_copy(update={"id": "op-2"}))
    assert aliases.moved == [("p-1", [100, 0])]


def test_whoever_may_not_move_the_alias_moves_no_traffic_either(ground: Ground) -> None:
    ground.registry.registered()
    ground.traffic().apply(SetSplit(service="fraud", weights={"p-1": 100}), ONCE)
    with pytest.raises(Refused, match="superseded"):
        promoting(ground)[0].apply(PROMOTED, ONCE.model_copy(update={"id": "op-2", "epoch": 3}))
    assert ground.server.weights() == [0, 100]


def test_another_alias_moves_no_traffic(ground: Ground) -> None:
    ground.registry.registered()
    ground.traffic().apply(STEP, ONCE)
    hands, aliases = promoting(ground)
    hands.apply(PROMOTED.model_copy(update={"alias": "shadow"}), ONCE.model_copy(update={"id": "op-2"}))
    assert aliases.moved == [("p-1", [75, 25])]


# -- the doctor --------------------------------------------------------------------------------------------------------
def looked(ground: Ground) -> tuple[bool | None, str]:
    (found,) = trainings(ground.server, FLEET, ground.clock, ground.registry)  # type: ignore[arg-type]
    assert found.name == "training of fraud"
    return found.ok, found.text


def test_the_doctor_rehearses_a_training_and_begins_none(ground: Ground) -> None:
    assert looked(ground) == (True, "CronJob train-fraud may be run, for 600 s at most (rehearsed)")
    assert not ground.server.made
    assert "annotations" not in ground.server.items_at[CRON]["metadata"]


def test_the_doctor_says_what_a_training_lacks(ground: Ground) -> None:
    del ground.server.items_at[CRON]
    ok, text = looked(ground)
    assert ok is None
    assert "cronjobs/train-fraud" in text


def test_the_doctor_looks_at_both_backends(ground: Ground) -> None:
    def seen() -> tuple[bool | None, str]:
        (found,) = routes(ground.server, FLEET, ground.registry)  # type: ignore[arg-type]
        return found.ok, found.text

    assert seen() == (True, "fraud: 2 100 %, candidate 0 %, 4 ready for 2, 4 ready for candidate")
    ground.server.items_at[f"{DEPLOYMENTS}/fraud-candidate"] = {"status": {}}
    assert seen()[0] is None
    del ground.server.items_at[f"{DEPLOYMENTS}/fraud-candidate"]
    assert seen()[0] is False
