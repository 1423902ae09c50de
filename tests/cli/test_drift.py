"""prunella drift: two files in, one sentence first, and a code for scripts."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from simulator.cli import app


def drift(*words: str) -> Result:
    return CliRunner().invoke(app, ["drift", *words])


@pytest.fixture(autouse=True)
def _real_wiring(monkeypatch: pytest.MonkeyPatch) -> None:
    import agent.wiring

    monkeypatch.setitem(sys.modules, "agent.wiring", agent.wiring)


def write(path: Path, shift: float, seed: int) -> str:
    rng = np.random.default_rng(seed)
    lines = [f"{x:.4f},{c}" for x, c in zip(rng.normal(shift, 1, 3000), rng.choice(["a", "b"], 3000), strict=True)]
    path.write_text("price,city\n" + "\n".join(lines) + "\n")
    return str(path)


def test_a_move_is_said_in_one_sentence_and_code_one(tmp_path: Path) -> None:
    done = drift(write(tmp_path / "a.csv", 0, 1), write(tmp_path / "b.csv", 0.5, 2))
    assert done.exit_code == 1
    assert done.stdout.startswith("Look at price first")


def test_json_is_for_scripts(tmp_path: Path) -> None:
    done = drift(write(tmp_path / "a.csv", 0, 1), write(tmp_path / "b.csv", 0.5, 2), "--json")
    report = json.loads(done.stdout)
    assert report["moves"][0]["feature"] == "price"
    assert report["moves"][0]["measures"]["ks"] > 0.1


def test_silence_and_code_nought(tmp_path: Path) -> None:
    done = drift(write(tmp_path / "a.csv", 0, 1), write(tmp_path / "b.csv", 0, 2))
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing to look at")


def test_wrong_use_is_a_line_and_code_two(tmp_path: Path) -> None:
    good, empty = write(tmp_path / "a.csv", 0, 1), tmp_path / "empty.csv"
    empty.write_text("price,city\n")
    for bad in (str(tmp_path / "no.csv"), str(empty), "mysql#x"):
        done = drift(good, bad)
        assert done.exit_code == 2
        assert done.stderr.startswith("prunella: ")
        assert done.stderr.count("\n") == 1


def test_a_column_that_is_new_is_said_and_no_fault(tmp_path: Path) -> None:
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("x\n" + "1\n2\n" * 200)
    two.write_text("x,host\n" + "1,a\n2,b\n" * 200)
    done = drift(str(one), str(two))
    assert done.exit_code == 0
    assert "host: new, the reference has no such column" in done.stdout


def test_a_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    page = tmp_path / "drift.html"
    one, two = (Path(write(tmp_path / name, shift, 1)) for name, shift in (("a.csv", 0), ("b.csv", 0.5)))
    for file in (one, two):
        file.write_text(file.read_text().replace("price", "<b>price</b>"))
    assert drift(str(one), str(two), "--html", str(page)).exit_code == 1
    text = page.read_text()
    assert "<svg" in text
    assert "&lt;b&gt;price" in text
    assert "<b>price" not in text
    assert "http" not in text


def test_rules_are_proposed_and_then_enforced(tmp_path: Path) -> None:
    rules, good = tmp_path / "rules.yaml", write(tmp_path / "a.csv", 0, 1)
    assert drift(good, good, "--propose", str(rules)).exit_code == 0
    assert drift(good, good, "--constraints", str(rules)).exit_code == 0
    (tmp_path / "known.csv").write_text("id,name\n1,b\n2,c\n")
    refers = rules.read_text().replace("values: [a, b]", f"refers_to: {{rows: {tmp_path / 'known.csv'}, column: name}}")
    (tmp_path / "refers.yaml").write_text(refers)
    done = drift(good, good, "--constraints", str(tmp_path / "refers.yaml"), "--json")
    assert [fault["kind"] for fault in json.loads(done.stdout)["faults"]] == ["orphans"]
    (tmp_path / "known.csv").unlink()
    assert drift(good, good, "--constraints", str(tmp_path / "refers.yaml")).exit_code == 2
    rules.write_text(rules.read_text().replace("[a, b]", "[a]"))
    done = drift(good, good, "--constraints", str(rules), "--json")
    assert done.exit_code == 1
    assert [fault["kind"] for fault in json.loads(done.stdout)["faults"]] == ["unseen"]
    assert drift(good, good, "--constraints", str(tmp_path / "none.yaml")).exit_code == 2
    assert drift(good, good, "--html", str(tmp_path / "no" / "page.html")).exit_code == 2


def leaning(path: Path, seed: int, shift: float) -> str:
    """Two numbers that both move a little; what is predicted follows the first alone."""
    rng = np.random.default_rng(seed)
    one, two = rng.normal(shift, 1, 20_000), rng.normal(shift, 1, 20_000)
    right = one + 0.1 * rng.normal(size=20_000) > 0
    rows = [f"{a:.4f},{b:.4f},{int(c)}" for a, b, c in zip(one, two, right, strict=True)]
    path.write_text("leaned,idle,paid\n" + "\n".join(rows) + "\n")
    return str(path)


def verdicts(done: Result) -> dict[str, tuple[str, float | None]]:
    return {move["feature"]: (move["verdict"], move["importance"]) for move in json.loads(done.stdout)["moves"]}


@pytest.mark.slow
def test_what_the_model_leans_on_counts_earlier_and_what_it_ignores_later(tmp_path: Path) -> None:
    files = leaning(tmp_path / "a.csv", 1, 0.0), leaning(tmp_path / "b.csv", 2, 0.07)
    plain = verdicts(drift(*files, "--json"))
    assert (plain["leaned"][0], plain["idle"][0]) == ("moved", "moved")
    weighed = verdicts(drift(*files, "--json", "--importance", "paid"))
    assert weighed["leaned"][0] == "moved"
    assert weighed["idle"][0] == "slight"
    assert (weighed["leaned"][1] or 0) > 0.5 > 0.01 > (weighed["idle"][1] or 0)
    told = tmp_path / "weights.yaml"
    told.write_text("leaned: 0\nidle: 1\n")
    turned = verdicts(drift(*files, "--json", "--importance", str(told)))
    assert (turned["leaned"][0], turned["idle"][0]) == ("slight", "moved")
    assert "weight" in drift(*files, "--importance", str(told)).stdout


@pytest.mark.parametrize("text", ["- a list", "price: high", "price: -1", "{", "price: true"])
def test_weights_that_are_none_are_wrong_use(text: str, tmp_path: Path) -> None:
    good, told = write(tmp_path / "a.csv", 0, 1), tmp_path / "weights.yaml"
    told.write_text(text)
    done = drift(good, good, "--importance", str(told))
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert drift(good, good, "--importance", "no_such_thing").exit_code == 2


def test_a_season_is_matched_by_its_column(tmp_path: Path) -> None:
    def hours(path: Path, first: int, last: int) -> str:
        rows = [f"2026-01-05T{hour:02}:{minute:02}:00,{hour}" for hour in range(first, last) for minute in range(60)]
        path.write_text("at,load\n" + "\n".join(rows) + "\n")
        return str(path)

    day, night = hours(tmp_path / "day.csv", 0, 24), hours(tmp_path / "night.csv", 0, 6)
    assert drift(day, night).stdout.startswith("Look at load first")
    done = drift(day, night, "--season", "at", "--json")
    assert "of 1,440 reference rows of the same 6 working-day hours" in json.loads(done.stdout)["notes"][0]
    assert [move["verdict"] for move in json.loads(done.stdout)["moves"] if move["feature"] == "load"] == ["same"]
    for wrong in ("when", "load"):
        bad = drift(day, night, "--season", wrong)
        assert bad.exit_code == 2
        assert bad.stderr.count("\n") == 1


def test_one_row_is_one_row(tmp_path: Path) -> None:
    for name, rows in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.csv").write_text("x\n" + "1\n" * rows)
    said = drift(str(tmp_path / "a.csv"), str(tmp_path / "b.csv")).stdout
    assert "a.csv (1 row) against b.csv (2 rows)" in said
