"""The console at every size: it fits, it says what matters, and text from outside can do nothing to it."""

import io
import unicodedata

import pytest
from rich.console import Console

from agent.casebook import Snapshot
from agent.view.console import console
from agent.view.figures import bar, span, sparkline
from agent.view.plain import markdown, plain
from tests.view.sample import HOSTILE, healed, snapshot, waiting
from tools.figure import figure

SIZES = [(80, 24), (120, 40), (200, 50)]
SNAPSHOTS = {
    "quiet": snapshot(),
    "healed": snapshot(healed(), waiting()),
    "waiting": snapshot(waiting(), healed(), problems=("prometheus: timed out",)),
    "hostile": snapshot(waiting(HOSTILE), healed(HOSTILE), text=HOSTILE, problems=(HOSTILE,) * 3),
}


def drawn(seen: Snapshot, width: int, height: int | None, *, colour: bool = False) -> str:
    out = io.StringIO()
    Console(
        file=out, width=width, height=height, force_terminal=colour, color_system="truecolor" if colour else None
    ).print(console(seen, width, height))
    return out.getvalue()


@pytest.mark.parametrize("name", SNAPSHOTS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_never_leaves_its_frame(name: str, width: int, height: int) -> None:
    lines = drawn(SNAPSHOTS[name], width, height).splitlines()
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width
    assert lines[0].startswith("╭")
    assert lines[-1].rstrip().endswith("╯")


def test_a_small_terminal_still_shows_the_worst_service() -> None:
    shown = drawn(SNAPSHOTS["waiting"], 60, 15)
    worst = next(row.name for row in SNAPSHOTS["waiting"].services if row.state == "bad")
    assert len(shown.splitlines()) <= 15
    assert any(worst in line and "ready" not in line for line in shown.splitlines()[1:4])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_hostile_text_is_shown_as_text(width: int, height: int) -> None:
    shown = drawn(SNAPSHOTS["hostile"], width, height)
    assert "[bold red]" in shown  # written out, not obeyed
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf") and char != "\n"]


def test_hostile_text_sends_no_escape_that_the_console_does_not_send_itself() -> None:
    sequences = [part.split("m")[0] for part in drawn(SNAPSHOTS["hostile"], 120, 40, colour=True).split("\x1b")[1:]]
    assert all(sequence.startswith("[") and set(sequence[1:]) <= set("0123456789;") for sequence in sequences)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_question_names_itself_and_how_to_answer(width: int, height: int) -> None:
    shown = drawn(SNAPSHOTS["waiting"], width, height)
    assert "prunella approvals approve apr-7-1" in shown
    assert "prometheus: timed out" in shown


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_proof_shows_before_after_and_target(width: int, height: int) -> None:
    proof = next(line for line in drawn(SNAPSHOTS["healed"], width, height).splitlines() if "→" in line)
    assert [word for word in ("31%", "0.4%", "target 2%") if word not in proof] == []


def test_with_room_everything_is_told() -> None:
    shown = drawn(SNAPSHOTS["healed"], 120, None)
    for words in ("no XID", "kv_cache_saturation", "load 64 % <= 85 %", "restore revision 3 of chat", "620ms"):
        assert words in shown


def test_states_differ_without_colour() -> None:
    lines = drawn(SNAPSHOTS["quiet"], 120, 40).splitlines()
    assert {"✖", "✔", "?"} <= {line.split()[1] for line in lines[2:10]}


def test_a_fleet_that_does_not_fit_hides_the_well_first() -> None:
    shown = drawn(snapshot(healed()), 80, 18)
    assert "✖ BAD" in shown
    assert "? no data" in shown
    assert "+ " in shown
    assert len(shown.splitlines()) <= 18


@pytest.mark.parametrize(
    ("signal", "value", "words"),
    [
        ("ttft_p95", 0.41, "410ms"),
        ("ttft_p95", 4.1, "4.1s"),
        ("error_ratio", 0.31, "31%"),
        ("requests", 12.345, "12.35/s"),
        ("requests", None, "no data"),
        ("spend", 12.5, "12.50/h"),
        ("generation_tokens", 12345.0, "12.3k/s"),
        ("unheard_of", 3.0, "3"),
    ],
)
def test_figures_bear_their_unit(signal: str, value: float | None, words: str) -> None:
    assert figure(signal, value) == words


def test_pictures() -> None:
    assert sparkline((0.0, None, 1.0), 4) == " ▁·█"
    assert sparkline((1.0, 1.0), 2, ceiling=2.0) == "▅▅"
    assert sparkline((), 3) == "   "
    assert bar(0.5, 4) == "██░░"
    assert bar(7.0, 4) == "████"


def test_spans_show_two_units() -> None:
    from datetime import timedelta

    assert [span(timedelta(seconds=s)) for s in (5, 125, 11400, 187200, -3)] == ["5s", "2m05s", "3h10m", "2d04h", "0s"]


def test_plain_is_one_harmless_line() -> None:
    assert plain("a\x1b[31m\u202eb\n\tc\u200b") == "a [31m b c"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
    assert markdown("<b> a|b @you http://x") == "&lt;b> a\\|b @\u2060you http:\u2060//x"
    assert markdown("# h_h _i_") == "\\# h_h \\_i\\_"
    leads = ("1. x", "- x", "> x", "--- x", "see #12", "0.4 <= 2 & more")
    assert [markdown(text) for text in leads] == [
        "1\\. x",
        "\\- x",
        "\\> x",
        "\\--- x",
        "see #\u206012",
        "0.4 <= 2 & more",
    ]
