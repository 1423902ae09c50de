"""How long the judge takes about one plan."""

import time
from collections.abc import Mapping

import numpy as np

from playbooks.plan import Plan
from policies.caps import Caps
from policies.decision import Situation
from policies.judge import Rules, judge, load_rules
from tests.policies.builders import SCHEMA, TEXTS, plan, situation

BLOCKS = 10


def figures(rounds: int = 10000) -> Mapping[str, float]:
    """Return microseconds of one decision, facts checked and reasons rendered; of one load of the library, ms.

    A third each is allowed, asked and denied. ``p99`` is the median over ten blocks, so that one moment in which the
    machine did something else does not decide; ``p99_all`` is over all decisions, ``cpu_p99`` leaves waiting out.
    """
    started = time.perf_counter()
    rules = load_rules(TEXTS, SCHEMA)
    loaded = time.perf_counter() - started
    cases = [(plan(), situation()), (plan(), situation(confidence_percent=55)), (plan(), situation(paused=True))]
    for number in range(200):
        judge(*cases[number % len(cases)], rules, Caps())
    blocks = [_block(cases, rules, rounds // BLOCKS) for _ in range(BLOCKS)]
    wall, work = (np.array([block[part] for block in blocks]) for part in (0, 1))
    return {
        "policy_decision_p50_us": round(float(np.percentile(wall, 50)), 1),
        "policy_decision_p99_us": round(float(np.median(np.percentile(wall, 99, axis=1))), 1),
        "policy_decision_p99_all_us": round(float(np.percentile(wall, 99)), 1),
        "policy_decision_cpu_p99_us": round(float(np.median(np.percentile(work, 99, axis=1))), 1),
        "policy_load_ms": round(loaded * 1000, 2),
    }


def _block(cases: list[tuple[Plan, Situation]], rules: Rules, rounds: int) -> tuple[list[float], list[float]]:
    wall, work = [], []
    caps = Caps()
    for number in range(rounds):
        before, busy = time.perf_counter_ns(), time.thread_time_ns()
        judge(*cases[number % len(cases)], rules, caps)
        work.append((time.thread_time_ns() - busy) / 1000)
        wall.append((time.perf_counter_ns() - before) / 1000)
    return wall, work
