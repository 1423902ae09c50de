"""A model registry and a traffic splitter on the pretend server: the verbs that Kubernetes itself does not have."""

import json
from datetime import timedelta
from typing import Any

from tests.torture.cluster import Api
from tests.torture.fate import Clock
from tools.action import Action, ConvertInputs, Operation, Preimage, Receipt, SetAlias, SetSplit, TrainModel
from tools.errors import Refused, Transient
from tools.live.kube_api import Conflict, Json
from tools.live.kube_stamp import Mark, Stamps

TRAINING = timedelta(minutes=2)


def path_of(action: Action) -> str:
    """Return the object that a verb writes."""
    match action:
        case SetAlias():
            return f"/models/{action.model}"
        case SetSplit():
            return f"/splits/{action.service}"
        case TrainModel() | ConvertInputs():
            return f"/trainings/{action.model}"
        case _:
            raise Refused(f"no registry does {action.verb}")


class Models:
    """Implements ``Actuator`` for aliases, splits and trainings, by one guarded patch each."""

    verbs = frozenset({"set_alias", "set_split", "train_model", "convert_inputs"})

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock

    def preimage(self, action: Action) -> Preimage:
        """Read the value and how to put it back."""
        state = _state(action, self._api.get(path_of(action)))
        match action:
            case SetAlias():
                return Preimage(state=state, inverse=action.model_copy(update={"version": state["value"]}))
            case SetSplit():
                return Preimage(state=state, inverse=action.model_copy(update={"weights": json.loads(state["value"])}))
            case _:
                return Preimage(state=state)

    def rehearse(self, action: Action) -> str:
        """Say what would happen."""
        return f"would {action.verb}"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it once."""
        for _ in range(5):
            item = self._api.get(path_of(action))
            stamps = Stamps.of(item)
            if (mark := stamps.find(operation)) is not None:
                return self._receipt(action, mark)
            stamps.admit(operation, action.verb)
            if changed := operation.unmet(_state(action, item)):
                raise Refused(changed)
            after = stamps.after(operation, self._clock.now())
            metadata = {"resourceVersion": item["metadata"]["resourceVersion"], "annotations": after.notes()}
            try:
                self._api.patch(path_of(action), {"metadata": metadata, "spec": {"value": _value(action)}}, "merge")
            except Conflict:
                continue
            return self._receipt(action, after.marks[-1])
        raise Transient("others keep changing it")

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Give the object a new version, and the higher epoch."""
        for _ in range(5):
            item = self._api.get(path_of(action))
            stamps = Stamps.of(item)
            stamps.admit(operation, action.verb)
            notes = stamps.fenced(operation, self._clock.now())
            metadata = {"resourceVersion": item["metadata"]["resourceVersion"], "annotations": notes}
            try:
                self._api.patch(path_of(action), {"metadata": metadata}, "merge")
            except Conflict:
                continue
            mark = stamps.find(operation)
            return None if mark is None else self._receipt(action, mark)
        raise Transient("others keep changing it")

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what is remembered."""
        mark = Stamps.of(self._api.get(path_of(action))).find(operation)
        return None if mark is None else self._receipt(action, mark)

    def _receipt(self, action: Action, mark: Mark) -> Receipt:
        busy = isinstance(action, TrainModel) and self._clock.now() < mark.at + TRAINING
        observed = {} if isinstance(action, TrainModel | ConvertInputs) else {"value": _value(action)}
        return Receipt(operation=mark.id, state="running" if busy else "done", at=mark.at, observed=observed)


def _state(action: Action, item: Json) -> dict[str, str]:
    return {} if isinstance(action, TrainModel | ConvertInputs) else {"value": item["spec"]["value"]}


def _value(action: Action) -> Any:
    match action:
        case SetAlias():
            return action.version
        case SetSplit():
            return json.dumps(action.weights, sort_keys=True)
        case TrainModel() | ConvertInputs():
            return action.version
        case _:
            raise AssertionError(action)
