"""The settings' own documentation, as the Markdown of ``docs/configuration.md``.

Renew the page with ``python -c "import config.reference as r; r.write()"`` from the repository root.
"""

import types
import typing
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.duration import written
from config.settings import Settings

_INTRODUCTION = """# Configuration

One YAML file, read once, by `prunella run --config FILE`. `config/example.yaml` shows every field in place, and
`prunella doctor --config FILE` checks a file against the world. A mistake is one line: file, line, field, reason.

An environment variable overrides the file: `PRUNELLA_` and the field's path in capitals, joined by two underscores,
e.g. `PRUNELLA_REASONER__API_KEY`. Durations are written `30s`, `5m`, `2h`, `7d`.
Relative paths are relative to the file.

*This page is generated from the fields' own documentation (`config/reference.py`); a test keeps the two equal.*
"""
_NAMES = {
    str: "text",
    bool: "`true`, `false`",
    int: "whole number",
    float: "number",
    Path: "path",
    timedelta: "duration",
    SecretStr: "secret",
}


def reference() -> str:
    """Return the whole page."""
    sections = (_section(name, model) for name, model in groups())
    return "\n".join((_INTRODUCTION, *sections))


def write(path: Path = Path("docs/configuration.md")) -> None:
    """Write the page to a file."""
    path.write_text(reference(), encoding="utf-8")


def groups() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every group of settings with its path, the top first."""
    yield from _groups("", Settings)


def about(info: FieldInfo) -> str:
    """Return what a field means: its own words, or else those of the group that it holds."""
    return info.description or " ".join(_first_line(model) for model in _models(info.annotation))


def _groups(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a model and those inside it, depth first, each with its path."""
    yield prefix, model
    for name, info in model.model_fields.items():
        for inner in _models(info.annotation):
            suffix = "[]" if typing.get_origin(info.annotation) is tuple else ""
            yield from _groups(f"{prefix}.{name}{suffix}".lstrip("."), inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _section(name: str, model: type[BaseModel]) -> str:
    title = f"## `{name}`" if name else "## The top"
    rows = [_row(field, info) for field, info in model.model_fields.items()]
    head = "| field | type | default | meaning |\n|---|---|---|---|"
    return f"{title}\n\n{_first_line(model)}\n\n{head}\n" + "\n".join(rows) + "\n"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").split("\n\n")[0].replace("\n", " ").replace("    ", "").replace("``", "`")


def _row(name: str, info: FieldInfo) -> str:
    meaning = about(info).replace("|", "\\|")
    return f"| `{name}` | {_type(info.annotation)} | {_default(info)} | {meaning} |"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "*required*"
    value = info.get_default(call_default_factory=True)
    if value is None:
        return "left out"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, timedelta):
        return f"`{written(value)}`"
    return "empty" if value in ("", ()) else f"`{value}`"


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "label: value"
    if issubclass(annotation, BaseModel):
        return "group"
    members = getattr(annotation, "__members__", None)
    return ", ".join(f"`{member}`" for member in members.values()) if members else _NAMES.get(annotation, "date")
