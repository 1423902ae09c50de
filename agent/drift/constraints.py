"""Constraints: what a reference shows, proposed as rules that people read and edit, and enforced on any table.

As YAML::

    rows_at_least: 1000
    columns:
      age: {kind: number, nulls_at_most: 0.01, at_least: 0, at_most: 120}
      plan: {kind: text, values: [free, pro]}
      id: {kind: text, unique: true}
      at: {kind: time, fresh_within: 2h}
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
from pydantic import Field as Described

from agent.drift.categories import tallied
from agent.drift.finding import Fault
from config.duration import Duration
from config.frozen import Frozen
from tools.errors import ToolError
from tools.tables import Column, Field, Kind, Labels, Numbers, Table

ROOM = 0.5  # of the range seen, left beyond either end
NULL_ROOM = 2.0  # times the share of nulls seen
MOST_VALUES = 50
FEW = 100


class Rule(Frozen):
    """What one column must be; what is left out is not asked."""

    kind: Kind
    nulls_at_most: float | None = Described(None, ge=0, le=1)
    at_least: float | None = None
    at_most: float | None = None
    values: tuple[str, ...] | None = None
    unseen_at_most: float = Described(0.0, ge=0, le=1)
    unique: bool = False
    fresh_within: Duration | None = None


class Constraints(Frozen):
    """Rules of a table."""

    rows_at_least: int = Described(1, ge=0)
    columns: dict[str, Rule]


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
    least = 0.0 if low >= 0 and low - reach < 0 else low - reach
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


def enforce(constraints: Constraints, table: Table, now: datetime | None = None) -> tuple[Fault, ...]:
    """Return every rule that the table breaks, with how many rows break it. Freshness needs ``now``."""
    found: list[Fault] = []
    if table.rows < constraints.rows_at_least:
        text = f"{table.rows} rows, at least {constraints.rows_at_least} are required"
        found.append(Fault(column="(rows)", kind="rows", text=text, share=1.0, sure=1.0))
    fields = {field.name: field for field in table.fields}
    for name, rule in constraints.columns.items():
        field = fields.get(name)
        if field is None:
            found.append(_broken(name, "missing column", "the column is gone", 1.0))
        elif field.kind is not rule.kind:
            found.append(_broken(name, "type", f"holds {field.kind.value}, must hold {rule.kind.value}", 1.0))
        else:
            found += _column_faults(name, rule, table.column(name), now)
    return tuple(found)


def _broken(column: str, kind: str, text: str, share: float, example: str = "") -> Fault:
    return Fault(column=column, kind=kind, text=text, share=min(share, 1.0), sure=1.0, example=example)


def _column_faults(name: str, rule: Rule, column: Column, now: datetime | None) -> Iterator[Fault]:
    rows = max(len(column), 1)
    missing = (column.codes < 0) if isinstance(column, Labels) else np.isnan(column.values)
    nulls = int(missing.sum()) / rows
    if rule.nulls_at_most is not None and nulls > rule.nulls_at_most:
        yield _broken(name, "nulls", f"{nulls:.2%} nulls, at most {rule.nulls_at_most:.2%} are allowed", nulls)
    if isinstance(column, Labels):
        yield from _label_faults(name, rule, column, rows)
    else:
        yield from _number_faults(name, rule, column, rows)
        yield from _age_faults(name, rule, column, now)


def _label_faults(name: str, rule: Rule, column: Labels, rows: int) -> Iterator[Fault]:
    counts = tallied(column)
    if rule.values is not None:
        allowed = set(rule.values)
        unseen = {value: n for value, n in counts.items() if value not in allowed}
        share = sum(unseen.values()) / rows
        if share > rule.unseen_at_most:
            example = max(unseen, key=lambda value: (unseen[value], value))
            yield _broken(name, "unseen", f"{share:.2%} of the values are not allowed: {example!r}", share, example)
    extra = sum(n - 1 for n in counts.values())
    if rule.unique and extra:
        yield _broken(name, "duplicates", f"{extra} values repeat, each must be unique", extra / rows)


def _number_faults(name: str, rule: Rule, column: Numbers, rows: int) -> Iterator[Fault]:
    known = column.values[~np.isnan(column.values)]
    low = known[known < rule.at_least] if rule.at_least is not None else known[:0]
    high = known[known > rule.at_most] if rule.at_most is not None else known[:0]
    out = len(low) + len(high)
    if out:
        example = f"{float((high if len(high) else low)[0]):g}"
        text = f"{out} values ({out / rows:.2%}) lie outside {rule.at_least} .. {rule.at_most}, for example {example}"
        yield _broken(name, "range", text, out / rows, example)


def _age_faults(name: str, rule: Rule, column: Numbers, now: datetime | None) -> Iterator[Fault]:
    if rule.fresh_within is None or now is None:
        return
    known = column.values[np.isfinite(column.values)]
    age = timedelta(seconds=now.timestamp() - float(known.max())) if len(known) else None
    if age is None or age > rule.fresh_within:
        said = "has no instant at all" if age is None else f"the newest row is {age} old"
        yield _broken(name, "stale", f"{said}, at most {rule.fresh_within} is allowed", 1.0)


def orphans(child: Labels, parent: Labels, column: str) -> tuple[Fault, ...]:
    """Return the referential gap: values of ``child`` that ``parent`` does not hold, nulls left out."""
    known = set(parent.names)
    lost = {value: n for value, n in tallied(child).items() if value not in known}
    if not lost:
        return ()
    share = sum(lost.values()) / max(len(child), 1)
    example = max(lost, key=lambda value: (lost[value], value))
    return (_broken(column, "orphans", f"{share:.2%} of the rows refer to nothing: {example!r}", share, example),)


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


class ConstraintsError(ToolError):
    """Rules that cannot be read."""
