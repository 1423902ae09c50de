"""A counterexample in words: who may do what, in which situation, by which rule, and what stood against it before."""

from policies.domain import usual
from policies.facts import Fact
from policies.judge import Rules
from policies.prove import Request, answer_to


def counterexample(request: Request, old: Rules, new: Rules) -> str:
    """Return what ``new`` permits and ``old`` does not, as some lines of text."""
    how = "be proposed to a person" if request.question else "be done alone"
    lines = [
        f"Not proved: the new rules permit something that the old ones did not. A {request.class_} may now {how}:",
        f"  service {request.service}" + "".join(f", {words}" for words in _odd(request, new)),
        *(f"  permitted now by {name}: {why}" for name, why in _held(request, new)),
        *(f"  forbidden before by {name}: {why}" for name, why in _held(request, old)),
    ]
    if not _held(request, old):
        lines.append("  before, no rule permitted it")
    return "\n".join(lines)


def _odd(request: Request, rules: Rules) -> list[str]:
    """Return the facts that are not ordinary, in words; all else is as on a calm day."""
    kinds = {**rules.vocabulary.context, **rules.vocabulary.resource}
    ordinary = usual(request.class_, kinds)
    facts = {**request.facts["context"], **request.facts["resource"]}
    odd = [f"{name} {_shown(fact)}" for name, fact in facts.items() if fact != ordinary[name]]
    return odd or ["on a calm day"]


def _held(request: Request, rules: Rules) -> list[tuple[str, str]]:
    """Return the rules that decided, with what made them hold."""
    return [(rule.name, "; ".join(rule.held(request.facts))) for rule in answer_to(request, rules).rules]


def _shown(fact: Fact) -> str:
    match fact:
        case bool():
            return "yes" if fact else "no"
        case tuple():
            return ", ".join(fact) or "none"
    return repr(fact) if isinstance(fact, str) and not fact else str(fact)
