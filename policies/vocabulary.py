"""What a rule may see, as typed data: the part of Cedar's schema language that our facts need, and nothing more.

Cedar itself has checked the schema before it is read here; what is not covered here is refused, never skipped. The
judge checks the facts of every request against it, and the prover knows from it which values can occur at all.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Kind = str  # "Long" | "Bool" | "String" | "Set<String>"
_TOKEN = re.compile(r"\s*(\"[A-Za-z_0-9 .:-]*\"|[A-Za-z_][A-Za-z_0-9]*|[{}\[\]():;,=<>?])\s*")
_LONG = 2**63


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The facts of a request by name and kind, and every action with the groups that it is in, itself included."""

    namespace: str
    context: Mapping[str, Kind]
    resource: Mapping[str, Kind]
    actions: Mapping[str, frozenset[str]]  # those that a request may name
    groups: frozenset[str]  # names that only group actions

    @property
    def classes(self) -> tuple[str, ...]:
        """The actions that may also be proposed."""
        return tuple(name for name in self.actions if f"propose_{name}" in self.actions)

    def objection(self, facts: Mapping[str, Mapping[str, Any]]) -> str:
        """Return what makes facts unfit for the schema; empty: they fit exactly."""
        for part, kinds in (("context", self.context), ("resource", self.resource)):
            if found := _unfit(part, kinds, facts.get(part, {})):
                return found
        return ""


def _unfit(part: str, kinds: Mapping[str, Kind], values: Mapping[str, Any]) -> str:
    for name, kind in kinds.items():
        if name not in values:
            return f"{part}.{name} is missing"
        value = values[name]
        if type(value) is bool and kind == "Bool":  # most facts are: a decision waits for this
            continue
        if not _FITS[kind](value):
            return f"{part}.{name} is {value!r}, not {kind}"
    if len(values) > len(kinds):
        return f"{part}.{min(set(values) - set(kinds))} is not in the schema"
    return ""


_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    "Long": lambda value: type(value) is int and -_LONG <= value < _LONG,
    "Bool": lambda value: type(value) is bool,
    "String": lambda value: isinstance(value, str),
    "Set<String>": lambda value: isinstance(value, tuple) and all(isinstance(item, str) for item in value),
}


def read_vocabulary(text: str) -> Vocabulary:
    """Read a schema text; ``ValueError`` names what is not covered."""
    return _Reader(text).vocabulary()


@dataclass(frozen=True, slots=True)
class _Action:
    names: tuple[str, ...]
    groups: tuple[str, ...]
    applies: Mapping[str, str]  # principal, resource, context -> name


class _Reader:
    """A recursive-descent reader; ``self._left`` are the tokens not read yet, last first."""

    def __init__(self, text: str) -> None:
        self._left = list(reversed(_tokens(text)))
        self._records: dict[str, Mapping[str, Kind]] = {}
        self._actions: list[_Action] = []

    def vocabulary(self) -> Vocabulary:
        self._take("namespace")
        namespace = self._take()
        self._take("{")
        while self._left and self._left[-1] != "}":
            self._declaration()
        self._take("}")
        if self._left:
            raise ValueError(f"rule schema: {self._left[-1]} after the namespace; one namespace is supported")
        return self._whole(namespace)

    def _declaration(self) -> None:
        match self._take():
            case "entity":
                name = self._take()
                self._skip("=")
                self._records[name] = self._record() if self._left[-1:] == ["{"] else {}
            case "type":
                name = self._take()
                self._take("=")
                self._records[name] = self._record()
            case "action":
                self._action()
            case other:
                raise ValueError(f"rule schema: {other} is not supported here")
        self._take(";")

    def _action(self) -> None:
        names = self._names()
        groups = (self._bracketed() if self._skip("[") else (self._take(),)) if self._skip("in") else ()
        applies: dict[str, str] = {}
        if self._skip("appliesTo"):
            self._take("{")
            while not self._skip("}"):
                key = self._take()
                self._take(":")
                applies[key] = self._only() if self._skip("[") else self._take()
                self._skip(",")
        self._actions.append(_Action(names, groups, applies))

    def _only(self) -> str:
        names = self._bracketed()
        if len(names) != 1:
            raise ValueError(f"rule schema: {', '.join(names)}: one principal and one resource type are supported")
        return names[0]

    def _names(self) -> tuple[str, ...]:
        names = [self._take()]
        while self._skip(","):
            names.append(self._take())
        return tuple(name.strip('"') for name in names)

    def _bracketed(self) -> tuple[str, ...]:
        names = self._names()
        self._take("]")
        return names

    def _record(self) -> Mapping[str, Kind]:
        self._take("{")
        found: dict[str, Kind] = {}
        while not self._skip("}"):
            name = self._take().strip('"')
            if self._skip("?"):
                raise ValueError(f"rule schema: {name} is optional; every fact is always there")
            self._take(":")
            found[name] = self._kind(name)
            self._skip(",")
        return found

    def _kind(self, name: str) -> Kind:
        kind = self._take()
        if kind == "Set":
            self._take("<")
            kind = f"Set<{self._take()}>"
            self._take(">")
        if kind not in _FITS:  # a record, an extension type, an entity
            raise ValueError(f"rule schema: {name} is a {kind}; a fact is a Long, Bool, String or Set<String>")
        return kind

    def _whole(self, namespace: str) -> Vocabulary:
        parents = {name: each.groups for each in self._actions for name in each.names}
        usable = [each for each in self._actions if each.applies]
        shapes = {tuple(sorted(each.applies.items())) for each in usable}
        if len(shapes) != 1:
            raise ValueError("rule schema: every action must apply to one principal, resource and context alike")
        applies = dict(next(iter(shapes)))
        if missing := {"principal", "resource", "context"} - set(applies):
            raise ValueError(f"rule schema: appliesTo lacks {', '.join(sorted(missing))}")
        actions = {name: _above(name, parents) for each in usable for name in each.names}
        groups = frozenset(parents) - frozenset(actions)
        context, resource = self._record_of(applies["context"]), self._record_of(applies["resource"])
        return Vocabulary(namespace, context, resource, actions, groups)

    def _record_of(self, name: str) -> Mapping[str, Kind]:
        if name not in self._records:
            raise ValueError(f"rule schema: {name} is not declared in the namespace")
        return self._records[name]

    def _take(self, wanted: str = "") -> str:
        token = self._left.pop() if self._left else "the end"
        if wanted and token != wanted:
            raise ValueError(f"rule schema: {token} where {wanted} is supported")
        return token

    def _skip(self, token: str) -> bool:
        if self._left and self._left[-1] == token:
            self._left.pop()
            return True
        return False


def _above(name: str, parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return an action and every group above it; Cedar has refused circles."""
    return frozenset((name,)).union(*(_above(parent, parents) for parent in parents.get(name, ())))


def _tokens(text: str) -> list[str]:
    bare = re.sub(r"//[^\n]*", "", text).strip()
    found: list[str] = []
    at = 0
    while at < len(bare):
        token = _TOKEN.match(bare, at)
        if token is None:
            raise ValueError(f"rule schema: {bare[at : at + 20].strip()!r} is not supported")
        found.append(token[1])
        at = token.end()
    return found
