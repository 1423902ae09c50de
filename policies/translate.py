"""Cedar rules as formulas: what ``prove`` and ``check`` reason about. Needs the extra ``prove`` (z3).

The source is Cedar's own JSON form of the rules. Covered is everything that a rule can say in our schema: whole
numbers with Cedar's overflow, truths, strings with ``like``, sets, entities and groups of actions, short circuits and
errors. Anything else raises ``Uncovered``: a proof about half a rule would be worth nothing.

Every value carries the condition under which its evaluation does not err. A request is one action, the controller
``prunella``, a service with any name, and facts of the schema. The action is fixed, for there are few; the rest is
symbolic.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import cedarpy
import z3

from policies.vocabulary import Vocabulary

CONTROLLER = "prunella"
_MOST_SETS = 3  # more would need exponentially many kinds of element
_LEAST, _MOST = -(2**63), 2**63 - 1
Json = Mapping[str, Any]


class Uncovered(ValueError):
    """A rule says something that is not translated."""


@dataclass(frozen=True, slots=True)
class Term:
    """A truth, whole number or string, and when its evaluation does not err."""

    of: Any
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of a known type; ``name`` is a string term."""

    type: str
    name: Any
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Members:
    """A set written out."""

    items: tuple["Term | Entity", ...]
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Fact:
    """A set that is a fact, known by its name."""

    name: str
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))


@dataclass(frozen=True, slots=True)
class Either:
    """One of two sets."""

    choice: Any
    then: "Members | Fact | Either"
    other: "Members | Fact | Either"
    ok: Any


SetValue = Members | Fact | Either
Value = Term | Entity | SetValue


@dataclass(frozen=True)
class Space:
    """All requests: symbols for the facts, and the strings that any rule in question names."""

    vocabulary: Vocabulary
    literals: tuple[str, ...]

    @cached_property
    def symbols(self) -> Mapping[str, Any]:
        """A symbol for each fact that is no set, as ``context.name`` or ``resource.name``; ``service`` is its name."""
        sorts = {"Long": z3.Int, "Bool": z3.Bool, "String": z3.String}
        found = {name: sorts[kind](name) for name, kind in self._kinds() if kind in sorts}
        return {**found, "service": z3.String("service")}

    @cached_property
    def sets(self) -> Mapping[str, Any]:
        """For each fact that is a set, the function that tells its members."""
        names = [name for name, kind in self._kinds() if kind == "Set<String>"]
        if len(names) > _MOST_SETS:
            raise Uncovered(f"{len(names)} facts are sets; {_MOST_SETS} are covered")
        return {name: z3.Function(name, z3.StringSort(), z3.BoolSort()) for name in names}

    @cached_property
    def others(self) -> tuple[Mapping[str, Any], ...]:
        """For each way in which an element that nobody names may be shared by the sets: which sets hold such a one."""
        shared = [dict(zip(self.sets, held, strict=True)) for held in product((False, True), repeat=len(self.sets))]
        return tuple(
            {name: z3.And(z3.Bool(f"other {number}"), z3.BoolVal(held)) for name, held in way.items()}
            for number, way in enumerate(shared)
            if any(way.values())
        )

    @cached_property
    def words(self) -> tuple[Any, ...]:
        """Every string that is named, or is a fact."""
        named = [string(text) for text in self.literals]
        return (*named, *(symbol for symbol in self.symbols.values() if z3.is_string(symbol)))

    @cached_property
    def bounds(self) -> Any:
        """Whole numbers fit in 64 bits."""
        longs = [symbol for symbol in self.symbols.values() if z3.is_int(symbol)]
        return z3.And([_fits(symbol) for symbol in longs])

    def _kinds(self) -> Iterator[tuple[str, str]]:
        for part, kinds in (("context", self.vocabulary.context), ("resource", self.vocabulary.resource)):
            yield from ((f"{part}.{name}", kind) for name, kind in kinds.items())


@dataclass(frozen=True, slots=True)
class Formula:
    """One rule for one action: when it holds, and when its evaluation errs."""

    name: str
    effect: str
    holds: Any
    errs: Any


def read_rules(texts: Sequence[str]) -> tuple[Json, ...]:
    """Return the rules of some texts in Cedar's JSON form, each with its ``@id``."""
    found = [json.loads(cedarpy.policies_to_json_str(text)) for text in texts]
    if any(each["templates"] or each["templateLinks"] for each in found):
        raise Uncovered("templates are not translated")
    return tuple(rule for each in found for rule in each["staticPolicies"].values())


def space_of(vocabulary: Vocabulary, *rules: Sequence[Json]) -> Space:
    """Return the space in which some sets of rules can be compared."""
    return Space(vocabulary, tuple(sorted({text for each in rules for text in _strings(each)})))


def translate(rules: Sequence[Json], action: str, space: Space) -> tuple[Formula, ...]:
    """Return the formulas of all rules for one action."""
    return tuple(_formula(rule, _Walk(action, space)) for rule in rules)


def permitted(formulas: Sequence[Formula]) -> Any:
    """Return when a set of rules permits: a permit holds, no forbid does, and nothing errs."""
    permits = [each.holds for each in formulas if each.effect == "permit"]
    rest = [z3.Not(each.holds) for each in formulas if each.effect == "forbid"]
    return z3.And(z3.Or(permits), *rest, *(z3.Not(each.errs) for each in formulas))


def string(text: str) -> Any:
    """Return a string as a term; a backslash would begin an escape."""
    if any(ord(letter) > 0x2FFFF for letter in text):
        raise Uncovered(f"{text!r}: characters above U+2FFFF are not translated")
    return z3.StringVal(text.replace("\\", "\\u{5c}"))


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "Value" and isinstance(value, str):
                yield value
            elif key != "annotations":
                yield from _strings(value)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _strings(each)


def _formula(rule: Json, walk: "_Walk") -> Formula:
    known = {"effect", "principal", "action", "resource", "conditions", "annotations"}
    if unknown := set(rule) - known:
        raise Uncovered(f"{', '.join(sorted(unknown))} of a rule is not translated")
    whole = Term(z3.And([walk.scope(part, rule[part]) for part in ("principal", "action", "resource")]))
    for condition in rule["conditions"]:
        value = walk.truth(condition["body"])
        clause = value if condition["kind"] == "when" else Term(z3.Not(value.of), value.ok)
        whole = _both(whole, clause)
    name = str(rule.get("annotations", {}).get("id", "a rule"))
    holds = z3.simplify(z3.And(whole.of, whole.ok))
    return Formula(name, str(rule["effect"]), holds, z3.simplify(z3.Not(whole.ok)))


class _Walk:
    """Translates expressions for one action."""

    def __init__(self, action: str, space: Space) -> None:
        self._space, self._action = space, action
        self._prefix = f"{space.vocabulary.namespace}::"

    def scope(self, part: str, scope: Json) -> Any:
        """Return when one part of a rule's head covers the request."""
        subject = self._variable(part)
        match scope:
            case {"op": "All", **rest} if not rest:
                return z3.BoolVal(True)
            case {"op": "==", "entity": entity, **rest} if not rest:
                return _same(subject, _literal(entity)).of
            case {"op": "in", "entity": entity, **rest} if not rest:
                return self._within(subject, (_literal(entity),))
            case {"op": "in", "entities": entities, **rest} if not rest:
                return self._within(subject, tuple(_literal(entity) for entity in entities))
            case {"op": "is", "entity_type": kind, **rest} if set(rest) <= {"in"}:
                inside = self._within(subject, (_literal(rest["in"]["entity"]),)) if rest else z3.BoolVal(True)
                return z3.And(z3.BoolVal(subject.type == kind), inside)
        raise Uncovered(f"{part} {json.dumps(scope)} is not translated")

    def truth(self, node: Json) -> Term:
        """Return a truth."""
        return _sort(self.value(node), z3.is_bool, "a truth")

    def value(self, node: Json) -> Value:
        """Return the value of an expression."""
        if len(node) != 1:
            raise Uncovered(f"{json.dumps(node)[:80]} is not translated")
        ((operator, operands),) = node.items()
        if operator not in _OPERATORS:
            raise Uncovered(f"{operator} is not translated")
        return _OPERATORS[operator](self, operands)

    def _constant(self, value: Any) -> Value:
        match value:
            case bool():
                return Term(z3.BoolVal(value))
            case int():
                return Term(z3.IntVal(value))
            case str():
                return Term(string(value))
            case {"__entity": entity}:
                return _literal(entity)
        raise Uncovered(f"the value {json.dumps(value)[:80]} is not translated")

    def _variable(self, name: str) -> Entity:
        match name:
            case "principal":
                return Entity(self._prefix + "Controller", string(CONTROLLER))
            case "action":
                return Entity(self._prefix + "Action", string(self._action))
            case "resource":
                return Entity(self._prefix + "Service", self._space.symbols["service"])
        raise Uncovered(f"{name} as a whole is not translated")

    def _attribute(self, operands: Json) -> Value:
        base = operands["left"].get("Var")
        name = f"{base}.{operands['attr']}"
        if base in ("context", "resource") and name in self._space.symbols:
            return Term(self._space.symbols[name])
        if base == "context" and name in self._space.sets:
            return Fact(name)
        raise Uncovered(f"the attribute {operands['attr']} of {json.dumps(operands['left'])[:80]} is not translated")

    def _has(self, operands: Json) -> Value:
        vocabulary = self._space.vocabulary
        kinds = {"context": vocabulary.context, "resource": vocabulary.resource, "principal": {}}
        base = operands["left"].get("Var")
        if base not in kinds:
            raise Uncovered(f"has on {json.dumps(operands['left'])[:80]} is not translated")
        return Term(z3.BoolVal(operands["attr"] in kinds[base]))  # every fact of the schema is always there

    def _and(self, operands: Json) -> Value:
        return _both(self.truth(operands["left"]), self.truth(operands["right"]))

    def _or(self, operands: Json) -> Value:
        left, right = self.truth(operands["left"]), self.truth(operands["right"])
        return Term(z3.Or(left.of, right.of), z3.And(left.ok, z3.Or(left.of, right.ok)))

    def _not(self, operands: Json) -> Value:
        value = self.truth(operands["arg"])
        return Term(z3.Not(value.of), value.ok)

    def _neg(self, operands: Json) -> Value:
        value = self._number(operands["arg"])
        return Term(-value.of, z3.And(value.ok, _fits(-value.of)))

    def _if(self, operands: Json) -> Value:
        choice = self.truth(operands["if"])
        then, other = self.value(operands["then"]), self.value(operands["else"])
        ok = z3.And(choice.ok, z3.If(choice.of, then.ok, other.ok))
        match then, other:
            case Term(), Term() if then.of.sort() == other.of.sort():
                return Term(z3.If(choice.of, then.of, other.of), ok)
            case Entity(), Entity() if then.type == other.type:
                return Entity(then.type, z3.If(choice.of, then.name, other.name), ok)
            case ((Members() | Fact() | Either()), (Members() | Fact() | Either())):
                return Either(choice.of, then, other, ok)
        raise Uncovered("if-then-else over two kinds of value is not translated")

    def _equal(self, operands: Json) -> Value:
        left, right = self.value(operands["left"]), self.value(operands["right"])
        ok = z3.And(left.ok, right.ok)
        if isinstance(left, Members | Fact | Either) and isinstance(right, Members | Fact | Either):
            return Term(z3.And(self._subset(left, right), self._subset(right, left)), ok)
        return Term(_same(left, right).of, ok)

    def _differ(self, operands: Json) -> Value:
        same = _sort(self._equal(operands), z3.is_bool, "a truth")
        return Term(z3.Not(same.of), same.ok)

    def _number(self, node: Json) -> Term:
        return _sort(self.value(node), z3.is_int, "a whole number")

    def _compare(self, test: Callable[[Any, Any], Any], operands: Json) -> Value:
        left, right = self._number(operands["left"]), self._number(operands["right"])
        return Term(test(left.of, right.of), z3.And(left.ok, right.ok))

    def _reckon(self, sum_of: Callable[[Any, Any], Any], operands: Json) -> Value:
        left, right = self._number(operands["left"]), self._number(operands["right"])
        found = sum_of(left.of, right.of)
        return Term(found, z3.And(left.ok, right.ok, _fits(found)))

    def _like(self, operands: Json) -> Value:
        text = _sort(self.value(operands["left"]), z3.is_string, "a string")
        parts = [_pattern(each) for each in operands["pattern"]]
        whole = parts[0] if len(parts) == 1 else z3.Concat(parts) if parts else z3.Re(string(""))
        return Term(z3.InRe(text.of, whole), text.ok)

    def _in(self, operands: Json) -> Value:
        subject = self.value(operands["left"])
        if not isinstance(subject, Entity):
            raise Uncovered("in on something that is no entity is not translated")
        match self.value(operands["right"]):
            case Entity() as one:
                return Term(self._within(subject, (one,)), z3.And(subject.ok, one.ok))
            case Members(items, ok):
                groups = tuple(item for item in items if isinstance(item, Entity))
                return Term(self._within(subject, groups), z3.And(subject.ok, ok))
        raise Uncovered("in with something that is no entity is not translated")

    def _is(self, operands: Json) -> Value:
        subject = self.value(operands["left"])
        if not isinstance(subject, Entity) or set(operands) - {"left", "entity_type", "in"}:
            raise Uncovered("is on something that is no entity is not translated")
        kind = Term(z3.BoolVal(subject.type == operands["entity_type"]), subject.ok)
        return (
            _both(kind, _sort(self._in({**operands, "right": operands["in"]}), z3.is_bool, "a truth"))
            if ("in" in operands)
            else kind
        )

    def _set(self, operands: Sequence[Json]) -> Value:
        items = tuple(self.value(each) for each in operands)
        scalars = tuple(item for item in items if isinstance(item, Term | Entity))
        if len(scalars) != len(items):
            raise Uncovered("a set of sets is not translated")
        return Members(scalars, z3.And([item.ok for item in scalars]))

    def _contains(self, operands: Json) -> Value:
        whole, item = self._collection(operands["left"]), self.value(operands["right"])
        if not isinstance(item, Term | Entity):
            raise Uncovered("a set in a set is not translated")
        return Term(self._holds(whole, item), z3.And(whole.ok, item.ok))

    def _contains_all(self, operands: Json) -> Value:
        whole, part = self._collection(operands["left"]), self._collection(operands["right"])
        return Term(self._subset(part, whole), z3.And(whole.ok, part.ok))

    def _contains_any(self, operands: Json) -> Value:
        whole, part = self._collection(operands["left"]), self._collection(operands["right"])
        return Term(self._meet(whole, part), z3.And(whole.ok, part.ok))

    def _empty(self, operands: Json) -> Value:
        whole = self._collection(operands["arg"])
        return Term(self._subset(whole, Members(())), whole.ok)

    def _collection(self, node: Json) -> SetValue:
        found = self.value(node)
        if not isinstance(found, Members | Fact | Either):
            raise Uncovered("a set operation on something that is no set is not translated")
        return found

    def _holds(self, whole: SetValue, item: Term | Entity) -> Any:
        match whole:
            case Members(items):
                return z3.Or([_same(each, item).of for each in items])
            case Fact(name):
                return self._space.sets[name](_sort(item, z3.is_string, "a string").of)
            case Either(choice, then, other):
                return z3.If(choice, self._holds(then, item), self._holds(other, item))

    def _subset(self, part: SetValue, whole: SetValue) -> Any:
        match part:
            case Members(items):
                return z3.And([self._holds(whole, item) for item in items])
            case Either(choice, then, other):
                return z3.If(choice, self._subset(then, whole), self._subset(other, whole))
            case Fact(name):
                named = [
                    z3.Implies(self._holds(part, Term(word)), self._holds(whole, Term(word)))
                    for word in self._space.words
                ]
                others = [z3.Implies(way[name], self._holds_other(whole, way)) for way in self._space.others]
                return z3.And(*named, *others)

    def _meet(self, one: SetValue, other: SetValue) -> Any:
        match one:
            case Members(items):
                return z3.Or([self._holds(other, item) for item in items])
            case Either(choice, then, rest):
                return z3.If(choice, self._meet(then, other), self._meet(rest, other))
            case Fact(name):
                named = [
                    z3.And(self._holds(one, Term(word)), self._holds(other, Term(word))) for word in self._space.words
                ]
                others = [z3.And(way[name], self._holds_other(other, way)) for way in self._space.others]
                return z3.Or(*named, *others)

    def _holds_other(self, whole: SetValue, way: Mapping[str, Any]) -> Any:
        """Whether a set holds an element that nobody names."""
        match whole:
            case Members():
                return z3.BoolVal(False)
            case Fact(name):
                return way[name]
            case Either(choice, then, other):
                return z3.If(choice, self._holds_other(then, way), self._holds_other(other, way))

    def _within(self, subject: Entity, groups: tuple[Entity, ...]) -> Any:
        """Whether an entity is one of some, or in one; only actions have groups."""
        if subject.type != self._prefix + "Action":
            return z3.Or([_same(subject, group).of for group in groups])
        if not z3.is_string_value(subject.name):
            raise Uncovered("in on an action that is not known is not translated")
        parents = self._space.vocabulary.actions.get(subject.name.as_string(), frozenset((subject.name.as_string(),)))
        return z3.Or(
            [_same(Entity(subject.type, string(name)), group).of for name in sorted(parents) for group in groups]
        )


def _literal(entity: Json) -> Entity:
    if set(entity) != {"type", "id"}:
        raise Uncovered(f"{json.dumps(entity)} is no plain entity")
    return Entity(str(entity["type"]), string(str(entity["id"])))


def _sort(value: Value, test: Callable[[Any], bool], words: str) -> Term:
    if not isinstance(value, Term) or not test(value.of):
        raise Uncovered(f"a value is not {words}, as the schema would have it")
    return value


def _both(left: Term, right: Term) -> Term:
    return Term(z3.And(left.of, right.of), z3.And(left.ok, z3.Or(z3.Not(left.of), right.ok)))


def _same(left: Value, right: Value) -> Term:
    match left, right:
        case Term(), Term() if left.of.sort() == right.of.sort():
            return Term(left.of == right.of)
        case Entity(), Entity():
            return Term(z3.And(z3.BoolVal(left.type == right.type), left.name == right.name))
    raise Uncovered("comparing two kinds of value is not translated")


def _fits(number: Any) -> Any:
    return z3.And(number >= _LEAST, number <= _MOST)


def _pattern(part: Any) -> Any:
    match part:
        case "Wildcard":
            return z3.Full(z3.ReSort(z3.StringSort()))
        case {"Literal": str(letter)}:
            return z3.Re(string(letter))
    raise Uncovered(f"the pattern {json.dumps(part)} is not translated")


_OPERATORS: Mapping[str, Callable[[_Walk, Any], Value]] = {
    "Value": _Walk._constant,
    "Var": _Walk._variable,
    ".": _Walk._attribute,
    "has": _Walk._has,
    "&&": _Walk._and,
    "||": _Walk._or,
    "!": _Walk._not,
    "neg": _Walk._neg,
    "if-then-else": _Walk._if,
    "==": _Walk._equal,
    "!=": _Walk._differ,
    "<": lambda walk, of: walk._compare(lambda one, other: one < other, of),
    "<=": lambda walk, of: walk._compare(lambda one, other: one <= other, of),
    ">": lambda walk, of: walk._compare(lambda one, other: one > other, of),
    ">=": lambda walk, of: walk._compare(lambda one, other: one >= other, of),
    "+": lambda walk, of: walk._reckon(lambda one, other: one + other, of),
    "-": lambda walk, of: walk._reckon(lambda one, other: one - other, of),
    "*": lambda walk, of: walk._reckon(lambda one, other: one * other, of),
    "like": _Walk._like,
    "in": _Walk._in,
    "is": _Walk._is,
    "Set": _Walk._set,
    "contains": _Walk._contains,
    "containsAll": _Walk._contains_all,
    "containsAny": _Walk._contains_any,
    "isEmpty": _Walk._empty,
}
