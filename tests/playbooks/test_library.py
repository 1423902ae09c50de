"""The shipped playbooks, and what a bad file is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from playbooks.library import LibraryError, parse_playbooks, shipped

GOOD = """\
id: widen
class: scale
about: Add replicas.
cures: [growth]
requires: [service, more_replicas]
bounds: {targets: 1, steps: 1, time: PT15M}
steps:
  - id: widen
    action: {verb: set_replicas, service: $service, replicas: $more_replicas}
verification: {hold: PT1M, deadline: PT10M}
escalation: [person]
"""


def test_each_family_is_shipped() -> None:
    playbooks = shipped()
    assert {p.class_ for p in playbooks} == {"rollback", "scale", "retrain", "failover"}
    assert [p.id for p in playbooks] == sorted(p.id for p in playbooks)
    assert len(playbooks) >= 8


@pytest.mark.parametrize("playbook", shipped(), ids=lambda p: p.id)
def test_each_has_preconditions_bounds_verification_undo_and_a_person(playbook: object) -> None:
    from playbooks.plan import Playbook

    assert isinstance(playbook, Playbook)
    assert playbook.preconditions
    assert playbook.escalation[-1] == "person"
    assert playbook.verification.guards
    waits = sum((step.hold for step in playbook.steps), timedelta()) + playbook.verification.hold
    assert waits < playbook.bounds.time
    assert playbook.verification.hold < playbook.verification.deadline


def test_each_file_bears_the_name_of_its_playbook() -> None:
    folder = Path(__file__).parents[2] / "playbooks" / "library"
    assert {path.stem for path in folder.glob("*.yaml")} - {"faults"} == {p.id for p in shipped()}


def test_a_good_file_is_read() -> None:
    (playbook,) = parse_playbooks({"widen.yaml": GOOD})
    assert playbook.verification.deadline == timedelta(minutes=10)


def _changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: [", "widen.yaml:"),
        ("- a\n- b\n", "widen.yaml:1: a playbook is a mapping"),
        ("", "widen.yaml:1: a playbook is a mapping"),
        (_changed("about:", "abuot:"), "widen.yaml:3: abuot: Extra inputs"),
        (_changed("class: scale", "class: skale"), "widen.yaml:2: class"),
        (_changed("PT15M", "soon"), "widen.yaml:6: bounds.time"),
        (_changed("cures: [growth]", "cures: []"), "widen.yaml:4: cures"),
        (
            _changed("cures: [growth]", "cures: [growth]\neases: [null_burst]"),
            "widen.yaml:4: cures: it cures faults, or",
        ),
        (_changed("requires: [service, more_replicas]", "requires: [service]"), "widen.yaml:9: steps.0.action: $more"),
        (_changed("set_replicas", "set_replica"), "widen.yaml:9: steps.0.action.verb: unknown verb"),
        (_changed("replicas: $more", "copies: $more"), "widen.yaml:9: steps.0.action.copies"),
        (_changed(", replicas: $more_replicas", ""), "steps.0.action: set_replicas needs replicas"),
        (_changed("[person]", "[retry]"), "widen.yaml:11: escalation"),
        (_changed("  - id: widen\n", "  - id: widen\n    each: hosts\n"), "widen.yaml:9: steps.0.each: hosts"),
        (GOOD + "id: again\n", "widen.yaml:12: id: given twice"),
    ],
)
def test_a_bad_file_is_told_where(text: str, said: str) -> None:
    with pytest.raises(LibraryError) as caught:
        parse_playbooks({"widen.yaml": text})
    assert said in str(caught.value)


def test_an_empty_library_is_an_error() -> None:
    with pytest.raises(LibraryError, match="no playbook files"):
        parse_playbooks({})


def test_one_id_twice_is_an_error() -> None:
    with pytest.raises(LibraryError, match="another file"):
        parse_playbooks({"a.yaml": GOOD, "b.yaml": GOOD})
