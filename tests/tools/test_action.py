"""Verbs that cannot be said wrongly."""

from typing import Any

import pytest
from pydantic import ValidationError

from tools.action import ACTION

SWAP: dict[str, Any] = {
    "verb": "convert_inputs",
    "service": "score",
    "model": "score",
    "version": "p-1",
    "of": "2",
    "inputs": ["x", "y"],
    "read_from": ["y", "x"],
    "divided_by": ["1.0", "60.0"],
}


def test_a_conversion_reads_each_input_from_a_column_of_its_own() -> None:
    action = ACTION.validate_python(SWAP)
    assert ACTION.validate_json(action.model_dump_json()) == action


RENAMED: dict[str, Any] = {
    **SWAP,
    "inputs": ["c", "y"],
    "read_from": ["c", "y"],
    "codes": ["24:0 25:1", ""],
}


def test_renamed_classes_are_a_table() -> None:
    action = ACTION.validate_python(RENAMED)
    assert ACTION.validate_json(action.model_dump_json()) == action
    assert getattr(action, "tables") == {"c": ((24, 0), (25, 1))}  # noqa: B009 - of this verb alone


def test_a_conversion_without_renamed_classes_is_written_as_it_ever_was() -> None:
    action = ACTION.validate_python({**SWAP, "codes": ["", ""]})
    assert action == ACTION.validate_python(SWAP)
    assert "codes" not in action.model_dump()


@pytest.mark.parametrize(
    "wrong",
    [
        {"codes": ["24:0 25:0", ""]},
        {"codes": ["24:0 24:1", ""]},
        {"codes": ["24:0"]},
        {"codes": ["24", ""]},
        {"codes": ["24.5:0", ""]},
        {"codes": ["", "24:0"]},  # of a column that is divided
        {"codes": ["24:0", ""], "inputs": ["c", "y"], "read_from": ["y", "c"]},
        {"codes": [" ".join(f"{code}:{code + 50}" for code in range(25)), ""]},
    ],
)
def test_a_table_that_is_not_one_to_one_is_no_conversion(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ACTION.validate_python({**RENAMED, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"divided_by": [1.0]},
        {"read_from": ["x", "x"]},
        {"inputs": ["x", "x"], "read_from": ["x", "x"]},
        {"read_from": ["x", "z"]},
        {"divided_by": [1.0, 0.0]},
        {"divided_by": [1.0, -60.0]},
        {"divided_by": [1.0, "inf"]},
        {"inputs": [], "read_from": [], "divided_by": []},
    ],
)
def test_what_would_lose_an_input_is_no_conversion(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ACTION.validate_python({**SWAP, **wrong})
