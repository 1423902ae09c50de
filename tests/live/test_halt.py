"""The kill switch: whatever is wrong with the file, it halts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.errors import Absent, Refused
from tools.live.halt import HaltFile

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_halts_while_the_file_is_there(tmp_path: Path) -> None:
    file = HaltFile(tmp_path / "halt")
    assert file.reason() == ""
    file.pull("ana", "bad day", AT)
    assert file.reason() == "halted: by ana at 2026-03-01T12:00:00+00:00, bad day"
    file.lift()
    assert file.reason() == ""
    with pytest.raises(Absent):
        file.lift()


@pytest.mark.parametrize("text", ["", "stop!", "{}", "[1]", "\x00\xff"])
def test_whatever_it_says_it_halts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "halt"
    path.write_text(text)
    assert HaltFile(path).reason().startswith("halted: ")


def test_a_file_that_cannot_be_read_or_written_halts_or_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "cannot be read" in HaltFile(folder).reason()
    with pytest.raises(Refused):
        HaltFile(folder).pull("ana", "", AT)
    with pytest.raises(Refused, match="wants a name"):
        HaltFile(tmp_path / "halt").pull(" ", "", AT)
