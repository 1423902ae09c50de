"""What may be trusted at the start: a journal, rules or state that cannot be read start Prunella halted, not blind.

Halted she looks, shows and diagnoses, and changes nothing at all.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from agent.bill import COSTS
from agent.casebook import READERS
from agent.casebook import fold as fold_case
from agent.course import FORESEEN, GIVEN_UP
from agent.digest import DIGEST
from agent.lookout import DEPARTURE, NOTICED, REMARK
from agent.makeshift import EASED
from agent.rulebook import RuleError, read_rulebook, shipped_schema
from agent.standing import DRILL, ORDER, REVIEW, Evidence
from agent.standing import KINDS as OF_AUTONOMY
from agent.usual import KIND as LOAD
from playbooks.lease import read as read_lease
from playbooks.reaper import unended
from playbooks.run import KINDS as OF_RUNS
from playbooks.run import fold as fold_run
from policies import approvals, breaker, controls
from policies.judge import Rules, load_rules
from tools.audit import CHECKPOINT
from tools.errors import Malformed
from tools.journal import Entry, Journal

INJECTION = "DRILL"
"""What a drill against the real cluster did to it: for the record. No case, and no rule, ever reads it."""
KNOWN = frozenset(
    (
        *READERS,
        *OF_RUNS,
        *(approvals.KIND, breaker.KIND, controls.KIND, CHECKPOINT),
        *(COSTS, ORDER, REVIEW, DRILL, INJECTION, DIGEST, DEPARTURE, NOTICED, REMARK, FORESEEN, GIVEN_UP, EASED, LOAD),
    )
)
"""Every kind of entry that this version writes. Another one means something that it cannot weigh."""
NOBODY = """@id("halted") @reason("the rules cannot be read, so nothing is permitted")
forbid (principal, action, resource);"""


def unsound(journal: Journal) -> str:
    """Return why an intact journal cannot be worked from, all the same; empty: it can."""
    try:
        for subject in journal.subjects():
            _check(journal.entries(subject=subject))
        unended(journal)
        Evidence().read(journal.entries(kinds=OF_AUTONOMY))
    except Malformed as error:
        return f"halted: {error}"
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        return f"halted: the journal cannot be read: {' '.join(str(error).split())[:160]}"
    return ""


def _check(entries: Iterable[Entry]) -> None:
    """Fold the entries of one subject in every way in which they will be; raises where one does not fit."""
    all_of_them = tuple(entries)
    if strange := next((entry for entry in all_of_them if entry.kind not in KNOWN), None):
        raise Malformed(f"journal: entry {strange.seq} is a {strange.kind}, which this version does not know")
    fold_case(all_of_them)
    approvals.fold(all_of_them)
    controls.fold(all_of_them)
    for entry in all_of_them:
        if entry.kind == "LEASE":
            read_lease(entry)
        if entry.kind == "RUN_PLANNED":
            fold_run(all_of_them, str(entry.body["plan"]))


def rules_or_none(folder: Path | None) -> tuple[Rules, str]:
    """Return the rules of a folder; where they cannot be read, rules that forbid everything, and why."""
    try:
        return read_rulebook(folder).rules, ""
    except RuleError as error:
        return load_rules({"halted.cedar": NOBODY}, shipped_schema()), f"halted: {error}"


def saver_or_halt(path: Path) -> tuple[object, str]:
    """Open the running cases' checkpoints; where they cannot be read, start halted."""
    import sqlite3

    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite import SqliteSaver

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, check_same_thread=False)
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise sqlite3.DatabaseError(str(found))
        saver = SqliteSaver(connection)
        saver.setup()
    except sqlite3.DatabaseError as error:
        hint = "delete it: cases go on from the journal"
        return InMemorySaver(), f"halted: the checkpoints in {path.name} cannot be read ({error}); {hint}"
    return saver, ""
