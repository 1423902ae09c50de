"""The model registry over MLflow: versions and aliases read, promotions noticed, one verb (``set_alias``) written.

MLflow changes an alias without conditions, and keeps no history of it. So an operation is first announced in a tag of
the model, then done, then ticked off; whoever asks later reads the tag and the alias together. Within the time that one
call may be on its way, "it did not happen" is never said. What two controllers do at once is kept apart by the lease
and the epoch in the tag, read again right before the write; one call that is already on its way cannot be called back.
"""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from config.fleet import Fleet
from tools.action import Action, Operation, Preimage, Receipt, SetAlias
from tools.change import Change
from tools.clock import Clock
from tools.errors import Absent, Malformed, Refused, Transient
from tools.live.mlflow_api import Json, MlflowApi
from tools.live.mlflow_names import Names, listed, name_in
from tools.live.offline import Offline
from tools.records import Comparison, InferenceWindow, ModelState, ModelVersion

OPERATIONS, EPOCH = "prunella.operations", "prunella.epoch"
US = "prunella"
KEPT = 16  # operations remembered on one model
_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Mark:
    """One operation as announced in the tag. ``done``: the alias was seen to follow."""

    id: str
    epoch: int
    at: str
    alias: str
    before: str
    version: str
    done: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model as MLflow has it now."""

    name: str
    aliases: Mapping[str, str]
    marks: tuple[Mark, ...]
    epoch: int

    @classmethod
    def of(cls, item: Json) -> "Model":
        """Read it; ``Malformed`` where somebody has spoilt our tags."""
        tags = {str(tag.get("key")): str(tag.get("value", "")) for tag in item.get("tags", ())}
        try:
            aliases = {str(each["alias"]): str(each["version"]) for each in item.get("aliases", ())}
            marks = tuple(Mark(**row) for row in orjson.loads(tags.get(OPERATIONS, "[]")))
            return cls(str(item["name"]), aliases, marks, int(tags.get(EPOCH, "0")))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise Malformed(f"MLflow: {item.get('name')}: cannot be read: {error}") from error

    def mark(self, operation: Operation) -> Mark | None:
        """Return the mark of an operation."""
        return next((mark for mark in self.marks if mark.id == operation.id), None)

    def admit(self, operation: Operation) -> None:
        """Refuse an operation of somebody who has been superseded."""
        if operation.epoch < self.epoch:
            raise Refused(f"{self.name}: epoch {operation.epoch} is below {self.epoch}: somebody newer holds it")


class MlflowRegistry:
    """Implements ``tools.ports.Registry``. ``look`` is called once a tick, for MLflow itself remembers no promotion."""

    answers_rows = False  # what versions say of rows that are handed in: nothing here holds a model

    def __init__(self, api: MlflowApi, fleet: Fleet, clock: Clock, offline: Offline | None = None) -> None:
        self._api, self._clock, self._offline = api, clock, offline
        self._names = tuple(sorted({service.model for service in fleet.services if service.model}))
        self._called = Names(api, fleet)
        self._seen: dict[str, Mapping[str, str]] = {}
        self._changes: list[Change] = []
        self._lock = threading.Lock()

    def model(self, name: str) -> ModelState:
        """Return versions and aliases; ``Absent`` when there is no such model."""
        found = _registered(self._api, name)
        items = sorted(listed(self._api, name), key=lambda item: _order(_version(item)))
        called = {str(item["version"]): name_in(item) for item in items} if name in self._called.models else {}
        if len(set(called.values())) < len(called):
            raise Malformed(f"MLflow: two versions of {name} bear one name")
        versions = (_version(item) for item in items)
        return ModelState(
            model=name,
            versions=tuple(v.model_copy(update={"version": called.get(v.version, v.version)}) for v in versions),
            aliases={alias: called.get(number, number) for alias, number in found.aliases.items()},
        )

    def look(self) -> None:
        """Notice which aliases moved since the last look. Raises ``ToolError``. May be called by several threads."""
        with self._lock:
            for name in self._names:
                self._notice(_registered(self._api, name))

    def _notice(self, found: Model) -> None:
        before, now = self._seen.get(found.name), self._clock.now()
        self._seen[found.name] = found.aliases
        if before is None:
            return
        for alias in sorted(before.keys() | found.aliases.keys()):
            old, new = before.get(alias, ""), found.aliases.get(alias, "")
            if old != new:
                step = self._called.of(found.name, old), self._called.of(found.name, new)
                self._changes.append(_change(found, alias, (old, new), step, now))

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return promotions at or after ``since``, oldest first, that a look noticed; ``at`` is when it did."""
        self.look()
        return tuple(change for change in self._changes if change.at >= since)

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        """Compare by what the job that trained the first wrote; ``Absent`` where nothing is: MLflow scores no rows."""
        if self._offline is None:
            raise Absent(f"{service}: no labelled rows are at hand to score model versions on")
        return self._offline.compare(service, first, second, start, end)

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        """Raise ``Absent``: MLflow keeps models, and answers nothing with them."""
        raise Absent(f"{rows.service}: nothing here answers rows with versions {first} and {second}")


class MlflowActuator:
    """Implements ``tools.ports.Actuator`` for aliases. To be wrapped by the gate before anybody sees it."""

    def __init__(self, api: MlflowApi, fleet: Fleet, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._names = frozenset(service.model for service in fleet.services if service.model)
        self._called = Names(api, fleet)
        # Either side may hold a call for as long as the time limit; after that it is answered or dropped.
        self._settling = timedelta(seconds=2 * api.seconds) + _MARGIN

    @property
    def verbs(self) -> frozenset[str]:
        """Pointing an alias at a version."""
        return frozenset({"set_alias"})

    def preimage(self, action: Action) -> Preimage:
        """Read where the alias points, and how to point it back."""
        known = self._ours(action)
        before = self._called.of(known.model, _registered(self._api, known.model).aliases.get(known.alias, ""))
        inverse = known.model_copy(update={"version": before}) if before else None
        return Preimage(state={known.alias: before}, inverse=inverse)

    def rehearse(self, action: Action) -> str:
        """Check that model and version are there: MLflow has no dry run."""
        known = self._ours(action)
        self._check(known)
        before = self._called.of(known.model, _registered(self._api, known.model).aliases.get(known.alias, ""))
        before = before or "nothing"
        return f"{known.alias} of {known.model} would point at {known.version}, not {before}"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Announce it, do it, tick it off; an operation that was seen to be done is answered from its mark."""
        known = self._ours(action)
        found = _registered(self._api, known.model)
        mark = found.mark(operation)
        if mark is not None and mark.done:
            return self._receipt(known.model, mark)
        number = self._number(known, operation, found)
        return self._do(known.model_copy(update={"version": number}), operation, found)

    def admitted(self, action: Action, operation: Operation) -> None:
        """Refuse what ``apply`` would refuse, and do nothing."""
        known = self._ours(action)
        self._number(known, operation, _registered(self._api, known.model))

    def _number(self, action: SetAlias, operation: Operation, found: Model) -> str:
        """Return the number of the version that the alias shall point at; ``Refused`` where it may not."""
        found.admit(operation)
        before = self._called.of(action.model, found.aliases.get(action.alias, ""))
        if changed := operation.unmet({action.alias: before}):
            raise Refused(f"{action.model}: {changed}")
        return self._check(action)

    def _do(self, action: SetAlias, operation: Operation, found: Model) -> Receipt:
        before, at = found.aliases.get(action.alias, ""), self._clock.now().isoformat()
        mark = Mark(operation.id, operation.epoch, at, action.alias, before, action.version)
        self._write(found, mark)
        again = _registered(self._api, action.model)  # somebody may have announced something of theirs meanwhile
        again.admit(operation)
        if again.mark(operation) != mark or again.aliases.get(action.alias, "") != before:
            raise Transient(f"{action.model}: somebody else writes to it at the same time")
        body = {"name": action.model, "alias": action.alias, "version": action.version}
        self._api.post("registered-models/alias", body)
        done = replace(mark, done=True)
        self._write(_registered(self._api, action.model), done)
        return self._receipt(action.model, done)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what tag and alias tell of an operation; ``Transient`` while a call of it may be on its way."""
        known = self._ours(action)
        return self._judged(_registered(self._api, known.model), operation)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Raise the epoch in the tag, and wait until no call can be on its way any more."""
        known = self._ours(action)
        found = _registered(self._api, known.model)
        found.admit(operation)
        if operation.epoch > found.epoch:
            self._tag(found.name, EPOCH, str(operation.epoch))
        return self._judged(found, operation)

    def _judged(self, found: Model, operation: Operation) -> Receipt | None:
        mark = found.mark(operation)
        if mark is None:
            if len(found.marks) >= KEPT and operation.epoch < found.marks[0].epoch:
                raise Malformed(f"operation {operation.id} is older than what is remembered")
            return None  # nothing is done that was not announced
        if mark.done or found.aliases.get(mark.alias, "") == mark.version:
            return self._receipt(found.name, mark)
        left = datetime.fromisoformat(mark.at) + self._settling - self._clock.now()
        if left > timedelta():
            raise Transient(f"operation {operation.id} was announced and may be on its way", left)
        return None

    def _write(self, found: Model, mark: Mark) -> None:
        """Write a mark, and the epoch with it, before anything is done under it."""
        if mark.epoch > found.epoch:
            self._tag(found.name, EPOCH, str(mark.epoch))
        others = [each for each in found.marks if each.id != mark.id]
        rows = [asdict(each) for each in [*others, mark][-KEPT:]]
        self._tag(found.name, OPERATIONS, orjson.dumps(rows).decode())

    def _tag(self, name: str, key: str, value: str) -> None:
        self._api.post("registered-models/set-tag", {"name": name, "key": key, "value": value})

    def _receipt(self, model: str, mark: Mark) -> Receipt:
        at, version = datetime.fromisoformat(mark.at), self._called.of(model, mark.version)
        return Receipt(operation=mark.id, state="done", at=at, observed={mark.alias: version})

    def _check(self, action: SetAlias) -> str:
        """Return the number of the version; ``Refused`` where there is none."""
        number = self._called.number(action.model, action.version)
        try:
            self._api.get("model-versions/get", name=action.model, version=number)
            return number
        except Absent as error:
            raise Refused(f"model {action.model} has no version {action.version}") from error

    def _ours(self, action: Action) -> SetAlias:
        if not isinstance(action, SetAlias):
            raise Refused(f"MLflow does not {action.verb}")
        if action.model not in self._names:
            raise Refused(f"no service of the fleet uses model {action.model}")
        return action


def _registered(api: MlflowApi, name: str) -> Model:
    item = api.get("registered-models/get", name=name).get("registered_model")
    if not isinstance(item, dict):
        raise Malformed(f"MLflow: no registered model in the answer for {name}")
    return Model.of(item)


def _version(item: Mapping[str, Any]) -> ModelVersion:
    try:
        created = datetime.fromtimestamp(int(item["creation_timestamp"]) / 1000, UTC)
        tags = {str(tag["key"]): str(tag["value"]) for tag in item.get("tags", ())}
        return ModelVersion(
            model=str(item["name"]),
            version=str(item["version"]),
            created_at=created,
            digest=tags.get("digest", ""),
            lineage=str(item.get("description") or item.get("run_id") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"MLflow: a model version cannot be read: {error}") from error


def _order(version: ModelVersion) -> tuple[int, datetime]:
    """MLflow numbers versions as they are registered; what a tag or a copy says of their age does not count."""
    return (int(version.version) if version.version.isdigit() else 0, version.created_at)


def _change(found: Model, alias: str, numbers: tuple[str, str], step: tuple[str, str], now: datetime) -> Change:
    """Return a promotion by the names of both versions; ours where a mark of ours says so, which holds numbers."""
    ours = any((mark.alias, mark.before, mark.version) == (alias, *numbers) for mark in found.marks)
    return Change(
        id=f"{found.name}/{alias}/{step[1]}@{now.isoformat()}",
        at=now,
        kind="promotion",
        entity=f"model/{found.name}",
        actor=US if ours else "",
        before=step[0],
        after=step[1],
        text=f"alias {alias} of {found.name}: {step[0] or 'nothing'} > {step[1] or 'nothing'}",
    )
