"""Log lines for pipes."""

import io

from rich.console import Console

from agent.view.lines import new_lines, problem_lines
from agent.view.screen import LogLines, screen
from tests.view.sample import HOSTILE, healed, snapshot, story, waiting


def test_only_what_is_new_is_told() -> None:
    case = waiting()
    first, seen = new_lines(snapshot(case.model_copy(update={"timeline": story("x", 2)})), {})
    second, seen = new_lines(snapshot(case.model_copy(update={"timeline": story("x", 3)})), seen)
    third, _ = new_lines(snapshot(case.model_copy(update={"timeline": story("x", 3)})), seen)
    assert first == (
        "2026-03-02T09:31:00Z inc-7 chat INCIDENT chat: error_ratio 0.31, expected 0.004 (service/chat)",
        "2026-03-02T09:31:01Z inc-7 chat EVIDENCE release 4 went out 55 s before the onset: x",
    )
    assert second == ("2026-03-02T09:31:02Z inc-7 chat DIAGNOSIS bad_rollout_errors on service/chat 93%",)
    assert third == ()


def test_a_hostile_line_stays_one_line() -> None:
    lines, _ = new_lines(snapshot(healed(HOSTILE)), {})
    assert all("\n" not in line and "\x1b" not in line for line in lines)
    assert len(lines) == 7


def test_problems_are_told_when_they_come_and_when_they_are_gone() -> None:
    down = snapshot(problems=("prometheus: timed out",))
    assert problem_lines(down, ()) == ("2026-03-02T09:31:40Z fleet - PROBLEM prometheus: timed out",)
    assert problem_lines(down, down.problems) == ()
    assert problem_lines(snapshot(), down.problems) == (
        "2026-03-02T09:31:40Z fleet - CLEAR every source answers again",
    )


def test_a_pipe_gets_lines_and_never_a_picture() -> None:
    out = io.StringIO()
    with screen(Console(file=out, width=40), headless=False) as shown:
        assert isinstance(shown, LogLines)
        shown.show(snapshot(healed()))
        shown.show(snapshot(healed()))
    lines = out.getvalue().splitlines()
    assert len(lines) == 7  # long lines are not folded
    assert "╭" not in out.getvalue()


def test_a_terminal_gets_the_picture_and_keeps_the_last_one() -> None:
    out = io.StringIO()
    with screen(Console(file=out, width=100, height=30, force_terminal=True), headless=False) as shown:
        shown.show(snapshot(waiting()))
        with shown.aside():
            out.write("QUESTION")
        shown.show(snapshot(healed()))
    text = out.getvalue()
    assert "\x1b[?1049h" in text  # takes the whole terminal, and gives it back
    assert text.rindex("\x1b[?1049l") < text.rindex("recovered")
    assert "QUESTION" in text
