"""``prunella policy``: check rules, try their examples, explain a decision, prove that a change permits nothing new."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.options import AsJson, RulesConfig, SomeConfig, SomeJournal
from agent.terminal import NOT_WELL, fail, now, open_records, put_json, told

if TYPE_CHECKING:
    from agent.rulebook import Rulebook

app = typer.Typer(
    name="policy",
    help="Rules: check them, try their examples, explain a decision, prove a change.\n\nExample: prunella policy check",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SomeRules = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RULES]", help="Folder of *.cedar; shipped or left out: those shipped.", show_default=False
    ),
]


@app.command(epilog="Example: prunella policy check ./rules")
def check(rules: SomeRules = None, config: RulesConfig = None, as_json: AsJson = False) -> None:
    """Check rules: syntax, schema, rules that can never match or never decide; 1 when one of those is found.

    With --config also its freeze windows: when each opens next.
    """
    with told():
        book, windows = _book(rules, config), _windows(config)
        found = _findings(book)
        if as_json:
            said = [{"rule": each.rule, "text": each.text, "grave": each.grave} for each in found]
            freezes = {"freezes": [{"why": why, "outlook": text} for why, text in windows]}
            put_json({"rules": len(book.rules.policies), "digest": book.rules.digest, "findings": said, **freezes})
        else:
            for why, text in windows:
                typer.echo(f"{'note' if 'never' in text else 'ok  '} freeze window {why}: {text}")
            for each in found:
                typer.echo(f"{'BAD ' if each.grave else 'note'} {each.rule}: {each.text}")
            typer.echo(f"{len(book.rules.policies)} rules in {book.where}, policy {book.rules.digest}")
    raise typer.Exit(NOT_WELL if any(each.grave for each in found) else 0)


def _windows(config: Path | None) -> list[tuple[str, str]]:
    """Return each freeze window of a configuration, and when it opens next."""
    from config.load import load
    from policies.windows import outlook

    return [(window.why, outlook(window, now())) for window in load(config).policy.freezes] if config else []


def _findings(book: "Rulebook") -> tuple[Any, ...]:
    with _solving():
        from policies.prove import findings

        return findings(book.rules)


@app.command(name="test", epilog="Example: prunella policy test ./rules")
def try_examples(rules: SomeRules = None, config: RulesConfig = None, as_json: AsJson = False) -> None:
    """Judge the examples beside the rules (examples.yaml); 1 when a decision is not as meant."""
    with told():
        from policies.caps import Caps
        from policies.examples import try_out

        book = _book(rules, config)
        if not book.examples:
            fail(f"{book.where}: no examples.yaml beside the rules, so there is nothing to test")
        tried = try_out(book.examples, book.rules, Caps())
        wrong = [each for each in tried if each.wrong]
        if as_json:
            put_json([each.model_dump(mode="json") for each in tried])
        else:
            for each in wrong:
                typer.echo(f"BAD  {each.name}: {'; '.join(each.wrong)}")
                typer.echo("\n".join(f"       {reason.rule}: {reason.text}" for reason in each.decision.reasons))
            typer.echo(f"{len(tried) - len(wrong)} of {len(tried)} examples decide as meant")
    raise typer.Exit(NOT_WELL if wrong else 0)


@app.command(epilog="Example: prunella policy explain last --journal prunella.db")
def explain(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or last.")],
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FOLDER", help="Also say what these rules would decide.", show_default=False),
    ] = None,
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Say why each plan of an incident was allowed, asked about or denied: facts, rules, arithmetic."""
    with told():
        from agent.rulings import as_text, rulings

        records = open_records(config, journal)
        book = _book(rules, None) if rules is not None else None
        found = rulings(records, incident, book.rules if book else None)
        if not found:
            fail(f"no decision about incident {incident!r} in this journal; prunella incidents lists them")
        put_json([each.model_dump(mode="json") for each in found]) if as_json else typer.echo(as_text(found), nl=False)


@app.command(epilog="Example: prunella policy prove ./rules-before ./rules-after")
def prove(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="Folder of the rules as they are; shipped: those shipped.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of the rules as they shall be.")],
    as_json: AsJson = False,
) -> None:
    """Prove that changed rules permit nothing that the old ones did not, or show in words what they do; 1 for that."""
    with told():
        before, after = (_book(each, None) for each in (old, new))
        with _solving():
            from policies.prove import prove as proof_of
            from policies.words import counterexample

            found = proof_of(before.rules, after.rules)
            words = counterexample(found.example, before.rules, after.rules) if found.example else ""
        if as_json:
            example = {"action": found.example.action, "service": found.example.service} if found.example else None
            facts = {"facts": found.example.facts} if found.example else {}
            put_json({"outcome": found.outcome, "example": example and example | facts, "words": words})
        else:
            typer.echo(words or _verdict(found.outcome, found.undecided))
    raise typer.Exit(0 if found.outcome == "proved" else NOT_WELL)


def _verdict(outcome: str, undecided: tuple[str, ...]) -> str:
    if outcome == "proved":
        return "Proved: the new rules permit nothing that the old ones did not."
    return (
        f"Undecided for {', '.join(undecided)}: the solver gave up in time. Treat the change as one that permits more."
    )


@contextmanager
def _solving() -> Iterator[None]:
    """Turn what is missing, or not covered by the translation, into one line."""
    if importlib.util.find_spec("z3") is None:
        fail("this needs the extra prove: pip install 'prunella[prove]'")
    try:
        yield
    except ValueError as error:
        fail(f"cannot reason about these rules: {error}")


def _book(rules: Path | None, config: Path | None) -> "Rulebook":
    from agent.rulebook import RuleError, read_rulebook

    if rules is not None and config is not None:
        fail("give RULES or --config, not both")
    if config is not None:
        from config.load import load

        rules = load(config).policy.rules
    try:
        return read_rulebook(None if str(rules) == "shipped" else rules)
    except RuleError as error:
        fail(str(error))
