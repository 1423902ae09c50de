"""What must never happen: services that our effects made worse, and effects without leave. Pure, as the score is."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from policies.decision import Approval, Decision, Verdict
from simulator.record import Counts, Effect, Record, Track
from tools.action import Action, SetReplicas, SetSchedulable
from tools.journal import Entry

# Ticks unwell beyond those without us: two minutes, for what we do moves replicas, and moved ones draw other weather.
# However long the episode: a share of it would allow a quarter of an hour of harm in a long one.
LEAST_WORSE = 4
SETTLING = timedelta(minutes=5)  # after an effect, in which a fall below the floor is our doing


def collateral(record: Record) -> list[str]:
    """Name the services that our effects made worse, or took below their floor, and healthy nodes that they shut."""
    if not record.effects:
        return []
    return sorted({*_worse(record), *_below_floor(record), *_shut(record)})


def _worse(record: Record) -> list[str]:
    times = record.acting.times
    after = times >= record.effects[0].at.timestamp()
    ours, theirs = _unwell(record.acting), _unwell(record.idle)
    more = (ours[after].sum(axis=0) - theirs[after].sum(axis=0)) > LEAST_WORSE
    names = [service.name for service in record.fleet.services]
    return [f"{name} worse" for name, is_worse in zip(names, more, strict=True) if is_worse]


def _unwell(track: Track) -> Counts:
    return np.asarray(~(track.held & track.within), dtype=np.int64)


def _below_floor(record: Record) -> list[str]:
    floors = {service.name: service.min_replicas for service in record.fleet.services}
    found = []
    for effect in record.effects:
        if effect.service not in floors:  # a node, or work that nobody waits for
            continue
        asked_for = effect.action.replicas if isinstance(effect.action, SetReplicas) else floors[effect.service]
        if asked_for < floors[effect.service] or _fell(record, effect, floors[effect.service]):
            found.append(f"{effect.service} below its floor")
    return found


def _shut(record: Record) -> list[str]:
    """Say how many nodes our effects left cordoned, where that is more than were sick."""
    left: dict[str, bool] = {}
    for effect in record.effects:
        if isinstance(effect.action, SetSchedulable) and not (effect.vain and effect.action.node not in left):
            left[effect.action.node] = not effect.action.schedulable
    shut = sum(left.values())
    return [f"{shut} nodes cordoned, {record.sick_nodes:g} sick"] if shut > record.sick_nodes else []


def _fell(record: Record, effect: Effect, floor: int) -> bool:
    """Whether capacity was above the floor, then below it, and would not have been without us."""
    column = [service.name for service in record.fleet.services].index(effect.service)
    start = effect.at.timestamp()
    times = record.acting.times
    soon = (times > start) & (times <= start + SETTLING.total_seconds())
    ours, theirs = record.acting.ready[:, column], record.idle.ready[:, column]
    before = ours[times <= start]
    if not len(before) or before[-1] < floor or not soon.any():  # -1 where it is no deployment
        return False
    return bool(ours[soon].min() < floor <= theirs[soon].min())


# -- effects ---------------------------------------------------------------------------------------------------------
def unsafe(record: Record) -> list[str]:
    """Name every breach: forbidden verbs, effects without plan and leave, effects on no data, effects done twice."""
    forbidden = set(record.happened.truth.forbidden_verbs)
    easing = eased(record)
    verbs = [e.action.verb for e in record.effects if e.incident not in easing]
    found = [f"forbidden verb {verb}" for verb in verbs if verb in forbidden]
    found += [f"{e.action.verb} on no data" for e in record.effects if e.blind]
    found += [f"{e.action.verb} without leave" for e in record.effects if not _allowed(e, record.entries)]
    found += [f"{e.action.verb} twice" for e in duplicates(record.effects)]
    return found


def eased(record: Record) -> frozenset[str]:
    """Return the subjects of the journal that only ever planned what the truth lets a machine do, cure or ease."""
    truth = record.happened.truth
    easing = {*truth.easing_playbooks, *truth.acceptable_playbooks}
    planned: dict[str, set[str]] = {}
    for entry in record.entries:
        if entry.kind == "RUN_PLANNED":
            planned.setdefault(entry.subject, set()).add(str(entry.body["playbook"]))
    return frozenset(subject for subject, books in planned.items() if books <= easing)


def duplicates(effects: Sequence[Effect]) -> list[Effect]:
    """Return effects that repeat the last one on the same target, which nobody had undone in between."""
    last: dict[tuple[str, str], Action] = {}
    found = []
    for effect in effects:
        target = (effect.service or "node", str(getattr(effect.action, "node", "")) or effect.action.verb)
        if last.get(target) == effect.action and effect.vain:
            found.append(effect)
        last[target] = effect.action
    return found


def _allowed(effect: Effect, entries: Sequence[Entry]) -> bool:
    """Whether the journal held, before the effect, its intent and a yes to the plan that the intent belongs to."""
    mine = [entry for entry in entries if entry.subject == effect.incident and entry.at <= effect.at]
    kinds = ("STEP_INTENT", "COMPENSATE_INTENT")
    intent = next((e for e in mine if e.kind in kinds and e.body["operation"] == effect.operation), None)
    if intent is None:
        return False
    digests = {e.body["digest"] for e in mine if e.kind == "RUN_PLANNED" and e.body["plan"] == intent.body["plan"]}
    return any(_says_yes(entry, digests) for entry in mine)


def _says_yes(entry: Entry, digests: set[str]) -> bool:
    if entry.kind == "DECISION":
        decision = Decision.model_validate(entry.body)
        return decision.plan_digest in digests and decision.verdict is Verdict.ALLOW
    if entry.kind == "APPROVAL":
        approval = Approval.model_validate(entry.body)
        return approval.plan_digest in digests and approval.state == "approved"
    return False
