"""The time from one instant of a row to another is a feature, where the two go together."""

from pathlib import Path

import numpy as np
import pytest

from agent.drift.lags import lags
from agent.drifting import look
from tests.drift.tables import Rows
from tools.grid import Floats
from tools.live.tables import open_table
from tools.tables import Numbers

WEEK = 7 * 86_400.0
NAME = "event_at to done_at (s)"


def table(lag: float, seed: int, start: float = 1.7e9, rows: int = 2000) -> Rows:
    rng = np.random.default_rng(seed)
    event = start + np.sort(rng.uniform(0, WEEK, rows))
    done: Floats = event + rng.gamma(2, lag / 2, rows)
    born = rng.uniform(0, 1e9, rows)
    return Rows("rows", event_at=event, done_at=done, born_at=born, model_at=np.full(rows, 1.69e9))


def test_only_what_goes_together_lags_and_the_earlier_comes_first() -> None:
    assert lags(table(180, 1), table(180, 2)) == {NAME: ("event_at", "done_at")}
    one, two = (
        Rows("turned", done_at=each.instants("done_at"), event_at=each.instants("event_at"))
        for each in (table(180, 1), table(180, 2))
    )
    assert lags(one, two) == {NAME: ("event_at", "done_at")}


def test_a_lag_that_only_the_current_rows_have_or_that_has_a_name_already_is_none() -> None:
    one = table(180, 1)
    assert not lags(one, Rows("rows", event_at=one.instants("event_at")))
    taken: dict[str, Floats] = {NAME: np.zeros(2000)}
    assert not lags(one, Rows("rows", event_at=one.instants("event_at"), done_at=one.instants("done_at"), **taken))


def test_where_the_later_instant_is_still_to_come_nothing_is_compared() -> None:
    one = table(180, 1)
    fresh = Rows(
        "rows",
        event_at=one.instants("event_at"),
        done_at=np.where(np.arange(2000) > 1900, np.nan, one.instants("done_at")),
    )
    assert not lags(one, fresh)


def test_a_lag_that_grew_is_what_to_look_at_first() -> None:
    report = look(table(180, 1), table(7200, 2, 1.7e9 + WEEK), (None, None, None))
    assert NAME in report.headline
    (moved,) = [move for move in report.moves if move.verdict == "moved"]
    assert moved.feature == NAME


def test_a_lag_that_stayed_is_not() -> None:
    report = look(table(180, 1), table(180, 2, 1.7e9 + WEEK), (None, None, None))
    assert report.headline.startswith("Nothing to look at")
    assert NAME in {move.feature for move in report.moves}


@pytest.mark.parametrize("zone", ["", "Z"])
def test_engines_work_it_out_to_the_fraction_and_null_stays_null(tmp_path: Path, zone: str) -> None:
    (tmp_path / "a.csv").write_text(
        f"a_at,b_at,day\n2026-03-02T10:00:00.250{zone},2026-03-02T10:01:00{zone},2026-03-02\n2026-03-02T10:00:00{zone},,\n"
    )
    held = open_table(str(tmp_path / "a.csv")).apart({"gap": ("a_at", "b_at"), "back": ("a_at", "day")}).column("gap")
    assert isinstance(held, Numbers)
    assert held.values[0] == 59.75
    assert np.isnan(held.values[1])
