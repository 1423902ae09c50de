"""The value of a formula for one concrete request."""

from collections.abc import Mapping
from typing import Any

import z3

from policies.space import Space
from policies.terms import string
from policies.translate import Formula

Facts = Mapping[str, Mapping[str, Any]]


class Ground:
    """Puts the facts of one request in the place of a space's symbols."""

    def __init__(self, space: Space, service: str, facts: Facts) -> None:
        values = {f"{part}.{name}": fact for part, named in facts.items() for name, fact in named.items()}
        self._terms = [
            (symbol, _term(service if name == "service" else values[name])) for name, symbol in space.symbols.items()
        ]
        self._sets = [
            (function, z3.Or([z3.Var(0, z3.StringSort()) == string(item) for item in values[name]]))
            for name, function in space.sets.items()
        ]
        named = {*space.literals, *(value for value in values.values() if isinstance(value, str))}
        (fact,) = space.sets  # one set: there is one way in which something that nobody names is in it
        self._terms.append((z3.Bool("other 1"), z3.BoolVal(bool(set(values[fact]) - named))))

    def true(self, formula: Any) -> bool:
        """Return whether a formula is true of the request."""
        found = z3.simplify(z3.substitute(z3.substitute_funs(formula, *self._sets), *self._terms))
        assert z3.is_true(found) or z3.is_false(found), found
        return bool(z3.is_true(found))

    def verdict(self, formulas: tuple[Formula, ...]) -> tuple[bool, frozenset[str], frozenset[str]]:
        """Return whether the rules permit, which hold, and which err."""
        holding = frozenset(each.name for each in formulas if self.true(each.holds))
        erring = frozenset(each.name for each in formulas if self.true(each.errs))
        effects = {each.name: each.effect for each in formulas}
        permits = any(effects[name] == "permit" for name in holding)
        return permits and not any(effects[name] == "forbid" for name in holding) and not erring, holding, erring


def _term(value: Any) -> Any:
    match value:
        case bool():
            return z3.BoolVal(value)
        case int():
            return z3.IntVal(value)
    return string(value)
