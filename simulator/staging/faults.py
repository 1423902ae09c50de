"""The faults that can be put into a real Deployment and taken back whole, as edits of its fields. Pure.

What cannot be taken back by writing a field (deleting, filling a disk, cordoning, network policies) is not here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.staging.edits import Edit, pointer, setting, value_at
from tools.errors import Refused

Json = dict[str, Any]
SPEC = ("spec", "template", "spec")
FIRST = (*SPEC, "containers", 0)
NOWHERE = "prunella.dev/drill"  # a node label that no node bears
NO_SUCH_TAG = "prunella-drill-no-such-tag"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what it does, which causes a diagnostician may name for it, and its edits."""

    id: str
    about: str
    causes: tuple[str, ...]  # ids of the catalogue; empty: the diagnosis is not scored
    edits: Callable[[Json, Mapping[str, str]], tuple[Edit, ...]]
    evicts: bool = False  # drives out one replica, which its controller replaces by itself


def _bad_release(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    given = value_at(item, pointer(*FIRST, "env")) or []
    found = [
        setting(item, pointer(*FIRST, "env", place, "value"), bad_env[entry["name"]])
        for place, entry in enumerate(given)
        if entry["name"] in bad_env and "value" in entry
    ]
    if not found:
        raise Refused(f"its first container has none of drills.bad_env ({', '.join(sorted(bad_env))})")
    return tuple(found)


def _image(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    del bad_env
    path = pointer(*FIRST, "image")
    name = str(value_at(item, path)).partition("@")[0]
    head, slash, last = name.rpartition("/")
    return (setting(item, path, f"{head}{slash}{last.partition(':')[0]}:{NO_SUCH_TAG}"),)


def _command(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    del bad_env
    return (setting(item, pointer(*FIRST, "command"), ["/prunella-drill-no-such-program"]),)


def _memory(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    del bad_env
    asked = pointer(*FIRST, "resources", "requests", "memory")
    limit = setting(item, pointer(*FIRST, "resources", "limits", "memory"), "16Mi")
    return (limit,) if value_at(item, asked) is None else (limit, setting(item, asked, "16Mi"))


def _nowhere(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    del bad_env
    return (setting(item, pointer(*SPEC, "nodeSelector", NOWHERE), "nowhere"),)


def _readiness(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    del bad_env
    path = pointer(*FIRST, "readinessProbe", "httpGet", "path")
    if value_at(item, pointer(*FIRST, "readinessProbe", "httpGet")) is None:
        raise Refused("its first container has no readiness probe over HTTP")
    return (setting(item, path, "/prunella-drill-no-such-page"),)


def _scaled(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    _none(item, bad_env)
    return (setting(item, "/spec/replicas", 1),)


def _none(item: Json, bad_env: Mapping[str, str]) -> tuple[Edit, ...]:
    del bad_env
    if int(value_at(item, "/spec/replicas") or 1) < 2:
        raise Refused("it has one replica: the last one is never taken away")
    return ()


FAULTS: Mapping[str, Fault] = {
    fault.id: fault
    for fault in (
        Fault(
            "bad_release",
            "roll out a value of an environment variable that the program cannot work with",
            ("bad_rollout_errors", "bad_rollout_latency", "pod_crash_loop", "config_regression"),
            _bad_release,
        ),
        Fault("image_pull_failure", "roll out a tag that does not exist", ("image_pull_failure",), _image),
        Fault("pod_crash_loop", "roll out a command that is not there", ("pod_crash_loop",), _command),
        Fault("oom_kill", "roll out a memory limit of 16 MiB", ("oom_kill", "pod_crash_loop"), _memory),
        Fault(
            "gpu_request_unschedulable",
            "roll out a node selector that no node meets",
            ("gpu_request_unschedulable", "quota_exhausted"),
            _nowhere,
        ),
        Fault(
            "readiness_probe_wrong",
            "roll out a probe of a missing page",
            ("readiness_probe_wrong",),
            _readiness,
        ),
        Fault("scaled_away", "take all replicas but one away", (), _scaled),
        Fault("replica_evicted", "drive out one replica, within its disruption budget", (), _none, evicts=True),
    )
}
