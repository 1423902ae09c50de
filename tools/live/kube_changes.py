"""Who changed what in a cluster, told from the objects' own records: ReplicaSets, managed fields, events. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tools.change import Change
from tools.live.kube_api import Json, annotations
from tools.live.kube_shape import CAUSE, Workload, instant, numbers

_QUIET = timedelta(minutes=10)  # a rollout moves several ReplicaSets within this; a scaling moves one
_SCALED = re.compile(r"^Scaled (?:up|down) replica set (\S+) to (\d+)(?: from (\d+))?")
_RESCALED = re.compile(r"^New size: (\d+)")
_MOVED = ("Preempted", "Evicted", "TaintManagerEviction")
_CLIENTS = re.compile(r"^(kubectl|python-requests|OpenAPI-Generator|curl)\b")


def releases(found: Workload) -> Iterator[Change]:
    """Yield every rollout whose instant is still known: those of new templates, and the last one even if a rollback.

    The first release of all is none: nothing was changed by it.
    """
    order = sorted((n, i) for i, rs in enumerate(found.sets) for n in numbers(rs))
    for place, (number, index) in enumerate(order):
        if place == 0:
            continue
        rs = found.sets[index]
        first, last = number == numbers(rs)[0], place == len(order) - 1
        if not first and not last:
            continue
        writer, wrote_at = _writer(found.item, "f:spec", "f:template")
        yield Change(
            id=f"release/{found.service.name}/{found.item['metadata']['uid']}/{number}",
            at=instant(rs["metadata"]["creationTimestamp"]) if first or wrote_at is None else wrote_at,
            kind="release",
            entity=f"service/{found.service.name}",
            actor=writer if last else "",
            before=str(numbers(found.sets[order[place - 1][1]])[0]),
            after=str(numbers(rs)[0]),
            text=annotations(rs).get(CAUSE, "")[:200],
        )


def scalings(found: Workload, events: Iterable[Json]) -> Iterator[Change]:
    """Yield changes of the number of replicas: scaling events that are no part of a rollout."""
    mine = [e for e in events if _about(e, "Deployment", found.item) and e.get("reason") == "ScalingReplicaSet"]
    steps = [(_at(e), match, e) for e in mine if (match := _SCALED.match(e.get("message") or ""))]
    born = {rs["metadata"]["name"]: instant(rs["metadata"]["creationTimestamp"]) for rs in found.sets}
    writer, _ = _writer(found.item, "f:spec", "f:replicas")
    for at, match, event in steps:
        others = any(m[1] != match[1] and abs(then - at) < _QUIET for then, m, _ in steps)
        fresh = match[1] in born and at - born[match[1]] < timedelta(seconds=5)
        if others or fresh:
            continue
        yield Change(
            id=f"scale/{found.service.name}/{event['metadata']['uid']}",
            at=at,
            kind="scale",
            entity=f"service/{found.service.name}",
            actor=writer,
            before=match[3] or "",
            after=match[2],
            text=(event.get("message") or "")[:200],
        )


def moved(found: Workload, events: Iterable[Json]) -> Iterator[Change]:
    """Yield replicas that something other than their own controller drove out."""
    names = tuple(f"{rs['metadata']['name']}-" for rs in found.sets)
    for event in events:
        about = event["involvedObject"]
        if event.get("reason") in _MOVED and about.get("kind") == "Pod" and about.get("name", "").startswith(names):
            yield Change(
                id=f"other/{found.service.name}/{event['metadata']['uid']}",
                at=_at(event),
                kind="other",
                entity=f"service/{found.service.name}",
                actor=str((event.get("source") or {}).get("component") or event.get("reportingComponent") or ""),
                before=about["name"],
                after="",
                text=(event.get("message") or "")[:200],
            )


def cordons(nodes: Iterable[Json]) -> Iterator[Change]:
    """Yield nodes that stand cordoned, as of when that was written."""
    for item in nodes:
        writer, at = _writer(item, "f:spec", "f:unschedulable")
        if item["spec"].get("unschedulable") and at is not None:
            yield Change(
                id=f"node/{item['metadata']['uid']}/{at.isoformat()}",
                at=at,
                kind="node",
                entity=f"node/{item['metadata']['name']}",
                actor=writer,
                before="true",
                after="false",
                text="cordoned",
            )


def _about(event: Json, kind: str, item: Json) -> bool:
    return bool(
        event["involvedObject"].get("kind") == kind and event["involvedObject"].get("uid") == item["metadata"]["uid"]
    )


def _at(event: Json) -> datetime:
    series: dict[str, Any] = event.get("series") or {}
    return instant(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )


def _writer(item: Json, *path: str) -> tuple[str, datetime | None]:
    """Return who wrote a field last and when, by the server's own record; ("", None) where it keeps none."""
    entries = [entry for entry in item["metadata"].get("managedFields") or () if _owns(entry, path)]
    if not entries:
        return "", None
    last = max(entries, key=lambda entry: str(entry.get("time") or ""))
    name = str(last.get("manager", ""))
    return _CLIENTS.sub(r"a person with \1", name), instant(last["time"]) if last.get("time") else None


def _owns(entry: Json, path: tuple[str, ...]) -> bool:
    fields: Any = entry.get("fieldsV1") or {}
    for name in path:
        if not isinstance(fields, dict) or name not in fields:
            return False
        fields = fields[name]
    return True
