"""What versions are called: MLflow numbers them as they are registered, and a plan names one before it is there.

So the job that trains a version tags it with the name that the plan gave it (``prunella.version``), and everything in
Prunella speaks of it by that name, from the log of answers to the alias. A version without such a tag is called by its
number. Only models of services whose trainings are configured are asked about.
"""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np

from config.fleet import Fleet
from tools.errors import Absent, Malformed, Refused, ToolError
from tools.live.mlflow_api import Json, MlflowApi
from tools.ports import InferenceLog
from tools.records import InferenceWindow, Recomputed

TAG = "prunella.version"
NAME = re.compile(r"^p-[a-z0-9][a-z0-9-]{0,120}$")  # never a number: nobody can pass one off as another
PAGE = "200"  # versions asked for at once


def name_in(item: Json) -> str:
    """Return the name of a version as MLflow gives it: its tag where that is a name, else its number."""
    try:
        tags = {str(tag["key"]): str(tag["value"]) for tag in item.get("tags", ())}
        number = str(item["version"])
    except (KeyError, TypeError) as error:
        raise Malformed(f"MLflow: a model version cannot be read: {error}") from error
    named = tags.get(TAG, "")
    return named if NAME.match(named) else number


def listed(api: MlflowApi, model: str) -> Iterator[Json]:
    """Yield every version of a model, as MLflow tells it."""
    query = {"filter": f"name='{_quotable(model)}'", "max_results": PAGE}
    while True:
        page = api.get("model-versions/search", **query)
        yield from page.get("model_versions", ())
        if not page.get("next_page_token"):
            return
        query["page_token"] = str(page["next_page_token"])


class Names:
    """Knows the names of versions. May be shared by threads."""

    def __init__(self, api: MlflowApi, fleet: Fleet) -> None:
        self._api = api
        self.models = frozenset(service.model for service in fleet.services if service.training is not None)
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def of(self, model: str, number: str) -> str:
        """Return what the version with a number is called.

        A name stays; that a version has none may change. Where MLflow is away what was known last is taken, and what
        was never known is an error: a wrong name would look like a version that answers nothing.
        """
        key = model, number
        with self._lock:
            known = self._known.get(key)
        if model not in self.models or not number or (known is not None and known != number):
            return known or number
        try:
            item = self._api.get("model-versions/get", name=model, version=number).get("model_version")
            found = name_in(item) if isinstance(item, dict) else number
        except Absent:
            found = number  # a word of the log's own
        except ToolError:
            if known is None:
                raise
            return known
        with self._lock:
            self._known[key] = found
        return found

    def number(self, model: str, name: str) -> str:
        """Return the number of the version that bears a name; ``Refused`` where none does, ``Malformed`` where two."""
        if model not in self.models or not NAME.match(name):
            return name
        found = [str(item["version"]) for item in listed(self._api, model) if name_in(item) == name]
        if not found:
            raise Refused(f"model {model} has no version {name}")
        if len(found) > 1:
            raise Malformed(f"MLflow: versions {', '.join(sorted(found))} of {model} bear one name, {name}")
        return found[0]


class NamedLog:
    """Implements ``tools.ports.InferenceLog`` over a log whose rows bear MLflow's numbers."""

    def __init__(self, log: InferenceLog, names: Names, fleet: Fleet) -> None:
        self._log, self._names = log, names
        self._models = {service.name: service.model for service in fleet.services if service.training is not None}

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        """Return the rows logged in [start, end), each with the name of the version that answered."""
        return self._named(self._log.window(service, start, end, labelled=labelled, features=features))

    def reference(self, service: str) -> InferenceWindow:
        """Return the rows that the champion was accepted on; ``Absent`` when none were kept."""
        return self._log.reference(service)

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        """Return rows logged in [start, end) beside the same computed anew."""
        return self._log.recomputed(service, start, end)

    def _named(self, rows: InferenceWindow) -> InferenceWindow:
        model = self._models.get(rows.service)
        return rows if model is None else replace(rows, version=named(rows.version, model, self._names))


def named(versions: np.typing.NDArray[np.str_], model: str, names: Names) -> np.typing.NDArray[np.str_]:
    """Return names in the place of numbers, (n,)."""
    numbers, place = np.unique(versions, return_inverse=True)
    called = np.array([names.of(model, str(number)) for number in numbers], dtype=np.str_)
    return called[place] if len(numbers) else versions


def _quotable(name: str) -> str:
    if "'" in name or "\\" in name:
        raise Refused(f"model name {name!r} cannot be asked for")
    return name
