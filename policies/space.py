"""All requests at once: a symbol for each fact, and the strings that any rule in question names. Needs z3."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import z3

from policies.terms import Uncovered, fits, string
from policies.vocabulary import Vocabulary

_MOST_SETS = 3  # more would need exponentially many kinds of element


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
        return z3.And([fits(symbol) for symbol in longs])

    def _kinds(self) -> Iterator[tuple[str, str]]:
        for part, kinds in (("context", self.vocabulary.context), ("resource", self.vocabulary.resource)):
            yield from ((f"{part}.{name}", kind) for name, kind in kinds.items())
