"""``prunella approvals``: the questions that wait for a person, and the answers: approve, modify, reject, escalate."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.options import AsJson, By, Note, SomeConfig, SomeJournal
from agent.terminal import fail, now, open_records, person, put, put_json, told
from tools.journal import Journal

Roles = Mapping[str, Sequence[str]]


class Answer(StrEnum):
    """What a person may say to a question."""

    approve = "approve"
    modify = "modify"
    reject = "reject"
    escalate = "escalate"


SomeAnswer = Annotated[
    Answer | None, typer.Argument(help="What to say; left out: list the questions.", show_default=False)
]
SomeQuestion = Annotated[str | None, typer.Argument(metavar="[ID]", help="To which question.", show_default=False)]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STEP.FIELD=VALUE",
        help="With modify: what is wanted instead; STEP=skip leaves a step out. May be given again.",
        show_default=False,
    ),
]


def approvals(  # noqa: PLR0913, PLR0917 - one parameter for each option
    answer: SomeAnswer = None,
    question: SomeQuestion = None,
    changes: Changes = None,
    by: By = "",
    note: Note = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """List the questions that wait for a person, or answer one.

    A modified plan is another plan: it is judged anew, and needs an approval of its own; the old question is void.
    """
    with told():
        if answer is None:
            _list_questions(open_records(config, journal), as_json)
            return
        if question is None:
            fail(f"{answer.value} what? Give the question's id; prunella approvals lists them")
        if bool(changes) != (answer is Answer.modify):
            fail("--set goes with modify, and modify with --set STEP.FIELD=VALUE")
        who = person(by)
        if config is None and journal is None:
            fail("answers go to a running fleet: give --config FILE (a demo asks on its own terminal)")
        roles, records = _roles(config), open_records(config, journal)
        if answer is Answer.modify:
            _modify(records, question, _pairs(changes or []), who, roles, as_json=as_json)
        else:
            _answer(records, answer, question, (who, note), roles, as_json=as_json)


def _list_questions(records: Journal, as_json: bool) -> None:
    from agent.casebook import read_case
    from agent.view.listing import print_out, question_in_brief, questions_table
    from policies.approvals import KIND, pending

    asked = pending(records.entries(kinds=(KIND,)), now())
    waiting = [(read_case(records, question.incident), question) for question in asked]
    if as_json:
        put_json([question_in_brief(case, question) for case, question in waiting])
    else:
        print_out(questions_table(waiting))


def _roles(config: Path | None) -> Roles:
    """Return who has which role; without a configuration nobody has any, and may answer what anybody may."""
    from config.load import load

    return load(config).approvals.people if config is not None else {}


def _pairs(changes: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in changes:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            fail(f"--set {text}: write STEP.FIELD=VALUE, or STEP=skip")
        if name in found:
            fail(f"--set {name} is given twice")
        found[name] = value
    return found


def _answer(
    records: Journal, said: Answer, question: str, words: tuple[str, str], roles: Roles, *, as_json: bool
) -> None:
    from policies.approvals import answer, escalate, role_of

    by, note = words
    if said is Answer.escalate:
        given = escalate(records, question, by, now=now(), note=note)
        text = f"{given.id} waits for {role_of(given)}"
    else:
        given = answer(records, question, by, yes=said is Answer.approve, note=note, now=now(), roles=roles)
        text = f"{given.id} {given.state} by {given.by or ', '.join(given.votes)}"
    put(given, text, as_json=as_json)


def _modify(
    records: Journal, question: str, changes: Mapping[str, str], by: str, roles: Roles, *, as_json: bool
) -> None:
    """Settle a question by wanting something else, once that is known to be a plan at all."""
    from agent.casebook import read_case
    from playbooks.change import changed
    from policies.approvals import KIND, fold, modify
    from tools.errors import Absent

    asked = fold(records.entries(kinds=(KIND,))).get(question)
    case = read_case(records, asked.incident) if asked is not None else None
    plans = case.plans if case is not None else ()
    plan = next((each for each in plans if asked is not None and each.digest() == asked.plan_digest), None)
    if plan is None:
        raise Absent(f"no plan is asked about under the name {question}")
    wanted = changed(plan, changes, by, now())
    given = modify(records, question, by, changes, now=now(), roles=roles)
    text = f"{given.id} modified by {by}: {wanted.id} is judged anew, and needs an approval of its own"
    put(given.model_dump(mode="json") | {"plan": wanted.id}, text, as_json=as_json)
