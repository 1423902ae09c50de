"""The main job on real input: the daemon notices through Prometheus, acts through the API server, proves recovery."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.casebook import Case
from agent.daemon import Daemon
from agent.wiring import build
from config.load import load
from simulator.lab.breaks import break_
from simulator.lab.lab import LabHandle, running_lab
from simulator.lab.load import first_bad_at, read_ledger, well_since
from simulator.lab.servers import wait_until
from simulator.lab_config import write_config

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("lab"), pytest.mark.timeout(900)]
WELL_S = 10


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LabHandle, Daemon]]:
    with running_lab(tmp_path_factory.mktemp("guarded")) as lab:
        daemon = build(load(write_config(lab)))
        stop = threading.Event()
        thread = threading.Thread(target=daemon.run, args=(stop,), daemon=True)
        thread.start()
        time.sleep(60)  # a minute of health: rates need a past
        yield lab, daemon
        stop.set()
        thread.join(60)


def _healed(daemon: Daemon, known: set[str], seconds: float) -> Case:
    """The case that was acted on, once no case since is open any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fresh = [case for case in daemon.snapshot().cases if case.incident.id not in known]
        acted = [case for case in fresh if case.plan is not None]
        if acted and all(case.phase in ("recovered", "escalated") for case in fresh):
            return acted[0]
        time.sleep(1)
    raise AssertionError(f"not healed: {[item.text for case in daemon.snapshot().cases for item in case.timeline]}")


def _broken_and_healed(guarded: tuple[LabHandle, Daemon], fault: str, seconds: float) -> tuple[Case, float]:
    lab, daemon = guarded
    # What a busy machine did to the model servers before is no fault of ours: a case about it would take the fault in.
    wait_until(lambda: _is_quiet(daemon, Path(lab.run_dir)), "a fleet that is well, and no case open", 300.0, 1.0)
    known = {case.incident.id for case in daemon.snapshot().cases}
    began = time.time()
    break_(Path(lab.run_dir), fault)
    case = _healed(daemon, known, seconds)
    bad = first_bad_at(read_ledger(Path(lab.run_dir)), began)
    assert bad is not None
    assert case.outcome is not None
    # A single slow answer on a busy machine is no relapse: users are well again when they are so for a while.
    wait_until(lambda: _is_well(Path(lab.run_dir)), f"{WELL_S} good seconds in a row", 120.0, 1.0)
    return case, case.outcome.at.timestamp() - bad


def _is_quiet(daemon: Daemon, run_dir: Path) -> bool:
    return _is_well(run_dir) and all(case.phase in ("recovered", "escalated") for case in daemon.snapshot().cases)


def _is_well(run_dir: Path) -> bool:
    rows = read_ledger(run_dir)
    since = well_since(rows)
    return since is not None and rows[-1].at - since >= WELL_S


def test_a_hung_replica_is_replaced(guarded: tuple[LabHandle, Daemon]) -> None:
    case, seconds = _broken_and_healed(guarded, "engine_hang_200", 420)
    assert case.phase == "recovered", [item.text for item in case.timeline]
    assert case.plan is not None
    assert case.plan.playbook == "failover_replica"
    print(f"hung replica: {seconds:.0f} s from the first bad answer to the proof")


def test_a_bad_release_is_rolled_back(guarded: tuple[LabHandle, Daemon]) -> None:
    case, seconds = _broken_and_healed(guarded, "bad_release", 420)
    assert case.phase == "recovered", [item.text for item in case.timeline]
    assert case.plan is not None
    assert case.plan.playbook == "rollback_release"
    print(f"bad release: {seconds:.0f} s from the first bad answer to the proof")
