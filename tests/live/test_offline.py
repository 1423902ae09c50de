"""A trained version is proven on logged rows: its scores are the job's, all the rest is the log's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from config.fleet import Fleet, Service
from config.logs import LogTable
from tools.action import Operation, SetAlias
from tools.errors import Absent, Malformed, Refused, Transient
from tools.live.clock import SystemClock
from tools.live.log import TableLog
from tools.live.mlflow import MlflowActuator, MlflowRegistry
from tools.live.mlflow_names import TAG, NamedLog, Names
from tools.live.offline import Offline

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS = 400


class Api:
    """An MLflow of two versions, the newer of them named by a tag."""

    seconds = 10.0

    def __init__(self) -> None:
        self.tags: dict[str, str] = {"1": "", "7": "p-1"}
        self.aliases = {"champion": "1", "candidate": "7"}
        self.away, self.asked, self.marks = False, list[str](), list[dict[str, str]]()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if self.away:
            raise Transient("away")
        self.asked.append(path)
        if path == "model-versions/search":
            return {"model_versions": [self._version(number) for number in self.tags]}
        if path == "model-versions/get":
            if query["version"] not in self.tags:
                raise Absent("no such version")
            return {"model_version": self._version(query["version"])}
        aliases = [{"alias": alias, "version": version} for alias, version in self.aliases.items()]
        return {"registered_model": {"name": query["name"], "aliases": aliases, "tags": self.marks}}

    def _version(self, number: str) -> dict[str, Any]:
        tags = [{"key": TAG, "value": self.tags[number]}] if self.tags[number] else []
        return {"name": "fraud", "version": number, "creation_timestamp": int(number) * 1000, "tags": tags}

    def post(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        if path == "registered-models/alias":
            self.aliases[body["alias"]] = body["version"]
        else:
            self.marks = [each for each in self.marks if each["key"] != body["key"]]
            self.marks.append({"key": body["key"], "value": body["value"]})
        return {}


def fleet(folder: Path) -> Fleet:
    side = {"champion": "fraud-champion", "candidate": "fraud-candidate"}
    training = {"cron_job": "train-fraud", "scores": str(folder / "{version}.parquet")}
    told = {"name": "fraud", "kind": "tabular", "model": "fraud", "route": "fraud", "versions": side}
    return Fleet(services=(Service.model_validate({**told, "training": training}),))


class Rows:
    """A log whose champion is wrong on one row of four, and what a job made of the same rows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.api = folder, Api()
        rng = np.random.default_rng(5)
        self.label = (rng.random(ROWS) < 0.5).astype(float)
        self.score = np.where(np.arange(ROWS) % 4 == 0, 0.9 - 0.8 * self.label, 0.1 + 0.8 * self.label)
        self.version = np.array(["1"] * ROWS)
        self.theirs = 0.1 + 0.8 * self.label
        self.keys = [f"r{place}" for place in range(ROWS)]
        self.scored = self.keys[:]

    def compared(self, first: str = "p-1", second: str = "1") -> Any:
        micro = [int(AT.timestamp() * 1e6) + 10**6 * place for place in range(ROWS)]
        known = np.where(np.arange(ROWS) < 300, self.label, np.nan)  # labels come late
        table = {
            "at": pa.array(micro, pa.timestamp("us", "UTC")),
            "request": self.keys,
            "score": self.score,
            "label": pa.array(known, from_pandas=True),
            "version": self.version.tolist(),
        }
        parquet.write_table(pa.table(table), self.folder / "log.parquet")
        if self.scored:
            made = pa.table({"request": self.scored, "score": self.theirs[: len(self.scored)]})
            parquet.write_table(made, self.folder / "p-1.parquet")
        return self.offline().compare("fraud", first, second, AT, AT + HOUR)

    def offline(self) -> Offline:
        log = LogTable(service="fraud", rows=str(self.folder / "log.parquet"), key="request")
        found = fleet(self.folder)
        return Offline(found, TableLog((log,)), Names(self.api, found))  # type: ignore[arg-type]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


def test_labels_and_the_champion_s_answers_are_the_log_s(rows: Rows) -> None:
    found = rows.compared()
    assert found.rows == 300  # those whose label is known
    assert found.accuracy == {"p-1": 1.0, "1": 0.75}
    assert found.gain_high < 0
    assert found.only == {"p-1": 75, "1": 0}


def test_rows_that_another_version_answered_tell_nothing_of_the_champion(rows: Rows) -> None:
    rows.version[::2] = "7"
    assert rows.compared().rows == 150


def test_a_job_may_not_choose_the_rows(rows: Rows) -> None:
    rows.scored = rows.keys[:20] + rows.keys[200:]
    rows.theirs = np.concatenate([rows.theirs[:20], rows.theirs[200:]])
    with pytest.raises(Malformed, match="120 of 300 labelled rows"):
        rows.compared()


def test_rows_of_after_the_job_are_not_missed(rows: Rows) -> None:
    rows.scored = rows.keys[:250]
    assert rows.compared().rows == 250


@pytest.mark.parametrize("odd", [np.nan, 1.5, -0.1])
def test_scores_that_are_no_probabilities_prove_nothing(rows: Rows, odd: float) -> None:
    rows.theirs[350] = odd
    with pytest.raises(Malformed, match="no probabilities"):
        rows.compared()


def test_a_row_that_is_scored_twice_proves_nothing(rows: Rows) -> None:
    rows.scored[1] = rows.scored[0]
    with pytest.raises(Malformed, match="scored twice"):
        rows.compared()


@pytest.mark.parametrize(("first", "second"), [("p-2", "1"), ("1", "p-1"), ("p-1", "2")])
def test_what_no_job_scored_cannot_be_compared(rows: Rows, first: str, second: str) -> None:
    with pytest.raises(Absent):
        rows.compared(first, second)


def test_nothing_is_read_through_a_name_that_is_none(rows: Rows) -> None:
    with pytest.raises(Absent):
        rows.compared("../p-1")


# -- names -------------------------------------------------------------------------------------------------------------
def registry(api: Api, folder: Path) -> MlflowRegistry:
    return MlflowRegistry(api, fleet(folder), SystemClock())  # type: ignore[arg-type]


def test_a_version_is_called_by_its_tag_everywhere(rows: Rows) -> None:
    rows.version[:10] = "7"
    rows.compared()
    state = registry(rows.api, rows.folder).model("fraud")
    assert [version.version for version in state.versions] == ["1", "p-1"]
    assert state.aliases == {"champion": "1", "candidate": "p-1"}
    log = LogTable(service="fraud", rows=str(rows.folder / "log.parquet"), key="request")
    found = fleet(rows.folder)
    named = NamedLog(TableLog((log,)), Names(rows.api, found), found).window("fraud", AT, AT + HOUR)  # type: ignore[arg-type]
    assert list(named.version[:11]) == ["p-1"] * 10 + ["1"]


def test_an_alias_is_moved_to_the_version_that_bears_the_name_and_told_by_it(rows: Rows) -> None:
    hands = MlflowActuator(rows.api, fleet(rows.folder), SystemClock())  # type: ignore[arg-type]
    action, stamp = SetAlias(service="fraud", model="fraud", version="p-1"), Operation(id="a", incident="i", epoch=1)
    before = hands.preimage(action)
    assert hands.apply(action, stamp.model_copy(update={"expects": before.state})).observed == {"champion": "p-1"}
    assert rows.api.aliases["champion"] == "7"
    assert hands.preimage(action).state == {"champion": "p-1"}
    known = hands.lookup(action, stamp)
    assert known is not None
    assert known.observed == {"champion": "p-1"}


@pytest.mark.parametrize("tag", ["1", "2", "champion", "p-", "P-1", "p-1/..", "p-" + "x" * 200])
def test_a_tag_that_is_no_name_names_nothing(rows: Rows, tag: str) -> None:
    """Least of all another version's number: nobody is to pass one off as another."""
    rows.api.tags["7"] = tag
    versions = registry(rows.api, rows.folder).model("fraud").versions
    assert [version.version for version in versions] == ["1", "7"]


def test_two_versions_of_one_name_are_none(rows: Rows) -> None:
    rows.api.tags["8"] = "p-1"
    with pytest.raises(Malformed, match="one name"):
        registry(rows.api, rows.folder).model("fraud")
    with pytest.raises(Malformed, match="7, 8"):
        Names(rows.api, fleet(rows.folder)).number("fraud", "p-1")  # type: ignore[arg-type]


def test_where_the_registry_is_away_a_known_name_is_kept_and_an_unknown_one_is_an_error(rows: Rows) -> None:
    names = Names(rows.api, fleet(rows.folder))  # type: ignore[arg-type]
    assert [names.of("fraud", number) for number in ("1", "7")] == ["1", "p-1"]
    rows.api.away = True
    assert [names.of("fraud", number) for number in ("1", "7")] == ["1", "p-1"]
    with pytest.raises(Transient):
        names.of("fraud", "8")


def test_models_of_which_none_is_trained_are_not_asked_about(rows: Rows) -> None:
    names = Names(rows.api, fleet(rows.folder))  # type: ignore[arg-type]
    assert names.of("credit", "7") == "7"
    assert names.number("credit", "p-1") == "p-1"
    assert rows.api.asked == []
    with pytest.raises(Refused, match="no version p-9"):
        names.number("fraud", "p-9")
