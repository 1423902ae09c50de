"""Drills in a real cluster, as far as they can be told without one: consent, edits and their way back, the score."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.load import load
from config.settings import Settings
from simulator.staging import consent
from simulator.staging.edits import Edit, Json, doing, pointer, setting, standing, undoing, value_at
from simulator.staging.faults import FAULTS
from simulator.staging.job import Cleaner, job
from simulator.staging.mark import MARK, READY, Mark, mark_of, taking_back
from simulator.staging.plan import DrillPlan
from simulator.staging.result import DrillResult, first_causes, harmed, noticed
from simulator.staging.turn import end_turn, turn
from tests.view.sample import healed, incident
from tools.errors import Malformed, Refused
from tools.memory_journal import MemoryJournal
from tools.memory_leases import MemoryLeases

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BAD_ENV = {"MODEL": "none"}


def config(**changes: Any) -> dict[str, Any]:
    service = {"name": "chat", "kind": "language", "environment": "staging", "namespace": "serving"}
    drills = {"services": ["chat"], "namespaces": ["serving"], "approvers": ["dana"], "reverter_image": "x"}
    found = {
        "environment": "staging",
        "fleet": {"services": [service | changes.pop("service", {})]},
        "metrics": {"url": "http://127.0.0.1:9"},
        "drills": drills | changes.pop("drills", {}),
    }
    return found | changes


def settings(tmp_path: Path, **changes: Any) -> Settings:
    file = tmp_path / "staging.yaml"
    file.write_text(yaml.safe_dump(config(**changes)))
    return load(file)


def namespace(**labels: str) -> Json:
    return {"metadata": {"name": "serving", "labels": {"prunella.dev/drills": "allowed", **labels}}}


def workload(**notes: str) -> Json:
    container = {
        "name": "server",
        "image": "registry.example:5000/chat@sha256:12",
        "env": [{"name": "MODEL", "value": "r41"}],
        "resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"memory": "512Mi"}},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}},
    }
    kinds = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    return {
        "metadata": {"name": "chat", "resourceVersion": "7", "generation": 3, "uid": "u", "annotations": dict(notes)},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}},
        "status": {**dict.fromkeys(kinds, 3), "observedGeneration": 3},
    }


# -- consent -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drills": None}, "allows none"),
        ({"environment": "production"}, "environment is production"),
        ({"environment": "lab"}, "into staging alone"),
        ({"cluster": {"context": "eu-prod-1"}}, "sounds like production"),
        ({"service": {"environment": "production"}}, "not staging"),
        ({"drills": {"services": ["other"]}}, "not among drills.services"),
        ({"drills": {"namespaces": ["other"]}}, "not among drills.namespaces"),
        ({"service": {"deployment": "chat-prod"}}, "sounds like production"),
        ({"service": {"namespace": "live"}, "drills": {"namespaces": ["live"]}}, "sounds like production"),
    ],
)
def test_what_is_not_staging_by_every_word_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    if changes.get("drills", {}) is None:
        found = settings(tmp_path).model_copy(update={"drills": None})
    else:
        found = settings(tmp_path, **changes)
    with pytest.raises(Refused, match=words):
        consent.patient(found.fleet, consent.consented(found), "chat")


def test_staging_that_says_yes_may_be_hurt(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert consent.patient(found.fleet, consent.consented(found), "chat").workload == "chat"
    assert consent.spared(namespace(), workload()) == ""


@pytest.mark.parametrize(
    ("space", "item", "words"),
    [
        ({"metadata": {"name": "serving"}}, workload(), "does not carry the label"),
        (namespace(environment="Production"), workload(), "labelled environment=Production"),
        (namespace(), workload(**{"prunella.dev/hands-off": "true"}), "hands-off"),
        (namespace(), workload() | {"status": {}}, "not whole"),
    ],
)
def test_the_cluster_itself_may_say_no(space: Json, item: Json, words: str) -> None:
    assert words in consent.spared(space, item)


def test_a_drill_that_stands_is_alone() -> None:
    mark = Mark(operation="drill-1", fault="oom_kill", by="dana", at=AT, until=AT)
    assert "one fault at a time" in consent.spared(namespace(), workload(**{MARK: mark.model_dump_json()}))
    with pytest.raises(Malformed):
        mark_of(workload(**{MARK: "spoilt"}))


def test_one_turn_in_a_cluster_that_runs_out_by_itself() -> None:
    leases, minute = MemoryLeases(), timedelta(minutes=1)
    with turn(leases, "drill-1", "dana", AT, minute):
        with pytest.raises(Refused, match="drill-1 by dana"), turn(leases, "drill-2", "lee", AT, minute):
            pass
        with turn(leases, "drill-3", "lee", AT + 2 * minute, minute):
            pass
    later = AT + 9 * minute
    with turn(leases, "drill-4", "lee", later, minute):
        end_turn(leases)
        with turn(leases, "drill-5", "lee", later, minute):
            pass


# -- edits ---------------------------------------------------------------------------------------------------------
def patched(item: Json, ops: list[Json]) -> Json:
    """The object after a JSON patch, as an API server would make it: tests, adds, replaces, removes."""
    import copy

    found = copy.deepcopy(item)
    for op in ops:
        path = op["path"]
        if op["op"] == "test":
            assert value_at(found, path) == op["value"], path
            continue
        head, _, last = path.rpartition("/")
        parent: Any = value_at(found, head) if head else found
        key: Any = int(last) if isinstance(parent, list) else last.replace("~1", "/").replace("~0", "~")
        if op["op"] == "remove":
            del parent[key]
        else:
            parent[key] = op["value"]
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_goes_in_and_comes_back_whole(fault: str) -> None:
    before = workload()
    edits = FAULTS[fault].edits(before, BAD_ENV)
    hurt = patched(before, doing(edits))
    assert (hurt == before) is FAULTS[fault].evicts
    assert standing(hurt, edits) == edits
    assert patched(hurt, undoing(hurt, edits)) == before


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if not fault.evicts])
def test_what_others_wrote_since_is_left_alone(fault: str) -> None:
    before = workload()
    edits = FAULTS[fault].edits(before, BAD_ENV)
    healed = patched(before, [])
    healed["spec"]["replicas"] = 5
    assert standing(healed, edits) == ()
    assert patched(healed, undoing(healed, edits)) == healed
    half = patched(before, doing(edits))
    half["spec"]["template"]["metadata"] = {"annotations": {"restartedAt": "now"}}  # unrelated: the fault still goes
    assert patched(half, undoing(half, edits))["spec"]["template"]["spec"] == before["spec"]["template"]["spec"]


def test_a_fault_that_does_not_fit_is_refused() -> None:
    bare = workload()
    bare["spec"]["replicas"] = 1
    del bare["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    for fault in ("scaled_away", "replica_evicted", "readiness_probe_wrong"):
        with pytest.raises(Refused):
            FAULTS[fault].edits(bare, {})
    with pytest.raises(Refused, match="bad_env"):
        FAULTS["bad_release"].edits(bare, {"ELSE": "x"})
    assert (
        FAULTS["image_pull_failure"].edits(bare, {})[0].left == "registry.example:5000/chat:prunella-drill-no-such-tag"
    )


@given(st.lists(st.sampled_from(["a", "b/c", "d~e"]), min_size=1, max_size=4), st.integers())
def test_a_set_value_is_there_and_goes_again(parts: list[str], value: int) -> None:
    item: Json = {"a": {"b/c": {"d~e": 1}}}
    path = pointer(*parts)
    try:
        edit = setting(item, path, value)
        hurt = patched(item, doing([edit]))
    except TypeError:
        return  # a path through a number
    if edit.before is None or isinstance(edit.before, dict | int):
        assert patched(hurt, undoing(hurt, [edit])) == item


# -- plan, job, score ----------------------------------------------------------------------------------------------
def plan(**changes: Any) -> DrillPlan:
    edit = Edit(path="/spec/replicas", before=3, left=1)
    fields = {"fault": "scaled_away", "service": "chat", "namespace": "serving", "deployment": "chat", "uid": "u"}
    return DrillPlan.model_validate(
        {**fields, "replicas": 3, "edits": (edit,), "lasts": timedelta(minutes=5), **changes}
    )


def test_an_approval_is_bound_to_the_very_plan() -> None:
    assert plan().digest == plan().digest
    others: list[dict[str, Any]] = [
        {"uid": "v"},
        {"lasts": timedelta(minutes=6)},
        {"replicas": 4},
        {"service": "fraud"},
        {"edits": ()},
    ]
    assert len({plan().digest, *(plan(**change).digest for change in others)}) == len(others) + 1


def test_the_reverter_never_gives_up_by_itself() -> None:
    made = job(plan().place, "drill-1", 180, Cleaner("image:1", "prunella-reverter"))
    assert "activeDeadlineSeconds" not in made["spec"]
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == "prunella-reverter"
    assert made["metadata"]["namespace"] == "serving"


def test_taking_back_leaves_no_mark() -> None:
    edit = Edit(path="/spec/replicas", before=3, left=1)
    mark = Mark(operation="drill-1", fault="scaled_away", by="dana", at=AT, until=AT, edits=(edit,))
    item = workload(**{MARK: mark.model_dump_json(), READY: "drill-1", "other": "kept"})
    item["spec"]["replicas"] = 1
    patch, words = taking_back(item, mark)
    after = patched(item, patch)
    assert after["spec"]["replicas"] == 3
    assert after["metadata"]["annotations"] == {"other": "kept", "prunella.dev/last-drill": words}


def test_another_service_that_was_hurt_is_collateral() -> None:
    before = {"chat": "holds", "fraud": "holds", "blind": "no_data"}
    after = {"chat": "broken", "fraud": "broken", "blind": "broken"}
    assert harmed(before, after, "chat") == ("fraud",)
    mark = Mark(operation="drill-1", fault="scaled_away", by="dana", at=AT, until=AT)
    assert noticed((), {}, "chat", mark) == {"detected": False}
    journal = MemoryJournal()
    for cause in ("silent_weight_corruption", "bad_rollout_errors"):
        journal.append("inc-7", "DIAGNOSIS", {"hypotheses": [{"fault": cause}]}, AT)
    assert first_causes(journal.entries()) == {"inc-7": ("silent_weight_corruption",)}
    case = healed().model_copy(update={"incident": incident().model_copy(update={"id": "inc-7", "at": AT})})
    bad = mark.model_copy(update={"fault": "bad_release"})
    assert noticed([case], first_causes(journal.entries()), "chat", bad)["named"] is False
    words = DrillResult(operation="o", fault="oom_kill", service="chat", healed=False, by="the reverter").words()
    assert words == "oom_kill on chat: not noticed, not healed; ended by the reverter"
