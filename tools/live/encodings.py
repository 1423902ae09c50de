"""How a text is written down: UTF-8, UTF-16 where it says so, or a byte to a letter, as programs of Windows do."""

import gzip
import shutil
import tempfile
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Final, TextIO, cast

from tools.errors import Malformed

CHUNK = 1 << 20  # bytes
MARKS: Final = (b"\xff\xfe", b"\xfe\xff")  # with which UTF-16 begins


def opened(path: Path) -> BufferedIOBase:
    """Open a file, compressed or not."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def read_as(path: Path, encoding: str) -> TextIO:
    """Open a text, compressed or not; a sign for what cannot be read."""
    how = gzip.open if path.suffix == ".gz" else open
    return cast("TextIO", how(path, "rt", encoding=encoding, errors="replace", newline=""))


def says_utf16(path: Path) -> bool:
    """Whether a text begins with the mark of UTF-16; ``Malformed`` where it cannot be unpacked."""
    try:
        with opened(path) as file:
            return file.read(2) in MARKS
    except (gzip.BadGzipFile, EOFError) as error:
        raise Malformed(f"{path} cannot be unpacked: {error}") from error


def is_single(path: Path) -> bool:
    """Whether a text holds letters beyond ASCII, none of which UTF-8 can read: each of them is one byte.

    A text that holds both was put together from two, or broke; one with noughts is none.
    """
    decoder, valid, wrong = getincrementaldecoder("utf-8")(errors="replace"), 0, 0
    with opened(path) as file:
        while piece := file.read(CHUNK):
            if 0 in piece:
                return False
            text = decoder.decode(piece)
            lost = text.count("\ufffd")
            wrong += lost
            valid += len(text) - len(text.encode("ascii", "ignore")) - lost
    return wrong > 0 and valid == 0


@contextmanager
def in_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """Write a text anew in UTF-8, beside nothing of the user's; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "text.csv"
        with read_as(path, encoding) as file, target.open("w", encoding="utf-8", newline="") as text:
            shutil.copyfileobj(file, text, CHUNK)
        yield target
