"""Every example in a docstring is true."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.house.test_house import ROOT, SOURCES

SHOWN = [path for path in SOURCES if ">>>" in path.read_text()]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_in_docstrings_are_true(path: Path) -> None:
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
