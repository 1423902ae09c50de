"""Rule folders on disk: Cedar rules, their schema, and the examples beside them; the shipped folder by default."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from policies.examples import Example, read_examples
from policies.judge import Rules, load_rules


class RuleError(ValueError):
    """A rule folder that cannot be used; one line."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A rule set and the decisions that it is meant to make."""

    rules: Rules
    examples: tuple[Example, ...]
    where: str


def read_rulebook(folder: Path | None) -> Rulebook:
    """Read a folder, or the shipped rules; a folder without a schema of its own uses the shipped one. ``RuleError``."""
    return _shipped() if folder is None else _read(folder)


@cache
def _shipped() -> Rulebook:
    return _read(None)


def _read(folder: Path | None) -> Rulebook:
    files = _files(folder)
    shipped = files if folder is None else _files(None)
    where = str(folder) if folder is not None else "the shipped rules"
    schemas = [text for name, text in files.items() if name.endswith(".cedarschema")]
    if len(schemas) > 1:
        raise RuleError(f"{where}: {len(schemas)} schemas; one is needed")
    schema = schemas[0] if schemas else shipped["prunella.cedarschema"]
    texts = {name: text for name, text in sorted(files.items()) if name.endswith(".cedar")}
    if not texts:
        raise RuleError(f"{where}: no *.cedar file; an empty rule set would deny everything")
    try:
        return Rulebook(load_rules(texts, schema), read_examples(files.get("examples.yaml", "")), where)
    except ValueError as error:
        raise RuleError(f"{where}: {' '.join(str(error).split())}") from error


def shipped_schema() -> str:
    """Return the schema that ships."""
    return _files(None)["prunella.cedarschema"]


def _files(folder: Path | None) -> dict[str, str]:
    if folder is None:
        inside = resources.files("policies").joinpath("rules")
        return {path.name: path.read_text(encoding="utf-8") for path in inside.iterdir()}
    try:
        if folder.is_file():
            return {folder.name: folder.read_text(encoding="utf-8")}
        return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{folder}: {getattr(error, 'strerror', None) or 'is no text'}") from error
