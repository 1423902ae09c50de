"""Months of a fleet on the terminal."""

from collections.abc import Mapping
from math import nan
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from simulator.month_score import US, together
from simulator.scorecard_view import paper

Json = Mapping[str, Any]
SHARES = ("availability", "availability_of_calls")
COUNTS = ("degraded_minutes", "degraded_minutes_of_models", "faults", "paged", "called", "utilisation", "actions")
HEADS = ("", "good", "of calls", "degraded min", "of models", "faults", "person", "calls", "GPU %", "actions")
WORDS = {
    "months": "months",
    "best_baseline": "best of the others",
    "bad_requests_ratio": "its bad requests, of ours",
    "degraded_ratio": "its degraded minutes, of ours",
    "degraded_models_ratio": "our degraded minutes of models, of those without",
    "needing_a_person": "faults that needed a person",
    "needing_a_person_by_rates": "the same, each kind as often as stated",
    "utilisation_ratio": "GPU use, of the static fleet's",
    "foreseeing_utilisation_ratio": "GPU use with batch work, of the static fleet's",
    "foreseeing_utilisation_ratio_beside_batch": "the same, of a static fleet with batch work",
    "foreseeing_money_ratio": "money for replicas that follow the hours",
    "foreseeing_degraded_ratio": "degraded minutes with them, of those without",
}
_PERCENT = frozenset(("needing_a_person", "needing_a_person_by_rates", "degraded_models_ratio"))


def calendar(result: Json) -> None:
    """Print a row for everybody who guarded the fleet, one for each of several months of ours, and how they compare."""
    months = result["months"]
    console = paper()
    everybody = {who: [month["shifts"][who] for month in months] for who in months[0]["shifts"]}
    console.print(_table({who: together(each) for who, each in everybody.items()}))
    if len(months) > 1:
        console.print(Text(f"{US}, month by month"))
        console.print(_table({f"seed {month['seed']}": month["shifts"][US] for month in months}))
    said = {words: _figure(name, result["summary"][name]) for name, words in WORDS.items() if name in result["summary"]}
    for words, figure in said.items():
        console.print(Text(f"{words:<{max(map(len, said))}}  {figure}"))


def _table(rows: Mapping[str, Json]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in HEADS:
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, each in rows.items():
        shares = (f"{each.get(share, nan):.4%}" for share in SHARES)
        table.add_row(name, *shares, *(f"{each.get(count, nan):.8g}" for count in COUNTS))
    return table


def _figure(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        span = f"{_figure(name, value['low'])} to {_figure(name, value['high'])}"
        return f"{_figure(name, value['mean'])}  (95 %: {span})"
    if isinstance(value, float):
        return f"{value:.1%}" if name in _PERCENT else f"{value:.4g}"
    return "–" if value is None else str(value)
