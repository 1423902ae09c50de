"""What demo and twin show: any scenario, a file of one's own, with modifiers, on one's own fleet."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from config.load import ConfigError
from simulator import cli
from simulator.casting import cast
from simulator.demo import Demo
from tests.drill.test_story import FLEET, SCENARIO

RUN = CliRunner()
assert cli.app is app


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "alpha_down.yaml").write_text(SCENARIO)
    return tmp_path


def test_a_pair_a_modifier_and_a_file_are_cast(mine: Path) -> None:
    paired = cast("oom_kill+red_herring", ("relapse",))
    assert paired.scenario is not None
    assert paired.scenario.modifiers == ("red_herring", "relapse")
    own = cast(str(mine / "alpha_down.yaml"), (), mine / "fleet.yaml")
    assert own.scenario is not None
    assert (own.scenario.id, [service.name for service in own.fleet.services]) == ("alpha_down", ["answers"])
    assert cast("").scenario is None
    shown = own.begun_at(600.0)
    assert shown is not None
    assert shown.onset == (600.0, 600.0)


@pytest.mark.parametrize(
    ("name", "modifiers", "said"),
    [
        ("oom_kil", (), "did you mean oom_kill?"),
        ("oom_kill", ("red_hering",), "did you mean red_herring?"),
        ("oom_kill+red_hering", (), "did you mean red_herring?"),
        ("", ("relapse",), "say which, with --scenario"),
        ("none.yaml", (), "No such file"),
    ],
)
def test_what_is_not_there_is_refused_with_what_it_may_have_meant(
    name: str, modifiers: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        cast(name, modifiers)
    assert said in str(refused.value)


@pytest.mark.parametrize("command", ["demo", "twin"])
def test_both_commands_refuse_in_one_line(command: str, mine: Path) -> None:
    done = RUN.invoke(app, [command, "--scenario", "bad_rollout_errors", "--fleet", str(mine / "fleet.yaml")])
    assert done.exit_code == 2, done.output
    assert "no such service in the fleet" in done.output


def test_a_demo_of_ones_own_plays(mine: Path) -> None:
    demo = Demo(cast=cast(str(mine / "alpha_down.yaml"), (), mine / "fleet.yaml"))
    seen = [demo.tick() for _ in range(4)]
    assert [row.name for row in seen[-1].services] == ["answers"]
