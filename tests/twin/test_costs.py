"""The bill over the wire: PromQL joins OpenCost's series with tokens, and the command says why a service is dearer."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import agent.costs_cli
import agent.wiring
from simulator.cli import app
from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.twin.logs import TwinLogs
from simulator.twin.serve import served, write_config
from simulator.twin.twin import Twin
from simulator.world.world import World

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
HOUR = timedelta(hours=1)


def test_a_dearer_gpu_hour_is_named_as_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "agent.wiring", agent.wiring)
    onset = 1.2 * HOUR.total_seconds()
    script = load_scenarios()["spot_price_spike"].model_copy(update={"onset": (onset, onset)})
    twin = Twin(World(demo_fleet(), seed=1, scenario=script))
    for _ in range(int(2.2 * HOUR.total_seconds() / twin.tick)):
        twin.advance()
    monkeypatch.setattr(agent.costs_cli, "now", twin.world.clock.now)
    with served(twin, twin.world.clock.now) as where:
        file = write_config(tmp_path, twin, where, TwinLogs(twin, tmp_path / "logs"))
        words = ["costs", "--config", str(file), "--hours", "1"]
        page, told = CliRunner().invoke(app, words), CliRunner().invoke(app, [*words, "--json"])
    assert page.exit_code == 0, page.output
    assert "a GPU hour costs +" in page.output
    services = {one["unit"]["service"]: one for one in json.loads(told.output)["services"]}
    assert services["chat"]["change"]["cause"] == "price"
    assert services["chat"]["change"]["efficiency"] == pytest.approx(1.0, abs=0.3)
    assert services["chat"]["unit"]["per_thousand_tokens"] > 0
    assert services["fraud"]["unit"]["per_prediction"] > 0
