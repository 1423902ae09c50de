"""How long the judge takes about one plan."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from playbooks.plan import Plan, PlaybookClass
from policies.caps import Caps
from policies.decision import Situation, Verdict
from policies.judge import Rules, judge, load_rules
from tests.policies.builders import SCHEMA, TEXTS, plan, situation

CLASSES: tuple[PlaybookClass, ...] = ("rollback", "scale", "retrain", "failover")
TIMES = 7  # each request is decided, to tell a slow request from a moment in which the machine did something else
Case = tuple[Plan, Situation]


def figures(rounds: int = 1500) -> Mapping[str, float]:
    """Return microseconds of one decision, facts checked and reasons rendered; of one load of the library, ms.

    Over random requests: some in which nothing is wrong, where most are allowed or asked about, and as many in which
    anything may be. ``p50`` and ``p99`` are over every single decision, with whatever the machine did besides;
    ``usual_p99`` is over requests, each at its median of ``TIMES``: the slowest requests, without the machine.
    """
    started = time.perf_counter()
    rules = load_rules(TEXTS, SCHEMA)
    loaded = time.perf_counter() - started
    rng = random.Random(7)
    cases = [(plan(rng.choice(CLASSES)), situation(**_drawn(rng, calm=bool(n % 2)))) for n in range(rounds)]
    verdicts = [judge(*case, rules, Caps()).verdict for case in cases]
    took = np.array([_round(cases, rules) for _ in range(TIMES)])
    usual = np.median(took, axis=0)
    return {
        "policy_decision_p50_us": round(float(np.percentile(took, 50)), 1),
        "policy_decision_p99_us": round(float(np.percentile(took, 99)), 1),
        "policy_decision_usual_p99_us": round(float(np.percentile(usual, 99)), 1),
        "policy_decision_denied_share": round(verdicts.count(Verdict.DENY) / rounds, 3),
        "policy_load_ms": round(loaded * 1000, 2),
    }


def _round(cases: Sequence[Case], rules: Rules) -> list[float]:
    took, caps = [], Caps()
    for case in cases:
        before = time.perf_counter_ns()
        judge(*case, rules, caps)
        took.append((time.perf_counter_ns() - before) / 1000)
    return took


def _drawn(rng: random.Random, *, calm: bool) -> dict[str, Any]:
    """Return facts of a moment; ``calm``: nobody and nothing forbids anything by itself."""
    facts: dict[str, Any] = {
        "confidence_percent": rng.randint(30, 100),
        "tier": rng.choice(("gold", "silver", "bronze")),
        "environment": rng.choice(("production", "production", "staging")),
        "blast_percent": rng.choice((0, 0, 25, 33, 50)),
        "load_percent": rng.randint(10, 100),
        "floor_margin": rng.randint(0, 3),
        "money_per_hour": rng.choice((-2.0, 0.0, 3.0)),
    }
    if calm:
        return facts
    odd = ("storm", "frozen", "paused", "opted_out", "other_owner")
    sound = ("data_fresh", "capacity_proven", "features_compared", "reversible")
    return facts | {
        **{name: rng.random() < 0.1 for name in odd},
        **{name: rng.random() >= 0.1 for name in sound},
        "attempts": rng.choice((0, 0, 1, 4)),
        "service_actions_last_hour": rng.randint(0, 14),
        "fleet_actions_last_hour": rng.randint(0, 70),
        "gold_blast_percent": rng.choice((0, 0, 33, 50)),
        "floor_margin": rng.randint(-1, 3),
        "load_percent": rng.randint(10, 120),
        "budget_burn_percent": rng.choice((0, 20, 900)),
        "budget_cost_percent": rng.choice((0, 10, 150)),
        "budget_left_percent": rng.randint(0, 100),
    }
