"""What the documents say exists, exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = (
    "run",
    "demo",
    "drill",
    "incidents",
    "explain",
    "approvals",
    "doctor",
    "lab",
    "twin",
    "policy",
    "drift",
    "detect",
    "costs",
    "digest",
    "audit",
    "replay",
    "autonomy",
    "pause",
    "resume",
    "halt",
    "breaker",
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_path_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for word in re.findall(r"`?prunella ([a-z]+)\b", text):
        assert word in COMMANDS or f"prunella {word}" not in _commands(text), word
    folders = "agent|config|policies|playbooks|tools|simulator|deploy|docs"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*\w)`", text):
        assert (ROOT / path).exists(), path


def _commands(text: str) -> str:
    """What stands in code: spans and blocks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def test_every_verb_and_cedar_file_of_the_pages_exists() -> None:
    from tools.action import VERBS

    page = (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8")
    listed = re.search(r"\*\*Verbs\*\*: (.*?)\n\(", page, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r"`(\w+)`", listed.group(1))) == VERBS
    named = re.findall(r"`(\w+\.cedar)`", (ROOT / "docs" / "policies.md").read_text(encoding="utf-8"))
    assert set(named) == {path.name for path in (ROOT / "policies" / "rules").glob("*.cedar")}


def test_the_playbook_and_the_scenario_of_the_pages_are_those_of_the_library() -> None:
    import yaml

    for page, folder in (("playbooks.md", "playbooks/library"), ("scenarios.md", "simulator/scenarios")):
        block = re.search(r"```yaml\n(id: .*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
        assert block is not None
        shown = yaml.safe_load(block.group(1))
        real = yaml.safe_load((ROOT / folder / f"{shown['id']}.yaml").read_text(encoding="utf-8"))
        assert shown == {**real, "target": shown["target"]} if "target" in shown else shown == real
