"""Data-quality faults of columns: each looks like drift, and is named as what it is, because its cure is upstream."""

from collections.abc import Iterator, Sequence

import numpy as np

from agent.drift.chance import rate_p
from agent.drift.exact import gaps
from agent.drift.finding import Fault, Move
from agent.drift.gathering import Gathered
from agent.drift.renamed import successors
from tools.grid import Floats
from tools.tables import Kind, Table

FACTORS = {
    1000.0: "1000 (kilo)",
    1e6: "1,000,000",
    100.0: "100 (per cent)",
    10.0: "10",
    60.0: "60 (minutes, seconds)",
    3600.0: "3600 (hours, seconds)",
    24.0: "24 (days, hours)",
    2.54: "2.54 (inches)",
    3.28084: "3.28 (feet)",
    1.609344: "1.609 (miles)",
    2.204623: "2.205 (pounds)",
}
SURELY = 1e-6  # p-value from which on a fault is named; far below any rate of false alarms
FIT = 0.15  # distance left after a fault is undone, as a share of the distance with it
OFTEN = 0.005  # of the rows: rarer is not worth a sentence
FEW = 200  # sampled values that are needed


def schema_faults(reference: Table, current: Table) -> Iterator[Fault]:
    """Columns that are gone, or go by another name, or changed their type."""
    now, renamed = {field.name: field for field in current.fields}, successors(reference, current)
    for field in reference.fields:
        other = now.get(field.name)
        if other is None:
            called = f"; {renamed[field.name]}, which is new, looks like it: renamed?" if field.name in renamed else ""
            yield _fault(field.name, "missing column", f"the column is gone{called}", 1.0)
        elif other.kind is not field.kind and Kind.other not in {other.kind, field.kind}:
            text = f"holds {other.kind.value} ({other.type}), was {field.kind.value} ({field.type})"
            yield _fault(field.name, "type", text, 1.0)


def number_faults(gathered: Gathered, moves: Sequence[Move]) -> Iterator[Fault]:
    """Units, signs, swapped columns, sentinels, stuck values, lost decimals, infinities, values out of range."""
    moved = {move.feature: move.effect for move in moves if move.verdict == "moved" and move.kind == "number"}
    exchanged = dict(_swaps(gathered, moved))
    yield from exchanged.values()
    settled = {name for pair in exchanged for name in pair}
    for name, (before, after) in gathered.samples.items():
        if name in settled or min(len(before), len(after)) < FEW:
            continue
        effect = moved.get(name, 0.0)
        named = list(_unit(name, before, after, effect)) or list(_some_rows(name, before, after))
        named = named or list(_spike(name, before, after))
        yield from named or _range(name, gathered)
        yield from _decimals(name, before, after)
    for name, (one, two) in gathered.numbers.items():
        rows = (one.counts.sum() + one.strange, two.counts.sum() + two.strange)
        if two.strange and float(rate_p(one.strange, rows[0], two.strange, rows[1])) < SURELY:
            yield _fault(name, "infinite", f"{two.strange} values are infinite", two.strange / max(rows[1], 1))


def null_faults(moves: Sequence[Move]) -> Iterator[Fault]:
    """Nulls that became more."""
    for move in moves:
        if move.kind == "nulls" and move.verdict == "moved":
            before, after = (float(word.rstrip("%")) for word in move.text.split() if word.endswith("%"))
            if after > before:
                yield _fault(move.feature, "nulls", move.text, after / 100)


def _fault(column: str, kind: str, text: str, share: float, sure: float = 1.0, example: str = "") -> Fault:
    return Fault(column=column, kind=kind, text=text, share=float(min(share, 1.0)), sure=sure, example=example)


def _distance(one: Floats, two: Floats) -> float:
    return gaps(one, two).ks


def _unit(name: str, before: Floats, after: Floats, effect: float) -> Iterator[Fault]:
    """The whole column is in another unit, or has changed its sign: undo it, and little distance is left."""
    if effect < 0.1:
        return
    for factor, word in FACTORS.items():
        for times, text in ((factor, f"multiplied by {word}"), (1 / factor, f"divided by {word}")):
            if _undone(before, after / times, effect):
                yield _fault(name, "unit", f"all values are {text}: the unit changed", 1.0, 0.95)
                return
    if _undone(before, -after, effect):
        yield _fault(name, "sign", "all values have changed their sign", 1.0, 0.95)
    elif _undone(before, (after - 32) / 1.8, effect):
        yield _fault(name, "unit", "all values are in Fahrenheit, were in Celsius", 1.0, 0.9)
    elif _undone(before, after * 1.8 + 32, effect):
        yield _fault(name, "unit", "all values are in Celsius, were in Fahrenheit", 1.0, 0.9)


def _undone(before: Floats, after: Floats, effect: float) -> bool:
    """Whether both quartiles and the distance agree with the reference; quartiles first, as they are quick."""
    one, two = np.quantile(before, [0.25, 0.5, 0.75]), np.quantile(after, [0.25, 0.5, 0.75])
    reach = float(one[2] - one[0]) or abs(float(one[1])) or 1.0
    if float(np.abs(one - two).max()) > 0.25 * reach:
        return False
    noise = 1.36 * np.sqrt(1 / len(before) + 1 / len(after))
    return bool(_distance(before, after) <= max(FIT * effect, noise))


def _some_rows(name: str, before: Floats, after: Floats) -> Iterator[Fault]:
    """Some rows are in another unit: they lie far outside, and inside once that is undone."""
    low, high = float(before.min()), float(before.max())
    reach = high - low
    far = after[(after > high + reach) | (after < low - reach)]
    if len(far) < max(OFTEN * len(after), 5):
        return
    likeness = min(max(0.2, 1.5 / np.sqrt(len(far))), 0.5)
    ways = [(f"multiplied by {word}", far / factor) for factor, word in FACTORS.items() if factor >= 60]
    ways += [("in Fahrenheit", (far - 32) / 1.8), ("in Celsius", far * 1.8 + 32)]
    for word, undone in ways:
        if _distance(before, undone) <= likeness:
            share = len(far) / len(after)
            yield _fault(name, "unit", f"{share:.1%} of the values are {word}: another unit", share, 0.9, f"{far[0]:g}")
            return


def _spike(name: str, before: Floats, after: Floats) -> Iterator[Fault]:
    """One value became very frequent: a sentinel, a default, or a stuck source."""
    values, counts = np.unique(after, return_counts=True)
    at = int(np.argmax(counts))
    value, hits = float(values[at]), int(counts[at])
    share, was = hits / len(after), float((before == value).mean())
    if share < max(2 * OFTEN, 5 * was) or float(rate_p(was * len(before), len(before), hits, len(after))) > SURELY:
        return
    if share > 0.95:
        yield _fault(name, "stuck", f"stuck at {value:g} in {share:.1%} of the rows", share)
    else:
        yield _fault(
            name, "sentinel", f"{share:.1%} of the values are {value:g}, were {was:.1%}", share, 0.9, f"{value:g}"
        )


def _range(name: str, gathered: Gathered) -> Iterator[Fault]:
    """Values outside of anything the reference showed, more than rows drawn alike would show."""
    outside = gathered.beyond.get(name, 0)
    one, two = gathered.numbers[name]
    n, m = int(one.counts.sum()), int(two.counts.sum())
    # Of rows drawn alike, each of those at an end is current's with chance m / (n + m).
    if outside < max(OFTEN * m, 5) or (m / max(n + m, 1)) ** outside * 2 > SURELY:
        return
    text = f"{outside / m:.1%} of the values lie outside {one.lowest:.4g} .. {one.highest:.4g}, all that was known"
    yield _fault(
        name, "range", text, outside / m, 0.7, f"{two.highest:g}" if two.highest > one.highest else f"{two.lowest:g}"
    )


def _decimals(name: str, before: Floats, after: Floats) -> Iterator[Fault]:
    was, now = (float((side == np.rint(side)).mean()) for side in (before, after))
    if was < 0.5 and now > 0.999:
        yield _fault(name, "precision", f"all values are whole, {1 - was:.0%} were not: decimals are lost", 1.0, 0.9)


def _swaps(gathered: Gathered, moved: dict[str, float]) -> Iterator[tuple[tuple[str, str], Fault]]:
    """Two columns that moved much, each of which now looks like the other did."""
    strong = sorted(name for name, effect in moved.items() if effect > 0.3 and name in gathered.samples)
    for at, one in enumerate(strong):
        for two in strong[at + 1 :]:
            (a, now_a), (b, now_b) = gathered.samples[one], gathered.samples[two]
            if min(len(a), len(b), len(now_a), len(now_b)) < FEW:
                continue
            if _undone(b, now_a, moved[one]) and _undone(a, now_b, moved[two]):
                text = f"holds what {two} held, and {two} what {one} held"
                yield (one, two), _fault(one, "swapped", text, 1.0, 0.95)
