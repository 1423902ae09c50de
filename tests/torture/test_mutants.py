"""Each deliberate breakage of the engine is noticed within 500 seeds, so that its silence means something."""

import pytest

from tests.torture.mutants import MUTANTS, caught


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_engine_is_noticed(name: str) -> None:
    seed, violation = caught(name)
    assert seed >= 0, f"500 seeds do not notice an engine that {name}"
    assert violation


def test_twenty_breakages_are_tried_at_least() -> None:
    assert len(MUTANTS) >= 20
