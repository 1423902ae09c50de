"""Modifiers: what may be the matter besides. Each turns a scenario into another, and works with every scenario."""

from collections.abc import Callable, Mapping

from simulator.world.script import TURNED, Mutation, Scenario, Truth, What

SERVED = ("chat", "code", "search", "fraud", "credit", "recommend")
VENDORS = ("translate", "moderate")
ONCE = frozenset(("gpu_lost", "hang", "restart", "release", "promote", "scale"))  # cannot pass by themselves
SETTLED, RELAPSES = 2700.0, 2  # seconds after which a relapse comes, and how many come
PAUSED = SETTLED - 600.0  # seconds that load lasts between two of them


def _with(scenario: Scenario, *more: Mutation) -> Scenario:
    return scenario.model_copy(update={"mutations": (*scenario.mutations, *more)})


def _others(scenario: Scenario, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return services that the scenario cannot hit, where there are any."""
    return tuple(name for name in names if name not in scenario.target) or names


def _on_patient(what: What, **given: object) -> Callable[[Scenario], Scenario]:
    """Return a modifier that adds one mutation to the patient; without a patient, to everybody in turn."""

    def modify(scenario: Scenario) -> Scenario:
        target = () if scenario.target else SERVED
        return _with(scenario, Mutation.model_validate({"what": what, "target": target, **given}))

    return modify


def _healthy(scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"layer": "quiet", "mutations": (), "truth": Truth()})


def _noisy(scenario: Scenario) -> Scenario:
    noise = Mutation(what="noise", params={"factor": 2.0})
    return _with(scenario, noise, Mutation(what="bursts", params={"factor": 4.0}))


def _harms(mutation: Mutation) -> bool:
    """Whether something that happens once does any harm: a release without effects is there to mislead."""
    return mutation.what != "release" or bool(mutation.params)


def _recovered(scenario: Scenario) -> Scenario:
    """What can pass passes before any alarm; where all does, nothing is to be done."""
    short = tuple(m if m.what in ONCE else m.model_copy(update={"duration": 40.0}) for m in scenario.mutations)
    if any(m.what in ONCE and _harms(m) for m in scenario.mutations):
        return scenario.model_copy(update={"mutations": short})
    truth = Truth(acceptable_playbooks=scenario.truth.acceptable_playbooks, passes=bool(scenario.truth.fault))
    return scenario.model_copy(update={"layer": "quiet", "mutations": short, "truth": truth})


def _red_herring(scenario: Scenario) -> Scenario:
    where = _others(scenario, SERVED)
    release = Mutation(what="release", target=where, text="release 4.0.1: dependency updates")
    return _with(scenario, release, Mutation(what="slow", params={"factor": 1.25}, target=where, duration=60.0))


def _second(at: float) -> Callable[[Scenario], Scenario]:
    def modify(scenario: Scenario) -> Scenario:
        fault = Mutation(
            what="vendor_errors", params={"rate": 0.8}, target=_others(scenario, VENDORS), at=at, also=True
        )
        allowed = tuple(verb for verb in scenario.truth.forbidden_verbs if verb != "set_split")
        truth = scenario.truth.model_copy(update={"forbidden_verbs": allowed})
        return _with(scenario.model_copy(update={"truth": truth}), fault)

    return modify


def _storm(scenario: Scenario) -> Scenario:
    names = (*SERVED, *VENDORS)
    return _with(
        scenario,
        *(Mutation(what="errors", params={"rate": 0.06}, target=(n,), duration=150.0, also=True) for n in names),
    )


def _relapse(scenario: Scenario) -> Scenario:
    """Whatever is fixed breaks again, and once more after that; load that nobody can take away goes before it comes."""
    turns = [
        m.model_copy(update={"at": m.at + SETTLED * turn} | ({"duration": PAUSED} if _is_load(m, turn) else {}))
        for turn in range(RELAPSES + 1)
        for m in scenario.mutations
    ]
    return scenario.model_copy(update={"mutations": tuple(turns)})


def _is_load(mutation: Mutation, turn: int) -> bool:
    borne = mutation.what in TURNED or (mutation.what == "ail" and mutation.carrier == "service")
    return borne and mutation.duration is None and turn < RELAPSES


def _owned(scenario: Scenario) -> Scenario:
    """Another controller writes the deployment and puts back what others change: what touches it is a person's."""
    theirs = {"rollback_release", "scale_out", "scale_in", "failover_replica", "failover_node", "cordon_node"}
    owned = _on_patient("owner", text="argocd")(scenario)
    left = tuple(name for name in scenario.truth.acceptable_playbooks if name not in theirs)
    return owned.model_copy(update={"truth": scenario.truth.model_copy(update={"acceptable_playbooks": left})})


def _weekend(scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"start_days": 5})


def _absent(scenario: Scenario) -> Scenario:
    """Nobody answers; in drills nobody ever does."""
    return scenario


MODIFIERS: Mapping[str, Callable[[Scenario], Scenario]] = {
    "healthy": _healthy,
    "noisy_healthy": _noisy,
    "growth": _on_patient("traffic", params={"factor": 1.2}, onset="ramp", ramp=86400.0),
    "seasonal_weekend": _weekend,
    "launch_surge": _on_patient("traffic", params={"factor": 1.15}, duration=1800.0),
    "recovered_before_alert": _recovered,
    "red_herring": _red_herring,
    "missing_metric": _on_patient("gap"),
    "delayed_labels": lambda scenario: _with(scenario, Mutation(what="label_delay", params={"factor": 2.0})),
    "misleading_history": _on_patient("release", text="release 5.0.0: urgent fix"),
    "dual_fault": _second(0.0),
    "cascading_fault": _second(600.0),
    "alert_storm": _storm,
    "relapse": _relapse,
    "owner_conflict": _owned,
    "approver_absent": _absent,
}


def modified(scenario: Scenario, names: tuple[str, ...]) -> Scenario:
    """Return the scenario with every modifier in turn; ``KeyError`` for one that does not exist."""
    for name in names:
        scenario = MODIFIERS[name](scenario)
    return scenario.model_copy(update={"modifiers": (*scenario.modifiers, *names)})
