"""The page and the file of finished episodes: whole, safe to open, and nothing played twice."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simulator import drill
from simulator.drill import CONTROL, Task, run_drill
from simulator.episode import demo_fleet
from simulator.kept import Kept
from simulator.scorecard_html import page
from simulator.scorecard_view import guardians, measures, passed, remarks
from simulator.summary import summary

pytestmark = pytest.mark.slow


def episode(scenario: str = "vendor_outage", seed: int = 0, **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(("unsafe", "collateral", "duplicates", "false_incidents", "false_acted"), 0)
    known |= {"scenario": scenario, "seed": seed, "detected": True, "detect_s": 40.0, "named": scenario, "top1": True}
    known |= {"top3": True, "healed": True, "heal_s": 100.0, "asked": 0, "actions": 1, "breaches": [], "harmed": []}
    known |= {"called": 0, "money_acts": -2.5, "money_incident": 4.0, "service_years": 0.01, "course": course(0.9)}
    return known | {"requests": 1000, "good_requests": 990, "money": 1.0, "tokens": 0} | more


def result(*episodes: dict[str, Any]) -> dict[str, Any]:
    control = [
        episode(item["scenario"], item["seed"], healed=False, heal_s=None, good_requests=500, course=course(0.5))
        for item in episodes
    ]
    beside = {CONTROL: {"summary": summary(control), "episodes": control}}
    return {"suite": "custom", "episodes": list(episodes), "summary": summary(episodes), "beside": beside}


def course(good: float, steps: int = 12) -> dict[str, Any]:
    """Five steps of health, then so good a share of 100 requests in each."""
    shares = [1.0] * 5 + [good] * (steps - 5)
    told = {"requests": [100] * steps, "good": [round(100 * each) for each in shares], "well": shares}
    return {"step_s": 120.0, "from_s": -600.0, **told}


class Tags(HTMLParser):
    """Checks that every tag that is opened is closed in order."""

    VOID = frozenset(("meta", "line", "circle", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not [value for name, value in attrs if name in ("src", "href")], "nothing is fetched"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing() -> None:
    text = page(result(episode(), episode(seed=1, healed=False, heal_s=None, top1=False, named="vendor_slow")))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert "script" not in tags.seen
    assert ">vendor_slow</th>" in text
    assert "1 / 2" in text
    assert text.count("✖") == 3  # the legend, the strip, the row


def test_hostile_names_are_escaped() -> None:
    text = page(result(episode("<script>alert(1)</script>", named="<img src=x>", breaches=["<b>"])))
    assert "<script" not in text
    assert "<img" not in text
    assert "<b>" not in text.split("Every episode")[1]


def test_a_quiet_drill_has_a_page_too() -> None:
    text = page(result(episode("healthy", **QUIET, false_incidents=1)))
    assert "acted on nothing" in text
    assert "false incidents a service-day of health" in text
    assert "1 false incident in 0.01 service-years of health: more than 1 a year." in text


QUIET: dict[str, Any] = dict.fromkeys(
    ("detected", "detect_s", "named", "top1", "top3", "healed", "heal_s", "money_acts", "money_incident", "course")
)


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({}, True),
        ({"false_acted": 1}, False),
        ({"healed": False}, False),
        ({"false_incidents": 1}, True),  # beside a fault
        (QUIET, True),
        ({**QUIET, "false_incidents": 1}, False),  # in a hundredth of a service-year
        ({**QUIET, "false_incidents": 1, "service_years": 1.0}, True),
        ({**QUIET, "false_incidents": 2, "service_years": 1.9}, False),
        ({**QUIET, "false_acted": 1, "service_years": 100.0}, False),
    ],
)
def test_a_drill_passes_only_when_healed_harmless_and_calm(more: dict[str, Any], good: bool) -> None:
    assert passed(result(episode(**more))) is good


def test_the_page_draws_what_users_got_with_and_without() -> None:
    text = page(result(episode(), episode(seed=1)))
    drawn = text.split("What users got")[1]
    # ours: 0.9 from the onset on, nobody's 0.5, to the last step though the runs ended after 14 minutes
    assert "<td>prunella</td><td>100.00%</td><td>90.00%</td>" in drawn
    assert "<td>do_nothing</td><td>100.00%</td><td>50.00%</td>" in drawn
    assert "<td>vendor_outage</td><td>90.000%</td><td>50.000%</td>" in drawn  # of each scenario


def test_everybody_is_shown_with_intervals_and_what_it_cost() -> None:
    played = result(episode(), episode(seed=1, healed=False, heal_s=None))
    everybody = {"prunella": played["summary"], CONTROL: played["beside"][CONTROL]["summary"]}
    console = Console(width=120, record=True, file=StringIO())
    console.print(guardians(everybody))
    rows = [re.split(r"\s{2,}", line.strip()) for line in console.export_text().splitlines()]
    ours = next(i for i, row in enumerate(rows) if row[0] == "prunella")
    assert rows[ours][:5] == ["prunella", "50%", "100 s", "99%", "-2.50"]
    assert rows[ours + 1] == ["9.4–90.5%", "99–99%", "-2.50 to -2.50"]
    assert next(row for row in rows if row[0] == CONTROL)[1] == "0%"
    assert remarks(played["summary"]) == ["Of fewer than 5 seeds the intervals say little: --seeds 5."]


def test_a_drill_goes_on_where_it_was_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Task] = []

    def perform(tasks: tuple[Task, ...]) -> Iterator[dict[str, Any]]:
        for task in tasks:
            if len(played) == 3:
                raise KeyboardInterrupt
            played.append(task)
            yield episode(task.scenario, task.seed)

    monkeypatch.setattr(drill, "perform", perform)
    words: dict[str, Any] = {"kept": tmp_path / "kept.jsonl", "length": timedelta(hours=1)}
    with pytest.raises(KeyboardInterrupt):
        run_drill(["vendor_outage"], None, 3, 1, **words)
    with (tmp_path / "kept.jsonl").open("a") as file:
        file.write('\n{"key": "prunella/vendor_ou')  # the machine died in the middle of a line
    first = list(played)
    played.clear()
    assert len(run_drill(["vendor_outage"], None, 3, 1, **words)["episodes"]) == 3
    assert len(first) + len(played) == 6
    assert not set(first) & set(played)
    played.clear()
    run_drill(["vendor_outage"], None, 3, 1, **words)
    assert played == []


def test_other_lengths_are_other_episodes(tmp_path: Path) -> None:
    short, long = (Task("healthy", 0, "prunella", timedelta(hours=h)) for h in (1, 2))
    kept = Kept(tmp_path / "kept.jsonl")
    kept.add(short.key, episode("healthy"))
    assert Kept(tmp_path / "kept.jsonl").of(short.key) == episode("healthy")
    assert kept.of(long.key) is None


def test_baselines_play_the_same_faults_and_are_shown_beside() -> None:
    found = run_drill(["vendor_outage"], None, 1, 1, length=timedelta(minutes=20), beside=["runbook_by_alert"])
    assert set(found["beside"]) == {CONTROL, "runbook_by_alert"}
    assert found["beside"]["runbook_by_alert"]["summary"]["healed"]["mean"] in (0, 1)
    assert "runbook_by_alert" in page(found)


def test_the_terminal_says_measures_in_words_with_their_units() -> None:
    share = {"mean": 1.0, "low": 0.9398, "high": 1.0}
    seconds = {"mean": 720.9, "low": 476.89, "high": 964.91}
    spent = {"mean": -1.5, "low": -3.0, "high": 0.0}
    told = {"healed": share, "heal_s": seconds, "money_acts": spent, "unsafe": 0}
    console = Console(width=100, record=True, file=StringIO())
    console.print(measures({"episodes": 60, **told, "good_request_share": {"mean": 0.994952}}, "prunella"))
    rows = [re.split(r"\s{2,}", line.strip()) for line in console.export_text().splitlines()]
    assert ["healed", "100%", "94% to 100%"] in rows
    assert ["until healed", "721 s", "477 s to 965 s"] in rows
    assert ["money that its acts cost, a run", "-1.50", "-3.00 to 0.00"] in rows
    assert ["unsafe actions", "0"] in rows
    assert ["good requests", "99.495%"] in rows


def test_the_terminal_shows_what_rules_beside_broke_too() -> None:
    rules = summary([episode(unsafe=2), episode(collateral=1)])
    console = Console(width=120, record=True, file=StringIO())
    console.print(guardians({"prunella": summary([episode(), episode()]), "restart_first": rules}))
    rows = [re.split(r"\s{2,}", line.strip()) for line in console.export_text().splitlines()]
    heads = next(row for row in rows if row[0] == "healed")
    broke = next(row for row in rows if row[0] == "restart_first")[1:]
    assert (broke[heads.index("unsafe")], broke[heads.index("harm")]) == ("2", "1")


def test_an_edited_scenario_or_another_fleet_is_not_taken_for_the_one_that_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = (Path(drill.__file__).parent / "scenarios" / "vendor_outage.yaml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    before = Task(str(file), 0, "prunella")
    assert before.key == Task(str(file), 0, "prunella").key
    fleet = demo_fleet()
    smaller = Task(str(file), 0, "prunella", fleet=fleet.model_copy(update={"services": fleet.services[:3]}))
    kept = before.key
    assert kept not in (smaller.key, Task(str(file), 0, "prunella", fleet=fleet).key)
    file.write_text(text.replace("id: vendor_outage", "id: another"), encoding="utf-8")
    assert Task(str(file), 0, "prunella").key != kept


def test_the_page_names_modifiers_and_what_was_taken_for_the_cause_of_a_persons_fault() -> None:
    healed = episode(modifiers=["red_herring"])
    left = episode(
        "network_policy_blocks", healed=None, heal_s=None, told=True, alone=None, named="quota_exhausted", top1=False
    )
    text = page({"suite": "custom", "episodes": [healed, left], "summary": summary([healed, left])})
    assert text.count("vendor_outage+red_herring") >= 3  # how long it took, what was taken for the cause, every episode
    assert ">quota_exhausted</th>" in text
    assert "rightly left to a person" in text
