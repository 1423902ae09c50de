"""A column that goes by another name is told from one that is gone."""

import numpy as np
import pytest

from agent.drift.compare import compare
from agent.drift.renamed import successors
from tests.drift.tables import Rows
from tools.grid import Floats
from tools.tables import Column

Columns = dict[str, "Floats | list[str | None] | Column"]


def columns(seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "weight": rng.normal(70, 10, 2000),
        "height": rng.normal(170, 8, 2000),
        "flag": rng.integers(0, 2, 2000).astype(np.float64),
        "city": [["Bergen", "Oslo", "Voss", "Bodø"][at] for at in rng.integers(0, 4, 2000)],
    }


def renamed(**names: str) -> dict[str, str]:
    now = {names.get(name, name): column for name, column in columns(2).items()}
    return successors(Rows("before", **columns(1)), Rows("now", **now))


@pytest.mark.parametrize("name", ["Weight", "WEIGHT", "w_eight"])
def test_a_name_written_otherwise_is_the_same_whatever_it_holds(name: str) -> None:
    now = columns(2) | {name: np.zeros(2000)}
    del now["weight"]
    assert successors(Rows("before", **columns(1)), Rows("now", **now)) == {"weight": name}


def test_columns_that_hold_the_same_are_taken_for_each_other() -> None:
    assert renamed(weight="mass", city="place", flag="sign") == {"weight": "mass", "city": "place"}


def test_one_that_holds_something_else_is_not() -> None:
    now = columns(2) | {"mass": np.random.default_rng(3).normal(80, 10, 2000)}
    del now["weight"]
    assert successors(Rows("before", **columns(1)), Rows("now", **now)) == {}


def test_two_that_hold_the_same_are_neither() -> None:
    now = columns(2) | {"mass": columns(3)["weight"], "load": columns(4)["weight"]}
    del now["weight"]
    assert successors(Rows("before", **columns(1)), Rows("now", **now)) == {}


def test_a_report_says_so() -> None:
    now = {"mass" if name == "weight" else name: column for name, column in columns(2).items()}
    (fault,) = compare(Rows("before", **columns(1)), Rows("now", **now)).faults
    assert fault.text == "the column is gone; mass, which is new, looks like it: renamed?"
