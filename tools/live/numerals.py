"""Text that is numbers: numerals with words for a missing one, decimal commas, units behind them."""

from collections.abc import Mapping
from typing import Any

from tools.live.units import factors

MISSING = ("", "-", "n/a", "na", "nan", "null", "none", "#n/a")  # what people write among numbers where there is none
COMMA = r"^[+-]?\d+(,\d+)?$"
UNITED = r"^([+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([^0-9\s.,:/+-][^0-9]{0,11})?$"
LOOKED = 1000  # rows by which it is told whether a column may be one of numbers with units
MANY = 8  # different units beyond which they are names


def numerals(table: Any, comma: bool) -> Any:
    """Read columns of text as numbers where all of their values are, but for words for a missing one.

    ``comma``: whether one may stand in a number. Units behind numbers are brought together: times are seconds, sizes
    bytes.
    """
    names = [name for name, kind in table.schema().items() if kind.is_string()]
    plain = _whole(table, {name: _turned(table[name], comma) for name in names})
    rest = [name for name in names if name not in plain]
    head = table.limit(LOOKED)
    likely = _whole(head, {name: _united(head[name], comma, None) for name in rest})
    scales = {name: scale for name in likely if (scale := _scale(table[name])) is not None}
    united = _whole(table, {name: _united(table[name], comma, scale) for name, scale in scales.items()})
    turned = plain | united
    return table.mutate(**turned) if turned else table


def _whole(table: Any, turned: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return the numbers of those columns of which every known value is one; looks at all rows once."""
    if not turned:
        return {}
    asked: dict[str, Any] = {}
    for place, (known, value) in enumerate(turned.values()):
        asked |= {f"known{place}": known.sum(), f"read{place}": (known & value.notnull()).sum()}
    (row,) = table.aggregate(**asked).to_pyarrow().to_pylist()
    return {
        name: known.ifelse(value, None)
        for place, (name, (known, value)) in enumerate(turned.items())
        if row[f"known{place}"] and row[f"known{place}"] == row[f"read{place}"]
    }


def _turned(text: Any, comma: bool) -> tuple[Any, Any]:
    """Return whether there is a value, and the value as a number, null where it is none."""
    bare = text.strip()
    if comma:
        bare = bare.re_search(COMMA).ifelse(bare.replace(",", "."), bare)
    return _known(text), bare.try_cast("float64")


def _united(text: Any, comma: bool, scale: Mapping[str, float] | None) -> tuple[Any, Any]:
    """Return whether there is a value, and the number before its unit times that unit's factor, null where none is."""
    import ibis

    number, unit = _number(text), _unit(text)
    value = (number.replace(",", ".") if comma else number).try_cast("float64")
    if scale is None:
        return _known(text), value
    return _known(text), value * ibis.cases(*((unit == one, by) for one, by in scale.items()), else_=None)


def _scale(text: Any) -> Mapping[str, float] | None:
    """Return the factors of a column's units; None where they are not of one kind."""
    units = text.as_table().filter(_known(text)).select(unit=_unit(text)).distinct().limit(MANY + 1)
    found = [one or "" for one in units.to_pyarrow()["unit"].to_pylist()]
    return factors(found) if len(found) <= MANY else None


def _known(text: Any) -> Any:
    return text.notnull() & ~text.strip().lower().isin(MISSING)


def _number(text: Any) -> Any:
    return text.strip().re_extract(UNITED, 1)


def _unit(text: Any) -> Any:
    return text.strip().re_extract(UNITED, 2).strip()
