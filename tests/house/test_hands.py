"""The page says which playbooks there are hands for on a cluster, and no more."""

import re
from pathlib import Path

from agent.assembly import playable
from playbooks.library import shipped
from tools.live.kube_actuator import VERBS

PAGE = Path(__file__).parents[2] / "docs" / "run-on-my-cluster.md"
ALIAS, ROUTE = frozenset({"set_alias"}), frozenset({"set_split"})
TRAINED = ALIAS | ROUTE | {"train_model"}
NEEDED = {"the role": VERBS, "a registry": ALIAS, "a route": ROUTE, "a training": TRAINED}


def test_the_page_names_every_playbook_with_what_it_needs_there() -> None:
    head = "| playbook | needs |"
    rows = PAGE.read_text().split(head)[1].split("\n\n")[0].strip().splitlines()[1:]
    said = {
        name: cells[2].strip() for row in rows if (cells := row.split("|")) for name in re.findall("`(.+?)`", cells[1])
    }
    assert set(said) == {book.id for book in shipped()}
    # No live registry says what versions make of rows that are handed in.
    live = {book.id for book in playable(frozenset().union(*NEEDED.values()), answers_rows=False)}
    assert {name for name, needs in said.items() if not needs.startswith("not on a cluster")} == live
    for what, verbs in NEEDED.items():
        alone = {book.id for book in playable(verbs, answers_rows=False)}
        less = {book.id for each in NEEDED.values() if each < verbs for book in playable(each, answers_rows=False)}
        assert {name for name, needs in said.items() if needs.startswith(what)} == alone - less, what
