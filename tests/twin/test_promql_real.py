"""Our PromQL against a real Prometheus that holds the same samples: equal to 1e-9 relative, or both refuse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml

from config.servers import MetricsSettings
from simulator.episode import demo_fleet
from simulator.twin.promql.answer import as_json
from simulator.twin.promql.evaluate import Source, query, query_range
from simulator.twin.promql.samples import QueryError, UnsupportedError
from tests.twin.conftest import Pair
from tests.twin.queries import ROWS, START, STEP, Maker
from tools.catalogue import SIGNALS
from tools.live.prometheus import PrometheusMetrics
from tools.marks import SPECS

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
ROOT = Path(__file__).parents[2]
GENERATED = 400
RELATIVE, ABSOLUTE = 1e-9, 1e-10  # the absolute one for sums of which almost nothing is left
END = START + ROWS * STEP
INSTANTS = (START + 600_000, START + 1_801_000, END - 45_000)
SPAN = (START + 300_000, END + 400_000, 97_000)


def ask(session: requests.Session, url: str, path: str, **form: str) -> dict[str, Any]:
    found: dict[str, Any] = session.post(f"{url}/api/v1/{path}", data=form, timeout=30).json()
    return found


def table(result: dict[str, Any]) -> dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]:
    """An answer by labels."""
    rows = result["result"]
    if result["resultType"] in ("scalar", "string"):
        return {(): [(float(rows[0]), float(rows[1]))]}
    return {
        tuple(sorted(row["metric"].items())): [
            (float(t), float(v)) for t, v in (row["values"] if "values" in row else [row["value"]])
        ]
        for row in rows
    }


def near(ours: float, theirs: float) -> bool:
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or math.isclose(ours, theirs, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def differences(text: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    if ours["resultType"] != theirs["resultType"]:
        return [f"{text}: {ours['resultType']} for {theirs['resultType']}"]
    mine, real = table(ours), table(theirs)
    out = [f"{text}: only ours {key}" for key in mine.keys() - real.keys()]
    out += [f"{text}: only theirs {key}" for key in real.keys() - mine.keys()]
    for key in mine.keys() & real.keys():
        if [t for t, _ in mine[key]] != [t for t, _ in real[key]]:
            out.append(f"{text}: {key} has {len(mine[key])} samples for {len(real[key])}")
        else:
            out += [
                f"{text}: {key} at {t:.3f}: {a!r} for {b!r}"
                for (t, a), (_, b) in zip(mine[key], real[key], strict=True)
                if not near(a, b)
            ][:2]
    return out


def compared(
    session: requests.Session, url: str, source: Source, text: str, at: int | tuple[int, int, int]
) -> tuple[str, list[str]]:
    """Ask both; returns how it went and what differs."""
    if isinstance(at, int):
        theirs = ask(session, url, "query", query=text, time=f"{at / 1000:.3f}")
    else:
        start, end, step = (f"{each / 1000:.3f}" for each in at)
        theirs = ask(session, url, "query_range", query=text, start=start, end=end, step=step)
    try:
        if isinstance(at, int):
            ours = as_json(query(text, source, at), np.array([at]), ranged=False)
        else:
            start_ms, end_ms, step_ms = at
            ours = as_json(query_range(text, source, at), np.arange(start_ms, end_ms + 1, step_ms), ranged=True)
    except UnsupportedError as error:
        return "unsupported", [f"{text}: {error}"]
    except QueryError as error:
        return "refused", [] if theirs["status"] == "error" else [f"{text}: refused by us alone: {error}"]
    if theirs["status"] == "error":
        return "differs", [f"{text}: refused by Prometheus alone: {theirs['error']}"]
    found = differences(text, ours, theirs["data"])
    return ("differs" if found else "same" if table(ours) else "same, nothing"), found


@pytest.fixture(scope="module")
def session() -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    return made


def generated() -> list[str]:
    maker = Maker(11)
    found: dict[str, None] = {}
    while len(found) < GENERATED:
        found[maker.query()] = None
    return list(found)


def test_generated_queries_are_answered_alike(pair: Pair, session: requests.Session) -> None:
    went: dict[str, int] = {}
    wrong: list[str] = []
    for number, text in enumerate(generated()):
        for at in (INSTANTS[number % len(INSTANTS)], SPAN):
            how, found = compared(session, pair.url, pair.made, text, at)
            went[how] = went.get(how, 0) + 1
            wrong += found
    assert not wrong, f"{len(wrong)} differences, {went}:\n" + "\n".join(wrong[:40])
    assert went["same"] >= 1.2 * GENERATED, went


def alerts() -> list[str]:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def test_every_shipped_query_is_answered_alike(pair: Pair, session: requests.Session) -> None:
    settings = MetricsSettings.model_validate({"url": pair.url})
    reader = PrometheusMetrics(settings, demo_fleet())
    specs = {reader.query(spec): spec.name for spec in (*SIGNALS, *SPECS)}
    reader.close()
    newest = pair.world.newest
    wrong: list[str] = []
    filled: set[str] = set()
    for text in (*specs, *alerts()):
        for at in (newest, newest - 3_601_000, (newest - 5_400_000, newest, 60_000)):
            how, found = compared(session, pair.url, pair.world, text, at)
            wrong += found
            filled |= {text} if how == "same" else set()
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:40])
    assert {name for text, name in specs.items() if text not in filled} == set()
