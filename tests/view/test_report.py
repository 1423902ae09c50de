"""The postmortem: the same case makes the same words, and no text from outside can format, link or mention."""

from pathlib import Path

from agent.report import explain, verdict
from tests.view.sample import HOSTILE, healed, waiting

GOLDEN = Path(__file__).with_name("explained.md")


def test_a_healed_case_reads_as_the_golden_report() -> None:
    assert explain(healed()) == GOLDEN.read_text(encoding="utf-8")


def test_a_case_that_waits_shows_the_anomalies_and_the_question() -> None:
    text = explain(waiting())
    assert "| error_ratio | service/chat | 31% | 0.4% | objective |" in text
    assert "a person was asked (`apr-7-1`): **pending**" in text
    assert "no record" in text
    assert "## Outcome" not in text


def test_hostile_text_means_nothing_to_markdown() -> None:
    text = explain(healed(HOSTILE))
    for poison in ("<script>", "\x1b", "\u202e", "@everyone", "http://evil", " `rm`", " | line"):
        assert poison not in text, poison
    assert len(text.splitlines()) == len(explain(healed()).splitlines())


def test_the_verdict_is_one_line_with_figures() -> None:
    assert verdict(healed()) == (
        "inc-7 chat: recovered after 2m00s; error_ratio 31% -> 0.4% (target 2%); ttft_p95 620ms -> 410ms (target 1s)"
    )
    assert verdict(waiting()) == "inc-7 chat: waiting approval"
