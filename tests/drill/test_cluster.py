"""Episodes on a Ray cluster, with a stand-in for Ray."""

import sys
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from simulator import cli
from simulator.cluster import spread

assert cli.app is app


class FakeRay(ModuleType):
    """Answers the last question first, as a cluster may."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.calls: list[str] = []
        self.there = False

    def is_initialized(self) -> bool:
        return self.there

    def init(self, **_: object) -> None:
        self.calls.append("init")

    def shutdown(self) -> None:
        self.calls.append("shutdown")

    def remote(self, work: Any) -> Any:
        class Remote:
            @staticmethod
            def remote(task: object) -> tuple[Any, object]:
                return work, task

        return Remote

    def wait(self, waiting: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return [waiting[-1]], waiting[:-num_returns]

    def get(self, ref: tuple[Any, Any]) -> Any:
        return ref[0](ref[1])


def test_results_come_as_they_are_done_and_what_was_started_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert list(spread(str, (1, 2, 3))) == [(3, "3"), (2, "2"), (1, "1")]
    assert ray.calls == ["init", "shutdown"]
    ray.there = True  # somebody else's: left alone
    assert dict(spread(str, (1,))) == {1: "1"}
    assert ray.calls == ["init", "shutdown"]


def test_a_task_that_fails_says_so_and_the_cluster_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(ZeroDivisionError):
        list(spread(lambda task: 1 / task, (0,)))
    assert ray.calls == ["init", "shutdown"]


def test_without_ray_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = CliRunner().invoke(app, ["drill", "vendor_outage", "--engine", "ray"])
    assert done.exit_code == 2
    assert "ray is not installed: pip install 'prunella[ray]'" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["vendor_outage"], "--copies is for runs in which nothing is wrong, and vendor_outage is a fault"),
        (["--suite", "month"], "--copies is for quiet runs; the month has forty services of its own"),
        (["healthy", "--record", "stories"], "--record writes the story of one fleet: leave --copies out"),
    ],
)
def test_what_cannot_be_drilled_in_copies_of_the_fleet_is_said(asked: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["drill", *asked, "--copies", "4"])
    assert done.exit_code == 2
    assert told in done.stderr
