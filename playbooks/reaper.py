"""The reaper: no run stays "running" because whoever began it is gone, or gave its case up.

It needs the journal alone: a planned run carries its own definition.
"""

from collections.abc import Callable

from pydantic import ValidationError

from playbooks.executor import Executor
from playbooks.plan import Execution, Plan
from tools.errors import Malformed
from tools.journal import Entry, Journal

KINDS = ("RUN_PLANNED", "LEASE", "RUN_END")
GIVEN_UP = "nobody works on it any more"


def unended(journal: Journal) -> tuple[Plan, ...]:
    """Return the plans of runs that were begun and have not ended, oldest first."""
    planned: dict[str, Entry] = {}
    begun: dict[str, int] = {}
    for entry in journal.entries(kinds=KINDS):
        name, epoch = str(entry.body.get("plan")), int(entry.body.get("epoch", 0))
        if entry.kind == "RUN_PLANNED":
            planned.setdefault(name, entry)
        elif entry.kind == "LEASE":
            begun[name] = max(epoch, begun.get(name, 0))
        elif epoch >= begun.get(name, 0):
            begun.pop(name, None)
    return tuple(_plan(planned[name]) for name in begun if name in planned and "definition" in planned[name].body)


def reap(
    executor: Executor, journal: Journal, is_attended: Callable[[Plan], bool], recall: Callable[[Plan], object]
) -> tuple[Execution, ...]:
    """Turn every run round that nobody attends to; what is not ours by its lease is left to its holder.

    ``recall`` tells the authority how a run is undone. Returns how those runs stand now.
    """
    stand: list[Execution] = []
    for plan in unended(journal):
        if not is_attended(plan):
            recall(plan)
            stand.append(executor.undo(plan, GIVEN_UP))
    return tuple(stand)


def _plan(entry: Entry) -> Plan:
    try:
        return Plan.model_validate(entry.body["definition"])
    except ValidationError as error:
        raise Malformed(f"journal entry {entry.seq} plans what cannot be read: {error.error_count()} faults") from error
