"""Injected shifts for the comparison with peers; used by our own and by their environments, so NumPy alone.

``python shifts.py PEER TRIALS`` runs a peer at its defaults and prints, per shift, the share of trials in which the
column concerned (any column, where nothing was injected) is reported. With ``until`` it prints how many rows after the
shift it is found in half of the trials; with ``strict`` the shares of ADWIN or NannyML at the loosest setting that is
silent in as many trials without any shift.
"""

import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

ROWS, NUMBERS = 20_000, 8
SIZES = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000)  # rows after a shift
DELTAS = (2e-3, 2e-4, 2e-5, 2e-6, 2e-8)  # of ADWIN, its default first
ALERTS = (0.5, 0.6, 0.7, 0.8, 0.9)  # of NannyML's chunks: more than so many must alert
SHIFTS = ("none", "mean", "variance", "category", "correlation", "segment", "day_month", "unit", "nulls")
CONCERNED = {
    "mean": {"f0"},
    "variance": {"f0"},
    "category": {"city"},
    "correlation": {"f1", "f2"},
    "segment": {"f3"},
    "day_month": {"born"},
    "unit": {"f4"},
    "nulls": {"f5"},
}
Columns = dict[str, "np.ndarray[Any, Any]"]


def table(seed: int, shift: str = "none") -> Columns:
    """Draw a table: eight numbers, two of them correlated, a category of fifty, a plan (1 % rare), a date as text."""
    rng = np.random.default_rng(seed)
    found: Columns = {f"f{at}": rng.normal(50, 10, ROWS) for at in range(NUMBERS)}
    mixed = 0.0 if shift == "correlation" else 0.5
    found["f2"] = mixed * found["f1"] + np.sqrt(1 - mixed**2) * found["f2"] + 50 * (1 - mixed - np.sqrt(1 - mixed**2))
    weights = np.ones(50)
    weights[7] = 2 if shift == "category" else 1
    found["city"] = np.array([f"c{at:02}" for at in range(50)])[rng.choice(50, ROWS, p=weights / weights.sum())]
    found["plan"] = np.array(["free", "pro", "rare"])[rng.choice(3, ROWS, p=[0.7, 0.29, 0.01])]
    day, month = rng.integers(1, 29, ROWS), rng.integers(1, 13, ROWS)
    one, two = (month, day) if shift == "day_month" else (day, month)
    found["born"] = np.char.add(np.char.add(np.char.zfill(one.astype(str), 2), "/"), np.char.zfill(two.astype(str), 2))
    found["born"] = np.char.add(found["born"], "/1990")
    return _moved(found, shift, rng)


def _moved(found: Columns, shift: str, rng: np.random.Generator) -> Columns:
    if shift == "mean":
        found["f0"] += 1.0
    elif shift == "variance":
        found["f0"] = 50 + 1.15 * (found["f0"] - 50)
    elif shift == "segment":
        found["f3"] += 15.0 * (found["plan"] == "rare")
    elif shift == "unit":
        found["f4"] *= 1000
    elif shift == "nulls":
        found["f5"][rng.random(ROWS) < 0.005] = np.nan
    return found


def evidently(one: Columns, two: Columns) -> set[str]:
    """Columns that its preset calls drifted."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [f"f{at}" for at in range(NUMBERS)]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=["city", "plan", "born"])
    sides = [Dataset.from_pandas(pd.DataFrame(side), data_definition=definition) for side in (two, one)]
    result = Report([DataDriftPreset()]).run(*sides).dict()
    found = set()
    for metric in result["metrics"]:
        config = metric["config"]
        if "column" in config and "threshold" in config:
            low_is_drift = "p_value" in str(config.get("method"))
            value = float(metric["value"])
            hit = value < config["threshold"] if low_is_drift else value >= config["threshold"]
            found |= {config["column"]} if hit else set()
    return found


def alibi(one: Columns, two: Columns) -> set[str]:
    """Columns that alibi-detect's tabular test calls drifted (Bonferroni at 0.05); it takes no nulls."""
    from alibi_detect.cd import TabularDrift

    names = [*(f"f{at}" for at in range(NUMBERS)), "city", "plan", "born"]
    kinds: dict[int, Any] = {at: None for at, name in enumerate(names) if name in {"city", "plan", "born"}}
    coded = []
    for side in (one, two):
        columns = []
        for name in names:
            column = side[name]
            if column.dtype.kind == "U":
                known = sorted({*one[name].tolist(), *two[name].tolist()})
                column = np.searchsorted(known, column)
            columns.append(column.astype(np.float64))
        coded.append(np.column_stack(columns))
    if np.isnan(coded[1]).any():
        coded[1] = coded[1][np.isfinite(coded[1]).all(axis=1)]
    for at in kinds:
        kinds[at] = sorted({*coded[0][:, at], *coded[1][:, at]})
    found = TabularDrift(coded[0], p_val=0.05, categories_per_feature=kinds).predict(coded[1])["data"]
    hits = found["p_val"] <= found["threshold"] if np.ndim(found["threshold"]) == 0 else found["is_drift"]
    return {name for name, hit in zip(names, hits, strict=True) if hit}


def nannyml(one: Columns, two: Columns, alerts: float = ALERTS[0]) -> set[str]:
    """Columns that its univariate calculator alerts on in more than a share of the analysed chunks."""
    import nannyml as nml
    import pandas as pd

    names = [*(f"f{at}" for at in range(NUMBERS)), "city", "plan", "born"]
    calculator = nml.UnivariateDriftCalculator(column_names=names)
    calculator.fit(pd.DataFrame(one))
    frame = calculator.calculate(pd.DataFrame(two)).filter(period="analysis").to_df(multilevel=True)
    found = set()
    for name in names:
        methods = {key[1] for key in frame.columns if key[0] == name}
        if any(frame[(name, method, "alert")].mean() > alerts for method in methods):
            found.add(name)
    return found


def first(table: Columns, rows: int) -> Columns:
    """Return the first rows."""
    return {name: column[:rows] for name, column in table.items()}


def river(one: Columns, two: Columns, delta: float = 0.002) -> set[str]:
    """Columns on which ADWIN, run over the reference and then the current rows, changes in the latter."""
    from river.drift import ADWIN

    found = set()
    for name in [*(f"f{at}" for at in range(NUMBERS)), "city"]:
        sides = [side[name] if side[name].dtype.kind == "f" else (side[name] == "c07") * 1.0 for side in (one, two)]
        watch = ADWIN(delta=delta)
        for value in sides[0]:
            watch.update(value)
        for value in sides[1]:
            if not np.isnan(value):
                watch.update(float(value))
                if watch.drift_detected:
                    found.add(name)
                    break
    return found


PEERS: dict[str, Callable[[Columns, Columns], set[str]]] = {
    "evidently": evidently,
    "alibi": alibi,
    "nannyml": nannyml,
    "river": river,
}


Peer = Callable[[Columns, Columns], set[str]]


def until(peer: Peer, shift: str, trials: int) -> float:
    """Return after how many rows a shift is found in half of the trials; infinite where not within all."""
    for rows in SIZES:
        hits = [peer(table(2 * t), first(table(2 * t + 1, shift), rows)) & CONCERNED[shift] for t in range(trials)]
        if 2 * sum(map(bool, hits)) >= trials:
            return float(rows)
    return float("inf")


def strict(name: str, trials: int) -> Peer:
    """Return ADWIN or NannyML at the loosest setting of some that is silent in as many trials without a shift."""
    settings = [partial(river, delta=delta) for delta in DELTAS]
    if name == "nannyml":
        settings = [partial(nannyml, alerts=alerts) for alerts in ALERTS]
    for peer in settings:
        if not any(peer(table(2 * t), table(2 * t + 1)) for t in range(trials)):
            return peer
    raise SystemExit("no setting is silent")


def main() -> None:
    """Print the shares of one peer as JSON."""
    warnings.simplefilter("ignore")
    peer, trials = PEERS[sys.argv[1]], int(sys.argv[2])
    if sys.argv[3:] == ["until"]:
        needed = {shift: until(peer, shift, trials) for shift in SHIFTS[1:]}
        print(json.dumps({shift: rows for shift, rows in needed.items() if rows < float("inf")}))
        return
    if sys.argv[3:] == ["strict"]:
        peer = strict(sys.argv[1], trials)
    shares = {}
    for shift in SHIFTS:
        hits = 0
        for trial in range(trials):
            found = peer(table(2 * trial), table(2 * trial + 1, shift))
            hits += bool(found) if shift == "none" else bool(found & CONCERNED[shift])
        shares[shift] = hits / trials
    print(json.dumps(shares))


if __name__ == "__main__":
    main()
