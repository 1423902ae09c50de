"""Expressions of rules as terms, for one action: Cedar's operators with its overflow, short circuits and errors."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import z3

from policies.sets import Sets
from policies.space import Space
from policies.terms import (
    Either,
    Entity,
    Fact,
    Json,
    Members,
    SetValue,
    Term,
    Uncovered,
    Value,
    both,
    fits,
    literal,
    of_sort,
    pattern,
    same,
    string,
)

CONTROLLER = "prunella"


class Walk:
    """Translates expressions for one action."""

    def __init__(self, action: str, space: Space) -> None:
        self._space, self._action, self._sets = space, action, Sets(space)
        self._prefix = f"{space.vocabulary.namespace}::"

    def scope(self, part: str, scope: Json) -> Any:
        """Return when one part of a rule's head covers the request."""
        subject = self._variable(part)
        match scope:
            case {"op": "All", **rest} if not rest:
                return z3.BoolVal(True)
            case {"op": "==", "entity": entity, **rest} if not rest:
                return same(subject, literal(entity)).of
            case {"op": "in", "entity": entity, **rest} if not rest:
                return self._within(subject, (literal(entity),))
            case {"op": "in", "entities": entities, **rest} if not rest:
                return self._within(subject, tuple(literal(entity) for entity in entities))
            case {"op": "is", "entity_type": kind, **rest} if set(rest) <= {"in"}:
                inside = self._within(subject, (literal(rest["in"]["entity"]),)) if rest else z3.BoolVal(True)
                return z3.And(z3.BoolVal(subject.type == kind), inside)
        raise Uncovered(f"{part} {json.dumps(scope)} is not translated")

    def truth(self, node: Json) -> Term:
        """Return a truth."""
        return of_sort(self.value(node), z3.is_bool, "a truth")

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
                return literal(entity)
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
        return both(self.truth(operands["left"]), self.truth(operands["right"]))

    def _or(self, operands: Json) -> Value:
        left, right = self.truth(operands["left"]), self.truth(operands["right"])
        return Term(z3.Or(left.of, right.of), z3.And(left.ok, z3.Or(left.of, right.ok)))

    def _not(self, operands: Json) -> Value:
        value = self.truth(operands["arg"])
        return Term(z3.Not(value.of), value.ok)

    def _neg(self, operands: Json) -> Value:
        value = self._number(operands["arg"])
        return Term(-value.of, z3.And(value.ok, fits(-value.of)))

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
            return Term(z3.And(self._sets.subset(left, right), self._sets.subset(right, left)), ok)
        return Term(same(left, right).of, ok)

    def _differ(self, operands: Json) -> Value:
        same = of_sort(self._equal(operands), z3.is_bool, "a truth")
        return Term(z3.Not(same.of), same.ok)

    def _number(self, node: Json) -> Term:
        return of_sort(self.value(node), z3.is_int, "a whole number")

    def _compare(self, test: Callable[[Any, Any], Any], operands: Json) -> Value:
        left, right = self._number(operands["left"]), self._number(operands["right"])
        return Term(test(left.of, right.of), z3.And(left.ok, right.ok))

    def _reckon(self, sum_of: Callable[[Any, Any], Any], operands: Json) -> Value:
        left, right = self._number(operands["left"]), self._number(operands["right"])
        found = sum_of(left.of, right.of)
        return Term(found, z3.And(left.ok, right.ok, fits(found)))

    def _like(self, operands: Json) -> Value:
        text = of_sort(self.value(operands["left"]), z3.is_string, "a string")
        parts = [pattern(each) for each in operands["pattern"]]
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
            both(kind, of_sort(self._in({**operands, "right": operands["in"]}), z3.is_bool, "a truth"))
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
        return Term(self._sets.holds(whole, item), z3.And(whole.ok, item.ok))

    def _contains_all(self, operands: Json) -> Value:
        whole, part = self._collection(operands["left"]), self._collection(operands["right"])
        return Term(self._sets.subset(part, whole), z3.And(whole.ok, part.ok))

    def _contains_any(self, operands: Json) -> Value:
        whole, part = self._collection(operands["left"]), self._collection(operands["right"])
        return Term(self._sets.meet(whole, part), z3.And(whole.ok, part.ok))

    def _empty(self, operands: Json) -> Value:
        whole = self._collection(operands["arg"])
        return Term(self._sets.subset(whole, Members(())), whole.ok)

    def _collection(self, node: Json) -> SetValue:
        found = self.value(node)
        if not isinstance(found, Members | Fact | Either):
            raise Uncovered("a set operation on something that is no set is not translated")
        return found

    def _within(self, subject: Entity, groups: tuple[Entity, ...]) -> Any:
        """Whether an entity is one of some, or in one; only actions have groups."""
        if subject.type != self._prefix + "Action":
            return z3.Or([same(subject, group).of for group in groups])
        if not z3.is_string_value(subject.name):
            raise Uncovered("in on an action that is not known is not translated")
        parents = self._space.vocabulary.actions.get(subject.name.as_string(), frozenset((subject.name.as_string(),)))
        return z3.Or(
            [same(Entity(subject.type, string(name)), group).of for name in sorted(parents) for group in groups]
        )


_OPERATORS: Mapping[str, Callable[[Walk, Any], Value]] = {
    "Value": Walk._constant,
    "Var": Walk._variable,
    ".": Walk._attribute,
    "has": Walk._has,
    "&&": Walk._and,
    "||": Walk._or,
    "!": Walk._not,
    "neg": Walk._neg,
    "if-then-else": Walk._if,
    "==": Walk._equal,
    "!=": Walk._differ,
    "<": lambda walk, of: walk._compare(lambda one, other: one < other, of),
    "<=": lambda walk, of: walk._compare(lambda one, other: one <= other, of),
    ">": lambda walk, of: walk._compare(lambda one, other: one > other, of),
    ">=": lambda walk, of: walk._compare(lambda one, other: one >= other, of),
    "+": lambda walk, of: walk._reckon(lambda one, other: one + other, of),
    "-": lambda walk, of: walk._reckon(lambda one, other: one - other, of),
    "*": lambda walk, of: walk._reckon(lambda one, other: one * other, of),
    "like": Walk._like,
    "in": Walk._in,
    "is": Walk._is,
    "Set": Walk._set,
    "contains": Walk._contains,
    "containsAll": Walk._contains_all,
    "containsAny": Walk._contains_any,
    "isEmpty": Walk._empty,
}
