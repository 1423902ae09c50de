"""Reads PromQL: what the syntax tree of ``promql-parser`` means in our words."""

from datetime import timedelta
from typing import Any

import promql_parser as syntax

from simulator.twin.promql.binary import Matching
from simulator.twin.promql.samples import NAME, Labels, Matcher, QueryError, UnsupportedError

_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def parse(text: str) -> Any:
    """Return the syntax tree; ``QueryError`` for what is no PromQL."""
    try:
        return syntax.parse(text)
    except ValueError as error:
        raise QueryError(f"parse error: {' '.join(str(error).split())}") from error


def matchers_of(selector: Any) -> list[Matcher]:
    """Return the conditions of a selector."""
    if selector.matchers.or_matchers:
        raise UnsupportedError("selectors with `or` are not supported")
    found = [Matcher(m.name, _OPS[str(m.op).rpartition(".")[2]], m.value) for m in selector.matchers.matchers]
    return [Matcher(NAME, "=", selector.name), *found] if selector.name else found


def ms(span: timedelta | None) -> int:
    """Return a span in milliseconds; none is 0."""
    return 0 if span is None else round(span / timedelta(milliseconds=1))


def bare(tree: Any) -> Any:
    """Return what stands in parentheses."""
    while isinstance(tree, syntax.ParenExpr):
        tree = tree.expr
    return tree


def text(tree: Any) -> str:
    """Return the text of a string literal."""
    tree = bare(tree)
    if not isinstance(tree, syntax.StringLiteral):
        raise QueryError("a string is expected")
    return str(tree.val)


def matching(modifier: Any) -> Matching:
    """Return how the sides of an operator match."""
    if modifier is None:
        return Matching()
    card = str(modifier.card).rpartition(".")[2]
    on, names = False, ()
    if modifier.matching is not None:
        on, names = str(modifier.matching.type).endswith("Include"), tuple(modifier.matching.labels)
    many = {"ManyToOne": "left", "OneToMany": "right"}.get(card, "")
    return Matching(on, names, many, tuple(modifier.group_labels or ()), bool(modifier.return_bool))


def sure_labels(tree: Any) -> Labels:
    """Return the labels that ``absent`` may claim: those that the selector fixes to one value."""
    tree = bare(tree)
    selector = tree.vector_selector if isinstance(tree, syntax.MatrixSelector) else tree
    if not isinstance(selector, syntax.VectorSelector):
        return {}
    found = [m for m in matchers_of(selector) if m.name != NAME]
    names = [m.name for m in found]
    return {m.name: m.value for m in found if m.op == "=" and m.value and names.count(m.name) == 1}
