"""The prover: how long a proof of the shipped rules takes, and whether its translation agrees with Cedar."""

import time
from collections.abc import Mapping

from policies.judge import load_rules
from policies.prove import findings, prove
from policies.translate import read_rules, space_of, translate
from tests.policies.builders import SCHEMA, TEXTS
from tests.policies.ground import Ground
from tests.policies.random_rules import Maker
from tests.policies.test_prove import HANDLE, cedar_says

FIRST = 100_000  # seeds that no test uses


def figures(sets: int = 500, each: int = 20) -> Mapping[str, float]:
    """Return seconds of a proof and of a check, and disagreements over random requests to random rule sets."""
    import cedarpy

    rules = load_rules(TEXTS, SCHEMA)
    started = time.perf_counter()
    outcome = prove(rules, rules).outcome
    proved = time.perf_counter()
    findings(rules)
    checked = time.perf_counter()
    wrong = 0
    for seed in range(FIRST, FIRST + sets):
        maker = Maker(seed, rules.vocabulary)
        text = maker.rules()
        parsed, handle = read_rules([text]), cedarpy.PolicySet.from_str(text)
        space = space_of(rules.vocabulary, parsed)
        for _ in range(each):
            action, service, facts = maker.request()
            permits, _, erring = Ground(space, service, facts).verdict(translate(parsed, action, space))
            wrong += (permits, bool(erring)) != cedar_says(handle, HANDLE, action, service, facts)
    return {
        "prover_proved": float(outcome == "proved"),
        "prover_seconds": round(proved - started, 2),
        "prover_check_seconds": round(checked - proved, 2),
        "prover_requests": float(sets * each),
        "prover_disagreements": float(wrong),
    }
