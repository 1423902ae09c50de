"""Sets of rules as formulas: elements that somebody names one by one, and those that nobody does by their kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import z3

from policies.space import Space
from policies.terms import Either, Entity, Fact, Members, SetValue, Term, of_sort, same


@dataclass(frozen=True, slots=True)
class Sets:
    """Questions about sets, in one space."""

    space: Space

    def holds(self, whole: SetValue, item: Term | Entity) -> Any:
        """Return whether a set holds an element."""
        match whole:
            case Members(items):
                return z3.Or([same(each, item).of for each in items])
            case Fact(name):
                return self.space.sets[name](of_sort(item, z3.is_string, "a string").of)
            case Either(choice, then, other):
                return z3.If(choice, self.holds(then, item), self.holds(other, item))

    def subset(self, part: SetValue, whole: SetValue) -> Any:
        """Return whether a set is part of another."""
        match part:
            case Members(items):
                return z3.And([self.holds(whole, item) for item in items])
            case Either(choice, then, other):
                return z3.If(choice, self.subset(then, whole), self.subset(other, whole))
            case Fact(name):
                named = [
                    z3.Implies(self.holds(part, Term(word)), self.holds(whole, Term(word))) for word in self.space.words
                ]
                others = [z3.Implies(way[name], self.holds_other(whole, way)) for way in self.space.others]
                return z3.And(*named, *others)

    def meet(self, one: SetValue, other: SetValue) -> Any:
        """Return whether two sets share an element."""
        match one:
            case Members(items):
                return z3.Or([self.holds(other, item) for item in items])
            case Either(choice, then, rest):
                return z3.If(choice, self.meet(then, other), self.meet(rest, other))
            case Fact(name):
                named = [
                    z3.And(self.holds(one, Term(word)), self.holds(other, Term(word))) for word in self.space.words
                ]
                others = [z3.And(way[name], self.holds_other(other, way)) for way in self.space.others]
                return z3.Or(*named, *others)

    def holds_other(self, whole: SetValue, way: Mapping[str, Any]) -> Any:
        """Whether a set holds an element that nobody names."""
        match whole:
            case Members():
                return z3.BoolVal(False)
            case Fact(name):
                return way[name]
            case Either(choice, then, other):
                return z3.If(choice, self.holds_other(then, way), self.holds_other(other, way))
