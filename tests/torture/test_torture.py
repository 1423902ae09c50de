"""Five hundred seeds of torture, in every run of the suite. A failing one prints the command that replays it."""

import pytest

from tests.torture.stage import Stage
from tests.torture.trials import replay, trial

BATCHES, BATCH = 20, 25


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_nothing_forbidden_happens_and_every_story_ends(batch: int) -> None:
    results = [trial(seed) for seed in range(batch * BATCH, (batch + 1) * BATCH)]
    assert not [f"{violation}: {replay(seed)}" for seed, violation, _ in results if violation]
    assert sum(points for _, _, points in results) > 100 * BATCH // 10


def test_a_seed_tells_the_same_story_every_time() -> None:
    stories = []
    for _ in range(2):
        stage = Stage(7)
        stage.run()
        stories.append([(entry.at, entry.kind, entry.body) for entry in stage.journal.entries()])
    assert stories[0] == stories[1]
    assert len(stories[0]) > 10


@pytest.mark.slow
def test_the_stories_are_rich_enough_to_prove_anything() -> None:
    kinds: dict[str, int] = {}
    ends: dict[str, int] = {}
    for seed in range(40):
        stage = Stage(seed)
        stage.run()
        for entry in stage.journal.entries():
            kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
            if entry.kind == "RUN_END":
                ends[entry.body["state"]] = ends.get(entry.body["state"], 0) + 1
    wanted = {"STEP_INTENT", "COMPENSATE_INTENT", "APPROVAL", "BREAKER", "PAUSE", "GUARD", "LEASE"}
    assert wanted <= kinds.keys()
    assert {"done", "undone", "failed", "escalated"} <= ends.keys()
