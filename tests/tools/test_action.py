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
