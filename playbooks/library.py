"""The library: playbook files read into values, each error naming file, line and field."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from playbooks.plan import Playbook, StepTemplate
from tools.action import Action

_VERBS: dict[str, type[BaseModel]] = {
    cls.model_fields["verb"].default: cls for cls in get_args(get_args(Action)[0]) if issubclass(cls, BaseModel)
}
_OF_EACH = frozenset(("each", "each_service"))


class LibraryError(ValueError):
    """A file of the library cannot be used; the text is ``file:line: field: what is wrong``, one problem a line."""


@cache
def shipped() -> tuple[Playbook, ...]:
    """Return the playbooks that Prunella brings along."""
    folder = files("playbooks") / "library"
    return parse_playbooks(
        {
            each.name: each.read_text("utf-8")
            for each in folder.iterdir()
            if each.name.endswith(".yaml") and each.name != "faults.yaml"
        }
    )


def parse_playbooks(texts: Mapping[str, str]) -> tuple[Playbook, ...]:
    """Return the playbooks of files (name -> YAML text), by id. Raises ``LibraryError``; no file at all is one."""
    if not texts:
        raise LibraryError("library: no playbook files")
    found: dict[str, Playbook] = {}
    for name in sorted(texts):
        playbook = _parse(name, texts[name])
        if playbook.id in found:
            raise LibraryError(f"{name}:1: id: {playbook.id} is the id of another file too")
        found[playbook.id] = playbook
    return tuple(found[id_] for id_ in sorted(found))


def _parse(name: str, text: str) -> Playbook:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LibraryError(f"{name}:{line}: {error.problem}") from None
    if not isinstance(root, yaml.MappingNode):
        raise LibraryError(f"{name}:1: a playbook is a mapping")
    if twice := list(_duplicates(root)):
        raise LibraryError("\n".join(f"{name}:{line}: {key}: given twice" for line, key in twice))
    try:
        playbook = Playbook.model_validate(data)
    except ValidationError as error:
        raise LibraryError("\n".join(_told(name, root, error))) from None
    if wrong := [f"{name}:{_line(root, loc)}: {_dotted(loc)}: {what}" for loc, what in _faults(playbook)]:
        raise LibraryError("\n".join(wrong))
    return playbook


def _told(name: str, root: yaml.Node, error: ValidationError) -> Iterator[str]:
    for each in error.errors():
        yield f"{name}:{_line(root, each['loc'])}: {_dotted(each['loc'])}: {each['msg']}"


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _line(node: yaml.Node, loc: tuple[int | str, ...]) -> int:
    """Return the line of the field at ``loc``, or of the innermost thing around it that is there."""
    line = node.start_mark.line
    for part in loc:
        inner = _inner(node, part)
        if inner is None:
            break
        line, node = inner
    return int(line) + 1


def _inner(node: yaml.Node, part: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        pairs = ((key.start_mark.line, value) for key, value in node.value if key.value == str(part))
        return next(pairs, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None


def _duplicates(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield keys that a mapping gives twice: YAML would quietly keep the last."""
    children = list(node.value) if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            children.append(value)
    for child in children:
        yield from _duplicates(child)


def _faults(playbook: Playbook) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Yield what a schema cannot see: verbs, their fields, bindings that nobody asked for, who comes last."""
    if playbook.escalation[-1] != "person":
        yield ("escalation",), "the last rung is `person`"
    if bool(playbook.cures) == bool(playbook.eases):
        yield ("cures",), "it cures faults, or eases those that are a person's: one of the two"
    if len({step.id for step in playbook.steps}) < len(playbook.steps):
        yield ("steps",), "two steps have one id"
    for index, step in enumerate(playbook.steps):
        for loc, what in _step_faults(playbook, step):
            yield ("steps", index, *loc), what
    for name in sorted(_names([guard.args for guard in playbook.verification.guards]) - set(playbook.requires)):
        yield ("verification", "guards"), f"${name} is not in `requires`"


def _step_faults(playbook: Playbook, step: StepTemplate) -> Iterator[tuple[tuple[str, ...], str]]:
    allowed = set(playbook.requires) | (_OF_EACH if step.each else set())
    if step.each and step.each not in playbook.requires:
        yield ("each",), f"{step.each} is not in `requires`"
    for name in sorted(_names([step.action, *(guard.args for guard in step.guards)]) - allowed):
        yield ("action",), f"${name} is not in `requires`"
    cls = _VERBS.get(step.action.get("verb", ""))
    if cls is None:
        yield ("action", "verb"), f"unknown verb; known: {', '.join(sorted(_VERBS))}"
        return
    given, fields = set(step.action), cls.model_fields
    for field in sorted(given - set(fields)):
        yield ("action", field), f"{step.action['verb']} has no such field"
    for field in sorted(name for name, info in fields.items() if info.is_required() and name not in given):
        yield ("action",), f"{step.action['verb']} needs {field}"


def _names(value: Any) -> set[str]:
    """Return the names of all bindings that a template mentions."""
    match value:
        case str():
            return {value[1:]} if value.startswith("$") else set()
        case Mapping():
            return _names([*value.keys(), *value.values()])
        case list() | tuple():
            return set().union(*(_names(each) for each in value))
        case _:
            return set()
