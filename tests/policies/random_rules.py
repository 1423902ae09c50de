"""Random rule sets and random requests in the words of our schema: what the judge and the prover are held to."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from policies.vocabulary import Vocabulary

Choice = TypeVar("Choice")
WORDS = ("rollback", "scale", "retrain", "failover", "high", "low", "set_split", "evict_replica", "chat", "")
SERVICES = ("chat", "search", "fraud")
BIG = 2**63 - 1
TIERS = {"tier": ("gold", "silver", "bronze"), "environment": ("production", "staging")}


class Maker:
    """Makes rules from a seed; the same seed, the same rules."""

    def __init__(self, seed: int, vocabulary: Vocabulary) -> None:
        self._random = random.Random(seed)
        self._kinds: dict[str, list[str]] = {}
        for part, kinds in (("context", vocabulary.context), ("resource", vocabulary.resource)):
            for name, kind in kinds.items():
                self._kinds.setdefault(kind, []).append(f"{part}.{name}")
        self._actions = sorted(vocabulary.actions)
        self._vocabulary = vocabulary

    def rules(self, most: int = 5) -> str:
        """Return the text of some rules."""
        return "\n".join(self._rule(number) for number in range(self._random.randint(1, most)))

    def request(self) -> tuple[str, str, dict[str, dict[str, Any]]]:
        """Return an action, a service and facts; the values cluster where the rules' thresholds are."""
        facts = {"context": self._values(self._vocabulary.context), "resource": self._values(self._vocabulary.resource)}
        return self._pick(self._actions), self._pick(SERVICES), facts

    def _values(self, kinds: Mapping[str, str]) -> dict[str, Any]:
        return {name: self._value(name, kind) for name, kind in kinds.items()}

    def _value(self, name: str, kind: str) -> Any:
        if name in TIERS:
            return self._pick(TIERS[name])
        match kind:
            case "Long":
                return self._long()
            case "Bool":
                return self._random.random() < 0.5
            case "String":
                return self._pick(WORDS)
        return tuple(sorted({self._pick(WORDS) for _ in range(self._random.randint(0, 3))}))

    def _long(self) -> int:
        if self._random.random() < 0.06:
            return self._pick((BIG, -BIG - 1, BIG - 1, 2**62, -(2**62), 2**32))
        return self._random.randint(-3, 6)

    def _rule(self, number: int) -> str:
        effect = "permit" if self._random.random() < 0.6 else "forbid"
        clauses = [
            f"{self._pick(('when', 'when', 'unless'))} {{ {self._bool(self._random.randint(0, 3))} }}"
            for _ in range(self._random.choice((0, 1, 1, 1, 2)))
        ]
        return f'@id("r{number}") @reason("r{number}") {effect} ({self._head()}) {" ".join(clauses)};'

    def _head(self) -> str:
        principal = self._pick(
            (
                "principal",
                "principal",
                'principal == Prunella::Controller::"prunella"',
                "principal is Prunella::Controller",
            )
        )
        service = f'Prunella::Service::"{self._pick(SERVICES)}"'
        resource = self._pick(("resource",) * 4 + (f"resource == {service}", f"resource in {service}"))
        return f"{principal}, {self._action_head()}, {resource}"

    def _action_head(self) -> str:
        one = f'Prunella::Action::"{self._pick(self._actions)}"'
        two = f'Prunella::Action::"{self._pick(self._actions)}"'
        group = f'Prunella::Action::"{self._pick(sorted(self._vocabulary.groups))}"'
        return self._pick(
            (
                "action",
                "action",
                f"action == {one}",
                f"action in {group}",
                f"action in [{one}, {two}]",
                f"action in {one}",
            )
        )

    def _bool(self, depth: int) -> str:
        if depth <= 0:
            return self._atom()
        one, other = self._bool(depth - 1), self._bool(depth - 1)
        return self._pick(
            (
                f"({one} && {other})",
                f"({one} || {other})",
                f"!({one})",
                f"(if {one} then {other} else {self._bool(depth - 1)})",
                f"(({one}) == ({other}))",
                self._atom(),
            )
        )

    def _atom(self) -> str:
        text, words = self._pick(self._kinds["String"]), self._set()
        sign = self._pick(("<", "<=", ">", ">=", "==", "!="))
        return self._pick(
            (
                self._pick(self._kinds["Bool"]),
                f"{self._number(1)} {sign} {self._number(1)}",
                f"{self._number(0)} {sign} {self._number(0)}",
                f"{text} {self._pick(('==', '!='))} {self._word()}",
                f"{text} == {self._pick(self._kinds['String'])}",
                f"{text} like {self._pattern()}",
                f"{words}.contains({self._pick((text, self._word()))})",
                f"{words}.{self._pick(('containsAny', 'containsAll'))}({self._set()})",
                f"{words} == {self._set()}",
                f"{words}.isEmpty()",
                f'action {self._pick(("in", "=="))} Prunella::Action::"{self._pick(self._actions)}"',
                f'action in Prunella::Action::"{self._pick(sorted(self._vocabulary.groups))}"',
                f'resource == Prunella::Service::"{self._pick(SERVICES)}"',
                "context has storm",
                self._pick(("true", "false")),
            )
        )

    def _set(self) -> str:
        if self._random.random() < 0.4:
            return f"[{', '.join(self._word() for _ in range(self._random.randint(1, 3)))}]"
        return self._pick(self._kinds["Set<String>"])

    def _word(self) -> str:
        return f'"{self._pick(WORDS)}"'

    def _pattern(self) -> str:
        return self._pick(('"roll*"', '"*a*"', '"*"', '"high"', '"*_*t"', '""', '"s*e"'))

    def _number(self, depth: int) -> str:
        if depth and self._random.random() < 0.5:
            one, other = self._number(depth - 1), self._number(depth - 1)
            return self._pick((f"({one} + {other})", f"({one} - {other})", f"({one} * {other})", f"(-({one}))"))
        if self._random.random() < 0.4:
            return self._pick(("0", "1", "2", "3", "5", "9223372036854775807"))
        return self._pick(self._kinds["Long"])

    def _pick(self, choices: Sequence[Choice]) -> Choice:
        return self._random.choice(choices)


class PlainMaker(Maker):
    """Makes rules as people write most of them: facts compared with fixed numbers and words."""

    def _head(self) -> str:
        return f"principal, {self._action_head()}, resource"

    def _bool(self, depth: int) -> str:
        if depth <= 0:
            return self._atom()
        one, other = self._bool(depth - 1), self._bool(depth - 1)
        return self._pick((f"({one} && {other})", f"({one} || {other})", f"!({one})", self._atom()))

    def _atom(self) -> str:
        sign = self._pick(("<", "<=", ">", ">=", "==", "!="))
        fact, number = self._pick(self._kinds["Long"]), self._random.randint(-3, 6)
        text, words = self._pick(self._kinds["String"]), self._pick(self._kinds["Set<String>"])
        fixed = f"[{', '.join(self._word() for _ in range(self._random.randint(1, 3)))}]"
        return self._pick(
            (
                self._pick(self._kinds["Bool"]),
                f"{fact} {sign} {number}",
                f"{number} {sign} {fact}",
                f"{text} {self._pick(('==', '!='))} {self._word()}",
                f"{fixed}.contains({text})",
                f"{words}.contains({self._word()})",
                f"{words}.{self._pick(('containsAny', 'containsAll'))}({fixed})",
            )
        )
