"""How long the judge takes about one plan."""

import time
from collections.abc import Mapping

import numpy as np

from policies.caps import Caps
from policies.judge import judge, load_rules
from tests.policies.builders import SCHEMA, TEXTS, plan, situation


def figures(rounds: int = 3000) -> Mapping[str, float]:
    """Return microseconds of one decision, reasons rendered; of one load of the library, milliseconds."""
    started = time.perf_counter()
    rules = load_rules(TEXTS, SCHEMA)
    loaded = time.perf_counter() - started
    cases = [(plan(), situation()), (plan(), situation(confidence_percent=55)), (plan(), situation(paused=True))]
    took = np.empty(rounds)
    for number in range(rounds):
        asked, facts = cases[number % len(cases)]
        before = time.perf_counter_ns()
        judge(asked, facts, rules, Caps())
        took[number] = (time.perf_counter_ns() - before) / 1000
    return {
        "policy_decision_p50_us": round(float(np.percentile(took, 50)), 1),
        "policy_decision_p99_us": round(float(np.percentile(took, 99)), 1),
        "policy_load_ms": round(loaded * 1000, 2),
    }
