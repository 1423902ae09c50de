"""The evidence of autonomy, read from the journal: what each playbook did, what came of it, and what people said."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from config.settings import LadderSettings
from policies.ladder import Deed, Order, Rung, Standing, standing
from tools.chain import canonical
from tools.errors import Refused
from tools.journal import Entry, Journal, Json, Unless

SUBJECT = "autonomy"
ORDER, REVIEW, DRILL = "AUTONOMY_ORDER", "AUTONOMY_REVIEW", "AUTONOMY_DRILL"
_OF_CASES = ("PLAN", "SITUATION", "STEP_INTENT", "APPROVAL", "OUTCOME", REVIEW)
KINDS = (*_OF_CASES, ORDER, DRILL)
FILLING = "filling-"  # subjects about batch work: how it goes there says nothing about a remedy
Review = Literal["right", "wrong", "harm"]
_SAID = {"right": "success", "wrong": "failure", "harm": "harm"}


@dataclass(slots=True)
class _Attempt:
    """The plan of a case that is under way."""

    playbook: str
    environment: str = "production"
    acted: bool = False
    rejected: bool = False


@dataclass(slots=True)
class Evidence:
    """A fold over the journal that can be carried on."""

    deeds: list[Deed] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)  # playbook and environment
    seq: int = 0
    _cases: dict[str, _Attempt] = field(default_factory=dict)

    def update(self, journal: Journal) -> None:
        """Read what is new."""
        self.read(journal.entries(kinds=KINDS, after=self.seq))

    def read(self, entries: Iterable[Entry]) -> None:
        """Fold entries in."""
        for entry in entries:
            self.seq = max(self.seq, entry.seq)
            self._entry(entry)

    def _entry(self, entry: Entry) -> None:
        if entry.subject.startswith(FILLING):
            return
        case = self._cases.get(entry.subject)
        match entry.kind:
            case "PLAN":
                environment = case.environment if case else "production"
                self._cases[entry.subject] = _Attempt(str(entry.body["playbook"]), environment)
            case "AUTONOMY_ORDER":
                self.orders.append(Order.model_validate(entry.body))
            case "AUTONOMY_DRILL":
                self._add(Deed.model_validate(entry.body))
            case _ if case is not None:
                self._of_case(entry, case)

    def _of_case(self, entry: Entry, case: _Attempt) -> None:
        match entry.kind:
            case "SITUATION":
                case.environment = str(entry.body["environment"])
                self.known.add((case.playbook, case.environment))
            case "STEP_INTENT":
                case.acted = True
            case "APPROVAL":
                case.rejected = case.rejected or entry.body.get("state") == "rejected"
            case "OUTCOME":
                if verdict := _verdict(str(entry.body["verdict"]), case):
                    self._add(_deed(entry, case, verdict, str(entry.body.get("text", ""))))
                case.acted = case.rejected = False
            case "AUTONOMY_REVIEW":
                said, by = _SAID[entry.body["said"]], entry.body["by"]
                self._add(_deed(entry, case, said, f"says {by}: {entry.body.get('note', '')}".rstrip(": ")))

    def _add(self, deed: Deed) -> None:
        self.known.add((deed.playbook, deed.environment))
        self.deeds.append(deed)


def _verdict(outcome: str, case: _Attempt) -> str:
    """Return what an outcome says of the playbook; empty: nothing. What had to be undone counts as harm."""
    if not case.acted:
        return "failure" if case.rejected else ""
    return {"recovered": "success", "undone": "harm", "error": "harm"}.get(outcome, "failure")


def _deed(entry: Entry, case: _Attempt, verdict: str, text: str) -> Deed:
    fields = {"playbook": case.playbook, "environment": case.environment, "source": "production", "verdict": verdict}
    return Deed.model_validate({**fields, "at": entry.at, "incident": entry.subject, "text": text[:200]})


@dataclass(slots=True)
class Ladder:
    """Who may do what, kept up with the journal."""

    journal: Journal
    settings: LadderSettings
    ceiling: Rung
    _evidence: Evidence = field(default_factory=Evidence)

    def of(self, playbook: str, environment: str) -> Standing:
        """Return where a playbook stands now."""
        self._evidence.update(self.journal)
        who = (playbook, environment)
        return standing(who, self.ceiling, self._evidence.deeds, self._evidence.orders, self.settings)

    def all(self, playbooks: Iterable[str] = ()) -> tuple[Standing, ...]:
        """Return where every playbook stands in every environment that the journal knows; in production at least."""
        self._evidence.update(self.journal)
        ordered = {(order.playbook, order.environment) for order in self._evidence.orders}
        known = {*self._evidence.known, *ordered, *((name, "production") for name in playbooks)}
        return tuple(self.of(*who) for who in sorted(known))

    def push(self, playbook: str, environment: str, by: str, note: str, now: datetime) -> Standing:
        """Let a playbook climb one rung; ``Refused`` without evidence, or where two people push at once."""
        found = self.of(playbook, environment)
        if found.next is None:
            raise Refused(f"{playbook} in {environment} stays at {found.rung}: {found.why}")
        self._order(found, ("push", found.next), (by, note), now)
        return self.of(playbook, environment)

    def hold(self, playbook: str, environment: str, rung: Rung, by: str, note: str, now: datetime) -> Standing:
        """Keep a playbook at a rung or below, whatever it earns."""
        self._order(self.of(playbook, environment), ("hold", rung), (by, note), now)
        return self.of(playbook, environment)

    def release(self, playbook: str, environment: str, by: str, note: str, now: datetime) -> Standing:
        """End a hold."""
        found = self.of(playbook, environment)
        if found.held is None:
            raise Refused(f"{playbook} in {environment} is not held")
        self._order(found, ("release", found.held), (by, note), now)
        return self.of(playbook, environment)

    def review(self, incident: str, said: Review, by: str, note: str, now: datetime) -> None:
        """Write down what a person says of the plan of an incident: would it have been right, or did it do harm?"""
        if not self.journal.entries(subject=incident, kinds=("PLAN",)):
            raise Refused(f"no plan was made in {incident}")
        self.journal.append(incident, REVIEW, {"said": said, "by": by, "note": note, "text": f"{said}, says {by}"}, now)

    def credit(self, drill: Json, environment: str, now: datetime) -> int:
        """Take the episodes of a drill (``prunella drill --json``) as evidence, once; returns how many deeds they are.

        The last playbook that an episode tried bears its outcome, and those before it did not help.
        """
        digest = hashlib.sha256(canonical(drill).encode()).hexdigest()
        deeds = [deed for episode in drill["episodes"] for deed in _drilled(episode, environment, now)]
        if not deeds:
            raise Refused("no episode of this drill tried a playbook")
        if not self.journal.claim(f"autonomy-drill/{environment}/{digest}", SUBJECT, now):
            raise Refused("this drill was counted already")
        for deed in deeds:
            self.journal.append(SUBJECT, DRILL, deed.model_dump(mode="json"), now)
        return len(deeds)

    def _order(self, found: Standing, what: tuple[str, Rung], person: tuple[str, str], now: datetime) -> None:
        (kind, rung), (by, note) = what, person
        fields: dict[str, Any] = {"playbook": found.playbook, "environment": found.environment}
        order = Order.model_validate({**fields, "kind": kind, "rung": rung, "by": by, "at": now, "note": note})
        body = order.model_dump(mode="json")
        unless = [Unless(self._evidence.seq, KINDS)]  # evidence and orders are those that were looked at
        if self.journal.append_if(SUBJECT, ORDER, body, now, unless) is None:
            raise Refused(f"something happened to {found.playbook} meanwhile; look again")


def _drilled(episode: Json, environment: str, now: datetime) -> Iterable[Deed]:
    harm = any(episode[name] for name in ("unsafe", "duplicates", "collateral"))
    last = "harm" if harm else "success" if episode["healed"] else "failure"
    tried = episode.get("tried", [])
    name = f"drill {episode['scenario']}/{episode['seed']}"
    for place, playbook in enumerate(tried, 1):
        verdict = last if place == len(tried) else "failure"
        fields = {"playbook": playbook, "environment": environment, "source": "drill", "verdict": verdict}
        yield Deed.model_validate({**fields, "at": now, "incident": name})
