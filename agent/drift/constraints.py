"""Constraints: what a reference shows, proposed as rules that people read and edit, and enforced on any table.

As YAML::

    rows_at_least: 1000
    columns:
      age: {kind: number, nulls_at_most: 0.01, at_least: 0, at_most: 120}
      plan: {kind: text, values: [free, pro]}
      id: {kind: text, unique: true}
      at: {kind: time, fresh_within: 2h}
      customer: {kind: number, refers_to: {rows: customers.parquet, column: id}}
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np

from agent.drift.categories import tallied
from agent.drift.counted import Counted, bounds, counted, referring
from agent.drift.finding import Fault, many
from agent.drift.rules import Constraints, Rule
from tools.errors import Malformed, ToolError
from tools.summary import Summary
from tools.tables import Column, Field, Kind, Labels, Table

ROOM = 0.5  # of the range seen, left beyond either end
APART = 0.25  # of the median: values that keep so far from nought are not expected there
NULL_ROOM = 2.0  # times the share of nulls seen
MOST_VALUES = 50
FEW = 100
NOTHING: Mapping[str, Column] = MappingProxyType({})


def propose(reference: Table) -> Constraints:
    """Propose rules that the reference keeps with room to spare; ``ToolError`` when it cannot be read."""
    rules = {field.name: _proposed(field, reference) for field in reference.fields if field.kind is not Kind.other}
    return Constraints(rows_at_least=max(reference.rows // 10, 1), columns=rules)


def _proposed(field: Field, reference: Table) -> Rule:
    column = reference.column(field.name)
    rows = max(len(column), 1)
    if isinstance(column, Labels):
        nulls = float((column.codes < 0).sum()) / rows
        counts = tallied(column)
        unique = len(counts) == rows >= FEW
        values = tuple(sorted(counts)) if 0 < len(counts) <= MOST_VALUES and len(counts) < rows / 10 else None
        return Rule(kind=field.kind, nulls_at_most=_room(nulls, rows), values=values, unique=unique)
    known = column.values[np.isfinite(column.values)]
    room = _room(1 - len(known) / rows, rows)
    if field.kind is not Kind.number or not len(known):
        return Rule(kind=field.kind, nulls_at_most=room)
    low, high = float(known.min()), float(known.max())
    reach = ROOM * (high - low)
    least = low - reach
    if low >= 0 > least:  # what never fell below nought; nor near to it, where the least is no small part of the usual
        least = low / 2 if low >= APART * float(np.median(known)) else 0.0
    return Rule(
        kind=field.kind,
        nulls_at_most=room,
        at_least=_outwards(least, low, -1),
        at_most=_outwards(high + reach, high, 1),
    )


def _room(share: float, rows: int) -> float:
    """Nulls allowed: twice what was seen, and what so many rows could hide."""
    return _short(min(NULL_ROOM * share + 3 / rows, 1.0))


def _short(value: float) -> float:
    """Round to four figures: rules are read by people."""
    return float(f"{value:.4g}")


def _outwards(bound: float, seen: float, sign: int) -> float | None:
    """Round a bound, but never inside what was seen; None beyond all numbers."""
    short = _short(bound)
    kept = short if sign * (short - seen) >= 0 else bound
    return kept if np.isfinite(kept) else None


Known = Mapping[str, Column]  # keys that a column may refer to, by column


def read_known(constraints: Constraints, keys: Callable[[str, str], Column]) -> Known:
    """Read what columns refer to, by ``keys(rows, column)``; ``ToolError`` where that cannot be read."""
    named = {name: rule.refers_to for name, rule in constraints.columns.items() if rule.refers_to}
    return {name: keys(each.rows, each.column) for name, each in named.items()}


def enforce(
    constraints: Constraints, table: Table, now: datetime | None = None, known: Known = NOTHING
) -> tuple[Fault, ...]:
    """Return every rule that the table breaks, with how many rows break it.

    Freshness needs ``now``; what columns refer to, ``known`` (``read_known``): ``Malformed`` without it.
    """
    found: list[Fault] = []
    if table.rows < constraints.rows_at_least:
        text = f"{many(table.rows, 'row')}, at least {constraints.rows_at_least} are required"
        found.append(Fault(column="(rows)", kind="rows", text=text, share=1.0, sure=1.0))
    wrong = {fault.column: fault for fault in structure_faults(constraints, table)}
    asked = {name: bounds(rule) for name, rule in constraints.columns.items() if name not in wrong}
    summed = table.summary(asked) if asked else {}
    for name, rule in constraints.columns.items():
        if name in wrong:
            found.append(wrong[name])
        else:
            found += column_faults(name, rule, _counted(name, rule, summed[name], table, known), now)
    return tuple(found)


def _counted(name: str, rule: Rule, summed: Summary, table: Table, known: Known) -> Counted:
    found = counted(rule, summed)
    if rule.refers_to is None:
        return found
    if name not in known:
        raise Malformed(f"{name} refers to {rule.refers_to.rows}, which was not read")
    return referring(found, table.strays(name, known[name]))


def structure_faults(constraints: Constraints, table: Table) -> tuple[Fault, ...]:
    """Return the columns that are gone or hold another kind of thing."""
    kinds, found = {field.name: field.kind for field in table.fields}, []
    for name, rule in constraints.columns.items():
        if name not in kinds:
            found.append(_broken(name, "missing column", "the column is gone", 1.0))
        elif kinds[name] is not rule.kind:
            text = f"holds {kinds[name].value}, must hold {rule.kind.value}"
            found.append(_broken(name, "type", text, 1.0))
    return tuple(found)


def _broken(column: str, kind: str, text: str, share: float, example: str = "") -> Fault:
    return Fault(column=column, kind=kind, text=text, share=min(share, 1.0), sure=1.0, example=example)


def column_faults(name: str, rule: Rule, counted: Counted, now: datetime | None) -> Iterator[Fault]:
    """Yield what a column breaks of its rule, by its counts."""
    rows = max(counted.rows, 1)
    nulls = counted.nulls / rows
    if rule.nulls_at_most is not None and nulls > rule.nulls_at_most:
        yield _broken(name, "nulls", f"{nulls:.2%} nulls, at most {rule.nulls_at_most:.2%} are allowed", nulls)
    unseen = counted.unseen
    share = sum(unseen.values()) / rows
    if unseen and share > rule.unseen_at_most:
        example = max(unseen, key=lambda value: (unseen[value], value))
        yield _broken(name, "unseen", f"{share:.2%} of the values are not allowed: {example!r}", share, example)
    if counted.repeats:
        text = f"{many(counted.repeats, 'value')} repeat{'s' * (counted.repeats == 1)}, each must be unique"
        yield _broken(name, "duplicates", text, counted.repeats / rows)
    if counted.out:
        limits = f"{rule.at_least} .. {rule.at_most}, for example {counted.example}"
        text = f"{many(counted.out, 'value')} ({counted.out / rows:.2%}) lie{'s' * (counted.out == 1)} outside {limits}"
        yield _broken(name, "range", text, counted.out / rows, counted.example)
    if counted.lost:
        share, to = counted.lost / rows, rule.refers_to.rows if rule.refers_to else "nothing"
        text = f"{share:.2%} of the rows refer to what is not in {to}: {counted.stray!r}"
        yield _broken(name, "orphans", text, share, counted.stray)
    yield from _age_faults(name, rule, counted, now)


def _age_faults(name: str, rule: Rule, counted: Counted, now: datetime | None) -> Iterator[Fault]:
    if rule.fresh_within is None or now is None or rule.kind is Kind.text:
        return
    age = timedelta(seconds=now.timestamp() - counted.newest) if np.isfinite(counted.newest) else None
    if age is None or age > rule.fresh_within:
        said = "has no instant at all" if age is None else f"the newest row is {age} old"
        yield _broken(name, "stale", f"{said}, at most {rule.fresh_within} is allowed", 1.0)


def to_yaml(constraints: Constraints, source: str) -> str:
    """Write rules as YAML, one line per column."""
    import yaml

    lines = [f"# Proposed from {source}; edit freely. Shares are of the rows, 0 to 1."]
    lines += [f"rows_at_least: {constraints.rows_at_least}", "columns:"]
    for name, rule in constraints.columns.items():
        said = rule.model_dump(mode="json", exclude_defaults=True)
        flow = yaml.safe_dump({name: said}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
        lines.append(f"  {flow.rstrip()[1:-1]}")
    return "\n".join(lines) + "\n"


def from_yaml(text: str, source: str) -> Constraints:
    """Read rules; ``ConstraintsError`` names what is wrong in one line."""
    import yaml
    from pydantic import ValidationError

    try:
        return Constraints.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConstraintsError(f"{source} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConstraintsError(f"{source}: {where}: {first['msg']}") from error


def read_rules(path: Path) -> Constraints:
    """Read a file of rules; ``ConstraintsError`` names it and what is wrong in one line."""
    try:
        return from_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConstraintsError(f"cannot read {path}: {error}") from error


class ConstraintsError(ToolError):
    """Rules that cannot be read."""
