"""Proofs about rule sets: a change permits nothing new, and no rule is dead. Needs the extra ``prove`` (z3).

Every answer is one of three: proved, refuted by a request that Cedar itself confirms, or undecided in the time given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import z3

from policies.account import Answer
from policies.domain import SETS, bounds, choices, usual
from policies.judge import Rules, ask_cedar
from policies.space import Space
from policies.terms import string
from policies.translate import Formula, permitted, read_rules, space_of, translate

_PATIENCE = 10_000  # milliseconds for one question to the solver
_IDLE = "changes no decision: the other rules say the same without it"
Facts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request that can occur: an action, a service, and its facts."""

    action: str
    service: str
    facts: Facts

    @property
    def question(self) -> int:
        """0 where the controller would act alone, 1 where she would propose."""
        return int(self.action.startswith("propose_"))

    @property
    def class_(self) -> str:
        """The class of the playbook."""
        return self.action.removeprefix("propose_")


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether ``new`` permits something that ``old`` does not; ``example`` is such a request."""

    outcome: Literal["proved", "refuted", "undecided"]
    example: Request | None = None
    undecided: tuple[str, ...] = ()  # actions


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about one rule. ``grave``: the rule does nothing, which nobody can have meant."""

    rule: str
    text: str
    grave: bool


def prove(old: Rules, new: Rules) -> Proof:
    """Show that ``new`` permits nothing that ``old`` does not, for every request that can occur."""
    vocabulary = new.vocabulary
    if changed := _changed(old, new):
        raise ValueError(f"the two schemas differ in {changed}: rules over different facts cannot be compared")
    before, after = read_rules(old.texts), read_rules(new.texts)
    space = space_of(vocabulary, before, after, _domain_words())
    undecided = []
    for action in sorted(vocabulary.actions):
        question = _Question(action, space)
        question.add(permitted(translate(after, action, space)))
        question.add(z3.Not(permitted(translate(before, action, space))))
        if question.answer() == z3.sat:
            return Proof("refuted", _confirmed(question.calmest(), old, new))
        if question.answer() == z3.unknown:
            undecided.append(action)
    return Proof("undecided", undecided=tuple(undecided)) if undecided else Proof("proved")


def _changed(old: Rules, new: Rules) -> str:
    one, other = ({**each.vocabulary.context, **each.vocabulary.resource} for each in (old, new))
    facts = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    if old.vocabulary.actions != new.vocabulary.actions:
        facts.append("the actions")
    return ", ".join(facts)


def _confirmed(found: Request, old: Rules, new: Rules) -> Request:
    """Put a counterexample to Cedar; one that does not hold there is a fault of ours, and is never shown as a proof."""
    before, after = answer_to(found, old), answer_to(found, new)
    if before.allowed or not after.allowed:
        raise RuntimeError(f"the prover and Cedar disagree about {found}; please report this")
    return found


def answer_to(request: Request, rules: Rules) -> Answer:
    """Return the answer of a rule set to a request."""
    return ask_cedar(request.service, request.class_, request.facts, rules)[request.question]


def findings(rules: Rules) -> tuple[Finding, ...]:
    """Return what is to be said about each rule: it can never match, never decides, or can err.

    That a rule changes no decision is not said where it is there for that: it bears ``@doubled("why")``.
    """
    parsed = read_rules(rules.texts)
    space = space_of(rules.vocabulary, parsed, _domain_words())
    formulas = {action: translate(parsed, action, space) for action in sorted(rules.vocabulary.actions)}
    notes = [rule["annotations"] for rule in parsed]
    found = (each for place, note in enumerate(notes) for each in _about(place, note["id"], formulas, space))
    doubled = {note["id"] for note in notes if note.get("doubled")}
    return tuple(each for each in found if each.text != _IDLE or each.rule not in doubled)


def _about(place: int, name: str, formulas: Mapping[str, Sequence[Formula]], space: Space) -> Iterator[Finding]:
    effect = next(iter(formulas.values()))[place].effect
    if _never(formulas, space, lambda rules: rules[place].holds):
        yield Finding(name, "can never match: no request that can occur fulfils it", grave=True)
        return
    if not _never(formulas, space, lambda rules: rules[place].errs):
        yield Finding(name, "can overflow, and then the whole decision is a denial", grave=False)
    if effect == "permit" and _never(formulas, space, lambda rules: z3.And(rules[place].holds, permitted(rules))):
        yield Finding(name, "never permits: whenever it holds, a forbid holds too", grave=True)
    elif _never(formulas, space, lambda rules: permitted(rules) != permitted([*rules[:place], *rules[place + 1 :]])):
        yield Finding(name, _IDLE, grave=False)


def _never(formulas: Mapping[str, Sequence[Formula]], space: Space, condition: Any) -> bool:
    """Whether a condition over the rules is false of every request; what is undecided counts as possible."""
    return all(
        _Question(action, space, condition(list(rules))).answer() == z3.unsat for action, rules in formulas.items()
    )


class _Question:
    """One question to the solver about the requests of one action that can occur."""

    def __init__(self, action: str, space: Space, *conditions: Any) -> None:
        self._action, self._space = action, space
        self._class = action.removeprefix("propose_")
        self._solver = z3.Solver()
        self._solver.set("timeout", _PATIENCE)
        self._solver.set("random_seed", 0)
        self._solver.add(space.bounds, *_possible(space, self._class), *conditions)
        self._answer: Any = None

    def add(self, condition: Any) -> None:
        """Narrow the question."""
        self._solver.add(condition)

    def answer(self) -> Any:
        """Return sat, unsat or unknown."""
        if self._answer is None:
            self._answer = self._solver.check()
        return self._answer

    def calmest(self) -> Request:
        """Return a request that fulfils the conditions and is ordinary wherever it can be."""
        vocabulary = self._space.vocabulary
        ordinary = usual(self._class, {**vocabulary.context, **vocabulary.resource})
        for name, symbol in self._space.symbols.items():
            wanted = "chat" if name == "service" else ordinary[name.partition(".")[2]]
            self._prefer(symbol == _constant(wanted))
        for name in self._space.sets:
            self._prefer(_is_set(self._space, name, ordinary[name.partition(".")[2]]))
        self._solver.check()
        return self._read(self._solver.model())

    def _prefer(self, condition: Any) -> None:
        self._solver.push()
        self._solver.add(condition)
        if self._solver.check() != z3.sat:
            self._solver.pop()

    def _read(self, model: Any) -> Request:
        facts: dict[str, dict[str, Any]] = {"context": {}, "resource": {}}
        for name, symbol in self._space.symbols.items():
            part, _, fact = name.partition(".")
            if fact:
                facts[part][fact] = _read(model.eval(symbol, model_completion=True))
        for name, holds in self._space.sets.items():
            part, _, fact = name.partition(".")
            named = [word for word in self._space.words if z3.is_true(model.eval(holds(word), model_completion=True))]
            facts[part][fact] = tuple(sorted({_read(model.eval(word, model_completion=True)) for word in named}))
        service = _read(model.eval(self._space.symbols["service"], model_completion=True))
        return Request(self._action, service, facts)


def _possible(space: Space, class_: str) -> Iterator[Any]:
    """Yield what is true of every request that can occur."""
    ranges, words = bounds(), choices()
    for name, symbol in space.symbols.items():
        fact = name.partition(".")[2]
        least, most = ranges.get(fact, (None, None)) if z3.is_int(symbol) else (None, None)
        if least is not None:
            yield symbol >= least
        if most is not None:
            yield symbol <= most
        if fact in words and z3.is_string(symbol):
            yield z3.Or([symbol == string(word) for word in words[fact]])
    if "context.class" in space.symbols:
        yield space.symbols["context.class"] == string(class_)
    for name, holds in space.sets.items():
        known = SETS.get(name.partition(".")[2])
        if known:
            yield z3.Or([holds(string(word)) for word in known])
            yield from (
                z3.Implies(holds(word), z3.Or([word == string(item) for item in known])) for word in space.words
            )
            yield from (z3.Not(way[name]) for way in space.others)


def _domain_words() -> tuple[Mapping[str, Any], ...]:
    """Return the words of the domain in the form of a rule, so that a space counts them among its own."""
    known = {word for words in (*SETS.values(), *choices().values()) for word in words}
    return tuple({"Value": word} for word in sorted(known))


def _is_set(space: Space, name: str, items: Sequence[str]) -> Any:
    holds = space.sets[name]
    return z3.And([holds(word) == z3.Or([word == string(item) for item in items]) for word in space.words])


def _constant(value: Any) -> Any:
    match value:
        case bool():
            return z3.BoolVal(value)
        case int():
            return z3.IntVal(value)
    return string(value)


def _read(value: Any) -> Any:
    if z3.is_string_value(value):
        return value.py_value()
    return value.as_long() if z3.is_int_value(value) else bool(z3.is_true(value))
