"""``prunella audit``: is the record whole, and whose is it?"""

from pathlib import Path
from typing import Annotated

import typer

from agent.options import AsJson, SomeConfig, SomeJournal
from agent.terminal import NOT_WELL, fail, journal_named, put, put_json, told, wiring

_SHOWN = 20

app = typer.Typer(
    name="audit",
    help="The record: verify that nobody changed it, and make the key that signs it.\n\nExample: prunella audit verify",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog="Example: prunella audit verify --journal prunella.db --key journal.key.pub")
def verify(
    config: SomeConfig = None,
    journal: SomeJournal = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Public key of who signs; else that of the configuration."),
    ] = None,
    expect: Annotated[
        str,
        typer.Option("--expect", metavar="SEQ:HASH", help="A head noted earlier, elsewhere.", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Find every entry that was changed, dropped, reordered or inserted; 1 when there is one."""
    with told():
        url, settings = journal_named(config, journal)
        signer = key or (settings.journal.signing_key if settings else None)
        found = wiring().audit_journal(url, signer, _noted(expect))
        if as_json:
            faults = [{"seq": each.seq, "what": each.what, "text": each.text} for each in found.faults]
            numbers = {name: getattr(found, name) for name in ("entries", "head", "checkpoints", "signed", "count")}
            put_json({"sound": found.sound, **numbers, "faults": faults})
        else:
            cover = f"signed up to entry {found.signed}" if signer else "signatures not looked at: no --key"
            state = "whole" if found.sound else "NOT whole"
            typer.echo(f"{state}: {found.entries} entries, {found.checkpoints} checkpoints, {cover}")
            for each in found.faults[:_SHOWN]:
                typer.echo(f"BAD  {each.text}")
            if found.count > _SHOWN:
                typer.echo(f"     and {found.count - _SHOWN} more")
            typer.echo(f"head {found.entries}:{found.head}  (note it elsewhere; --expect checks against it)")
    raise typer.Exit(0 if found.sound else NOT_WELL)


def _noted(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    seq, colon, digest = text.partition(":")
    if not (seq.isdigit() and colon and len(digest) == 64):
        fail(f"--expect {text[:80]!r} is not SEQ:HASH, as prunella audit verify prints it")
    return int(seq), digest


@app.command(name="key", epilog="Example: prunella audit key /etc/prunella/journal.key")
def make_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key shall lie; never overwritten.")],
    as_json: AsJson = False,
) -> None:
    """Make a key pair that signs the journal; name FILE in journal.signing_key, and keep FILE.pub elsewhere."""
    with told():
        public = wiring().new_key(file)
        put({"private": str(file), "public": str(public)}, f"{file} and {public}", as_json=as_json)
