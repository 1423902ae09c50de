"""The command prunella digest."""

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_a_journal_is_told_as_a_day_or_a_week(prunella: Run, tmp_path: Path) -> None:
    from tools.live.journal import SqlJournal

    file = tmp_path / "some.db"
    SqlJournal(f"sqlite:///{file}")
    day = prunella("digest", "--journal", str(file))
    assert day.exit_code == 0
    assert "A quiet day: no incident, and nothing unusual." in day.output
    week = prunella("digest", "--weekly", "--journal", str(file), "--json")
    found = json.loads(week.output)
    assert (found["period"], found["headline"]) == ("weekly", "A quiet week: no incident, and nothing unusual.")
    assert found["incidents"] == []


def test_wrong_use_is_one_line(prunella: Run, tmp_path: Path) -> None:
    both = prunella("digest", "--weekly", "--daily")
    assert both.exit_code == 2
    assert "not both" in both.output
    absent = prunella("digest", "--journal", str(tmp_path / "absent.db"))
    assert absent.exit_code == 2
    assert "no journal at" in absent.output
