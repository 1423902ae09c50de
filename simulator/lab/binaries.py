"""Where the servers of the lab come from: what the machine offers first, a cached build of Debian's source last."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str], None]
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class LabError(Exception):
    """A server that the lab needs is not on this machine and cannot be had; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class ControlPlaneBinaries:
    """The four programs of a control plane, all from one place so that their versions fit, and their minor version."""

    folder: Path
    minor: int

    def path(self, name: str) -> str:
        """Full path of one program."""
        return str(self.folder / name)


def quiet(_: str) -> None:
    """Report progress to nobody."""


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Folder outside the checkout that keeps what was built: `$XDG_CACHE_HOME/prunella/control-plane`."""
    env = os.environ if environ is None else environ
    base = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else Path.home() / ".cache"
    return base / "prunella" / "control-plane"


def candidates(environ: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Folders to look in, in order: `KUBEBUILDER_ASSETS`, the folders of PATH, the cache."""
    env = os.environ if environ is None else environ
    if env.get("KUBEBUILDER_ASSETS"):
        yield Path(env["KUBEBUILDER_ASSETS"])
    yield from (Path(folder) for folder in env.get("PATH", "").split(os.pathsep) if folder)
    yield cache_dir(env) / "bin"


def complete(folder: Path) -> bool:
    """Whether a folder holds all four programs; envtest's own archives hold two, and cannot roll a Deployment out."""
    return all(os.access(folder / name, os.X_OK) for name in CONTROL_PLANE)


def find_control_plane(progress: Progress = quiet) -> ControlPlaneBinaries:
    """The control plane's programs: found, else built into the cache (Debian and root, about 6 minutes, once)."""
    found = next((folder for folder in candidates() if complete(folder)), None)
    folder = found or build_control_plane(progress)
    return ControlPlaneBinaries(folder, minor_version(folder / "kube-apiserver"))


def build_control_plane(progress: Progress) -> Path:
    """Build the programs from Debian's source package into the cache; raises LabError where that cannot work."""
    if not may_use_apt():
        raise LabError(
            f"no folder of KUBEBUILDER_ASSETS or PATH holds all of {', '.join(CONTROL_PLANE)}, and building them "
            "needs Debian and root: put the four programs into one folder and point KUBEBUILDER_ASSETS at it"
        )
    target = cache_dir()
    target.mkdir(parents=True, exist_ok=True)
    log = target / "build.log"
    progress(f"building a Kubernetes control plane from Debian's source, once, about 6 minutes; log in {log}")
    script = Path(__file__).with_name("control_plane_build.sh")
    with log.open("w") as sink:
        done = subprocess.run(["bash", str(script), str(target)], stdout=sink, stderr=sink, check=False)  # noqa: S603, S607
    if done.returncode != 0 or not complete(target / "bin"):
        raise LabError(f"building the control plane failed (exit {done.returncode}); see {log}")
    return target / "bin"


def may_use_apt() -> bool:
    """Whether this is a Debian whose packages we may install."""
    return Path("/etc/debian_version").exists() and os.geteuid() == 0 and shutil.which("apt-get") is not None


def minor_version(program: Path) -> int:
    """Minor version of a Kubernetes program, such as 20 for v1.20.2."""
    text = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return int(text.split("v1.", 1)[1].split(".", 1)[0])


def find_prometheus(progress: Progress = quiet) -> str:
    """Path of `prometheus`: found on PATH, else installed from Debian's package; raises LabError."""
    found = shutil.which("prometheus")
    if found:
        return found
    if not may_use_apt():
        raise LabError("prometheus is not on PATH, and installing it needs Debian and root: install Prometheus first")
    progress("installing Prometheus from Debian's package")
    install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "prometheus"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], install):
        subprocess.run(command, capture_output=True, check=False, env=environment)  # noqa: S603
    found = shutil.which("prometheus")
    if found is None:
        raise LabError("apt-get could not install prometheus: install it by hand and try again")
    return found
