"""Puts faults in and takes them back over the Kubernetes API. Every write is one guarded patch that bears its mark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from config.servers import ClusterSettings
from simulator.staging.edits import Edit, Json, as_stored, doing, value_at
from simulator.staging.mark import Mark, guarded, mark_of, noted, only_while_ready, ready_for, taking_back
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError
from tools.live.kube_api import Conflict, KubeApi, owner

T = TypeVar("T")
DRILLER = "prunella-drill"  # as the API server's record of who wrote which field says it
_TRIES = 8  # when somebody else writes to the same object at the same time


@dataclass(frozen=True, slots=True)
class Place:
    """A Deployment, by where it lies."""

    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Of the object at the API server."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"


class Hands:
    """Reads, marks, hurts and mends Deployments. One for a process."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.api = KubeApi(settings, DRILLER)

    def now(self) -> datetime:
        """Return the API server's time: driller and reverter go by one clock."""
        try:
            return parsedate_to_datetime(self.api.server_time()).astimezone(UTC)
        except ValueError as error:
            raise Malformed(f"Kubernetes tells no time: {error}") from error

    def read(self, place: Place) -> Json:
        """Return the Deployment."""
        return self.api.get(place.path)

    def rehearsed(self, place: Place, item: Json, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Have the API server judge the edits without making them; returns them as it would store them."""
        if not edits:
            return ()
        answer = self.api.patch(place.path, [*guarded(item), *doing(edits)], "json", dry_run=True)
        return as_stored(answer, edits)

    # -- the reverter's side ---------------------------------------------------------------------------------------
    def stand_ready(self, place: Place, operation: str) -> None:
        """Say on the object that somebody will take this drill back; ``Refused`` while another one has it."""

        def attempt() -> None:
            item = self.read(place)
            if mark_of(item) is not None or ready_for(item) == operation:
                return
            if ready_for(item):
                raise Absent(f"{place.name}: a reverter stands ready for {ready_for(item)}: one fault at a time")
            self.api.patch(place.path, [*guarded(item), *noted(item, ready=operation)], "json")

        self._insist(attempt)

    def stand_down(self, place: Place, operation: str) -> bool:
        """Stop standing ready: no late fault of that drill gets through then. False: it has been put in meanwhile."""

        def attempt() -> bool:
            item = self.read(place)
            if _ours(mark_of(item), operation):
                return False
            if ready_for(item) == operation:
                self.api.patch(place.path, [*guarded(item), *noted(item, ready=None)], "json")
            return True

        return self._insist(attempt)

    def take_back(self, place: Place, operation: str) -> str:
        """Take a drill back, as far as it still stands; returns what was done in words, empty where nothing was."""

        def attempt() -> str:
            item = self.read(place)
            mark = mark_of(item)
            if mark is None or not _ours(mark, operation):
                return ""
            patch, words = taking_back(item, mark)
            self.api.patch(place.path, patch, "json")
            return words

        return self._insist(attempt)

    # -- the driller's side ----------------------------------------------------------------------------------------
    def put_in(self, place: Place, mark: Mark) -> None:
        """Put a fault in, with its mark; the API server lets it through only while the reverter stands ready."""

        def attempt() -> None:
            item = self.read(place)
            if _ours(mark_of(item), mark.operation):
                return  # the reply was lost, and it had happened
            if any(value_at(item, edit.path) != edit.before for edit in mark.edits):
                raise Refused(f"{place.name} was changed since this was planned: plan it anew")
            body = [*only_while_ready(mark.operation), *guarded(item), *noted(item, mark=mark.model_dump_json())]
            self.api.patch(place.path, [*body, *doing(mark.edits)], "json")

        self._insist(attempt, retried=(Conflict, Ambiguous))

    def evict_one(self, place: Place) -> str:
        """Drive one ready replica out, within its disruption budget; returns its name."""
        uid = self.read(place)["metadata"]["uid"]
        sets = self.api.items(f"/apis/apps/v1/namespaces/{place.namespace}/replicasets")
        uids = {rs["metadata"]["uid"] for rs in sets if owner(rs).get("uid") == uid}
        pods = self.api.items(f"/api/v1/namespaces/{place.namespace}/pods")
        names = sorted(p["metadata"]["name"] for p in pods if owner(p).get("uid") in uids)
        if not names:
            raise Absent(f"{place.name} has no replica")
        for found in self.api.discover("/api/v1")["resources"]:
            if found["name"] == "pods/eviction":
                version = f"{found.get('group', 'policy')}/{found.get('version', 'v1')}"
                metadata = {"name": names[0], "namespace": place.namespace}
                body = {"apiVersion": version, "kind": "Eviction", "metadata": metadata}
                self.api.post(f"/api/v1/namespaces/{place.namespace}/pods/{names[0]}/eviction", body)
                return str(names[0])
        raise Absent("Kubernetes: this API server knows no evictions")

    @staticmethod
    def _insist(attempt: Callable[[], T], retried: tuple[type[ToolError], ...] = (Refused, Ambiguous)) -> T:
        """Read, judge and write again while somebody else's writes come between, or a reply was lost."""
        for _ in range(_TRIES):
            try:
                return attempt()
            except retried as error:
                last = error
        raise last


def _ours(mark: Mark | None, operation: str) -> bool:
    return mark is not None and mark.operation == operation
