"""Free text: other words, other lengths and other encodings are told by name; keys, names and the same text are not."""

from collections.abc import Sequence

import numpy as np
import pytest

from agent.drift.compare import compare
from agent.drift.finding import DriftReport
from tests.drift.tables import Rows

COMMON = [
    "the",
    "a",
    "of",
    "to",
    "in",
    "is",
    "for",
    "with",
    "please",
    "help",
    "write",
    "explain",
    "this",
    "that",
    "it",
    "me",
    "my",
    "on",
    "and",
    "how",
]
CODE = ["python", "list", "function", "error", "sort", "class", "import", "loop", "test", "string"]
HEALTH = ["doctor", "pain", "dose", "fever", "allergy", "symptom", "child", "vaccine", "sleep", "heart"]
JAPANESE = "今日はとても良い天気ですね会議の資料を送ってください明日まで確認お願いします"


def texts(
    seed: int, topic: Sequence[str] = CODE, long: int = 12, share: float = 1.0, rows: int = 1500
) -> list[str | None]:
    rng = np.random.default_rng(seed)
    return [
        " ".join([*rng.choice(COMMON, long), *rng.choice(topic if rng.random() < share else CODE, 3)])
        for _ in range(rows)
    ]


def report(reference: list[str | None], current: list[str | None]) -> DriftReport:
    rng = np.random.default_rng(9)
    one, two = (rng.normal(size=len(side)) for side in (reference, current))
    return compare(Rows(prompt=reference, x=one), Rows(prompt=current, x=two))


def moved(found: DriftReport) -> dict[str, str]:
    return {one.test: one.text for one in found.joint if one.feature == "prompt" and one.verdict == "moved"}


def test_another_topic_is_named_by_its_words() -> None:
    found = report(texts(0), texts(1, HEALTH))
    assert set(moved(found)) == {"words", "classifier"}
    assert found.headline.startswith("Look at prompt: ")
    assert any(f"of the texts say {word!r}, 0.0% did" in moved(found)["words"] for word in HEALTH)
    assert not [note for note in found.notes if "prompt" in note]


def test_a_topic_of_one_text_in_ten_is_found() -> None:
    assert "words" in moved(report(texts(0), texts(1, HEALTH, share=0.1)))


def test_longer_texts_are_told() -> None:
    assert "the text in the middle has 23 words, had 15" in moved(report(texts(0), texts(1, long=20)))["length"]


def test_another_language_is_told_where_nothing_sets_words_apart() -> None:
    rng = np.random.default_rng(3)
    japanese: list[str | None] = ["".join(rng.choice(list(JAPANESE), 18)) for _ in range(1500)]
    again: list[str | None] = ["".join(rng.choice(list(JAPANESE), 18)) for _ in range(1500)]
    assert "words" in moved(report(texts(0), japanese))
    assert not moved(report(japanese, again))


def test_texts_read_in_a_wrong_encoding_are_a_fault_of_the_data() -> None:
    german = ["bitte", "erkläre", "mir", "die", "größe", "für", "das", "gerät"]
    before = texts(0, german)
    after = [(text or "").encode().decode("latin-1") for text in texts(1, german)]
    faults = {(one.column, one.kind) for one in report(before, list(after)).faults}
    assert ("prompt", "encoding") in faults
    assert not report(before, texts(1, german)).faults


@pytest.mark.parametrize("form", ["{:032x}", "user-{}", "{:%}", "https://example.org/a-b-c/{}"])
def test_keys_are_no_text(form: str) -> None:
    keys: list[str | None] = [form.format(7919 * at) for at in range(1500)]
    others: list[str | None] = [form.format(104729 * at + 1) for at in range(1500)]
    found = report(keys, others)
    assert "prompt: names rows, not compared" in found.notes
    assert not found.alarming


def test_a_few_texts_say_nothing() -> None:
    assert not moved(report(texts(0, rows=60), texts(1, HEALTH, rows=60)))


@pytest.mark.slow
def test_the_same_text_keeps_silent() -> None:
    rng = np.random.default_rng(5)
    vocabulary = np.array(
        [f"w{chr(97 + at % 26)}{'abcdefghij'[at // 26 % 10]}{'klmnopqrst'[at // 260]}" for at in range(900)]
    )
    odds = 1 / np.arange(1, 901)

    def drawn() -> list[str | None]:
        return [" ".join(row) for row in rng.choice(vocabulary, (600, 15), p=odds / odds.sum())]

    assert sum(compare(Rows(prompt=drawn()), Rows(prompt=drawn())).alarming for _ in range(12)) == 0
