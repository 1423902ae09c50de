"""The doctor and inference logs: columns that settings name and nobody writes are said before they are missed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from agent.wiring import inspector_of
from config.load import ConfigError, load
from config.settings import Settings
from tools.live.doctor import Check, inference_logs

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE = """
metrics: {url: "http://127.0.0.1:9"}
fleet: {services: [{name: chat, kind: language}]}
logs:
  - {service: chat, rows: chat.parquet, key: request, recomputed: again.parquet, groups: [plan],
     measures: [{column: refused}, {column: %s}]}
"""


class Clock:
    def now(self) -> datetime:
        return NOW


def settings(folder: Path, measure: str = "tokens", key: str = "request") -> Settings:
    at = pa.array([int(NOW.timestamp() * 1e6) - 10**6 * s for s in range(1, 301)], pa.timestamp("us", "UTC"))
    names = [f"r{place}" for place in range(300)]
    columns = {"at": at, "request": names, "plan": ["free"] * 300, "refused": [False] * 300, "tokens": [9] * 300}
    parquet.write_table(pa.table(columns), folder / "chat.parquet")
    parquet.write_table(pa.table({key: names, "tokens": [9] * 300}), folder / "again.parquet")
    file = folder / "prunella.yaml"
    file.write_text(BASE.replace("%s", measure))
    return load(file)


def looked(found: Settings) -> list[Check]:
    return [check for check in inference_logs(found, Clock()) if check.name.startswith("inspection")]


def test_a_log_of_answers_without_scores_is_well(tmp_path: Path) -> None:
    checks = list(inference_logs(settings(tmp_path), Clock()))
    assert [(check.name, check.ok) for check in checks] == [("inspection of chat", True)]
    assert "300 rows in the last hour, request, plan, refused, tokens there" in checks[0].text


@pytest.mark.parametrize(("named", "text"), [({"measure": "toxicity"}, "toxicity"), ({"key": "id"}, "request")])
def test_a_column_that_is_not_there_is_named(named: dict[str, str], text: str, tmp_path: Path) -> None:
    (check,) = looked(settings(tmp_path, **named))
    assert check.ok is False
    assert text in check.text


def test_rules_that_cannot_be_read_are_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    found = settings(tmp_path)
    table = found.logs[0].model_copy(update={"rules": tmp_path / "gone.yaml"})
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        inspector_of(found.model_copy(update={"logs": (table,)}), Clock())
    (tmp_path / "gone.yaml").write_text("columns: {tokens: {kind: number, at_most: 5}}")
    made = inspector_of(found.model_copy(update={"logs": (table,)}), Clock())
    assert made is not None
    made.look()
    assert [remark.subject for remark in made.remarks["chat"]] == ["tokens range"]
