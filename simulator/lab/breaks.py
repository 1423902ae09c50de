"""What can go wrong in the lab, done for real: to the artefact that is released, or to a process that serves.

Each break is written into the run directory (`truth.jsonl`) for whoever measures, never for the controller.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from simulator.lab import lab
from simulator.lab.binaries import LabError
from simulator.lab.load import is_ready
from simulator.lab.rest import KubeApi

TRUTH = "truth.jsonl"


@dataclass(frozen=True, slots=True)
class Break:
    """What was broken, where, and when (Unix time)."""

    id: str
    target: str
    at: float


def bad_release(handle: lab.LabHandle) -> str:
    """Roll out a release whose weights overflowed at export, as its author would; returns the revision."""
    path = f"/apis/apps/v1/namespaces/{handle.namespace}/deployments/{handle.deployment}"
    with KubeApi.from_kubeconfig(handle.admin_kubeconfig) as api:
        revision = next_revision(handle.run_dir / "models")
        lab.publish(handle.run_dir, "overflowed", revision)
        lab.wait_for_release(handle.run_dir, revision)
        api.patch(
            path,
            release_patch(revision, f"alice: release {revision} of the chat model, smaller head (ML-311)"),
            "strategic-merge",
        )
    return revision


def release_patch(revision: str, cause: str) -> dict[str, object]:
    """The strategic-merge patch by which a person releases a revision."""
    container = {"name": "server", "env": [{"name": "MODEL_REVISION", "value": revision}]}
    template = {"spec": {"containers": [container]}}
    return {"metadata": {"annotations": {"kubernetes.io/change-cause": cause}}, "spec": {"template": template}}


def next_revision(models: Path) -> str:
    """The name after the newest release's."""
    return f"r{max(int(folder.name.lstrip('r')) for folder in models.iterdir()) + 1}"


def engine_hang_200(handle: lab.LabHandle) -> str:
    """Make one replica reload its weights from storage that never answers: its engine waits for ever; returns the pod.

    The storage is a named pipe without a writer, in that pod's own scratch folder: its HTTP front stays well, and a
    pod that replaces it is sound.
    """
    with KubeApi.from_kubeconfig(handle.admin_kubeconfig) as api:
        pods = api.items(f"/api/v1/namespaces/{handle.namespace}/pods")
    serving = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)]
    if not serving:
        raise LabError("no replica is ready, so none can be made to hang")
    pod = min(serving)
    process = json.loads((handle.run_dir / "containers.json").read_text())[pod]
    pipe = Path(process["folder"]) / "reload.pt"
    if not pipe.exists():
        os.mkfifo(pipe)
    os.kill(process["pid"], signal.SIGUSR1)
    return str(pod)


BREAKS: dict[str, Callable[[lab.LabHandle], str]] = {"bad_release": bad_release, "engine_hang_200": engine_hang_200}


def break_(run_dir: Path, fault_id: str) -> Break:
    """Break something in a running lab and write it down; raises KeyError for an unknown id, LabError when down."""
    act = BREAKS[fault_id]
    handle = lab.LabHandle.read(run_dir.resolve())
    at = time.time()
    done = Break(fault_id, act(handle), at)
    with (handle.run_dir / TRUTH).open("a") as sink:
        sink.write(json.dumps(asdict(done)) + "\n")
    return done
