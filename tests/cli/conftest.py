"""The back ends that the commands call, played by stand-ins; journals are real files."""

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog
from typer.main import get_command
from typer.testing import CliRunner, Result

from agent.casebook import Case, Snapshot
from agent.terminal import now
from policies.decision import Approval
from simulator.cli import app
from tests.view.sample import at, healed, incident, plan, snapshot, waiting
from tools.journal import Journal
from tools.live.halt import HaltFile
from tools.live.journal import SqlJournal
from tools.memory_journal import MemoryJournal

Run = Callable[..., Result]


@pytest.fixture(autouse=True, scope="session")
def _put_together_once() -> Iterator[None]:
    """Have the runner put the commands together once, not at every call: they do not change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Leave no log of a command behind."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def prunella(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command line in a home of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setitem(sys.modules, "agent.wiring", wiring(snapshot()))

    def invoke(*words: str, input: str | None = None) -> Result:  # noqa: A002
        return CliRunner().invoke(app, list(words), input=input)

    return invoke


def wiring(seen: Snapshot, reach: object = None) -> ModuleType:
    """A stand-in for ``agent.wiring`` whose daemon always sees one snapshot."""
    module = ModuleType("agent.wiring")
    vars(module).update(open_journal=SqlJournal, build=lambda settings: Daemon(seen), reach=lambda settings: reach)
    vars(module).update(halt_file=lambda settings: HaltFile(settings.halt_file))
    return module


class Daemon:
    """Sees one snapshot as soon as it looks, and stops by itself after a moment."""

    def __init__(self, seen: Snapshot) -> None:
        self.seen, self.ticks = seen, 0
        self.before: tuple[Case, ...] = ()  # what the journal had already

    def tick(self) -> None:
        self.ticks += 1

    def run(self, stop: threading.Event) -> None:
        self.tick()

    def snapshot(self) -> Snapshot:
        return self.seen if self.ticks else self.seen.model_copy(update={"cases": self.before})


def write_case(journal: Journal, case: Case) -> None:
    """Write a case as the agent would."""
    journal.append("inc-7", "INCIDENT", case.incident.model_dump(mode="json"), at(60))
    items = [item.model_dump(mode="json") for item in case.evidence]
    journal.append("inc-7", "EVIDENCE", {"items": items}, at(61))
    nouns: tuple[tuple[str, Any], ...] = (
        ("DIAGNOSIS", case.diagnosis),
        ("PLAN", case.plan),
        ("DECISION", case.decision),
        ("APPROVAL", case.approval),
        ("EXECUTION", case.execution),
        ("OUTCOME", case.outcome),
    )
    for kind, noun in nouns:
        if noun is not None:
            journal.append("inc-7", kind, noun.model_dump(mode="json"), at(62))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration, with the journal of a healed case."""
    file = tmp_path / "prunella.yaml"
    file.write_text("fleet: {services: [{name: chat, kind: language}]}\nmetrics: {url: 'http://127.0.0.1:9'}\n")
    journal = SqlJournal(f"sqlite:///{tmp_path}/prunella.db")
    write_case(journal, healed())
    journal.close()
    return file


def asked(life: timedelta = timedelta(minutes=30)) -> Case:
    """A case that asked just now."""
    question = Approval(
        id="apr-7-1",
        incident="inc-7",
        plan_digest=plan().digest(),
        asked_at=now(),
        expires_at=now() + life,
        state="pending",
    )
    return waiting().model_copy(update={"approval": question})


class Play:
    """A demo of four ticks: all is well, trouble, a question, healed. Never healed if the answer is no."""

    def __init__(self, scenario: str = "first", seed: int = 1) -> None:
        self.scenario, self.seed, self.ticks = scenario, seed, 0
        self.journal: Journal = MemoryJournal()
        self.answers: list[tuple[str, bool, str]] = []
        self.journal.append("inc-7", "INCIDENT", incident().model_dump(mode="json"), at(60))

    @property
    def pending_approvals(self) -> tuple[Approval, ...]:
        case = waiting()
        return (case.approval,) if case.approval and self.ticks == 3 and not self.answers else ()

    def tick(self) -> Snapshot:
        self.ticks += 1
        cases: tuple[Case, ...] = () if self.ticks < 2 else (waiting(),)
        if self.ticks > 3:
            cases = (healed(),) if not self.answers or self.answers[0][1] else cases
        return snapshot(*cases).model_copy(update={"at": at(30 * self.ticks)})

    def answer(self, id: str, yes: bool, by: str) -> None:  # noqa: A002
        self.answers.append((id, yes, by))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> type[Play]:
    """Put the stand-in where the demo will be."""
    module = ModuleType("simulator.demo")
    vars(module)["Demo"] = Play
    monkeypatch.setitem(sys.modules, "simulator.demo", module)
    return Play
