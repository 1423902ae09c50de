"""What the controller really did to the cluster, by the API server's own log: independent of what it says it did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOG = "audit.jsonl"
# Asking what one may do is written as the creation of a review; it changes nothing.
_QUESTIONS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}
# No answer was written; the request ran out of time; its client went away.
_TELLS_NOTHING = {0, 408, 499}


@dataclass(frozen=True, slots=True)
class Write:
    """One request of the controller that changed something or was meant to: `code` is the answer's HTTP status."""

    at: float
    verb: str
    resource: str
    name: str
    code: int
    dry_run: bool
    body: Any


def writes(run_dir: Path) -> list[Write]:
    """All of them so far, oldest first; a resource with its subresource, such as `pods/eviction`."""
    path = run_dir / LOG
    # What follows the last line's end is still being written.
    lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    found = [parse(json.loads(line)) for line in lines]
    return [write for write in found if write.resource not in _QUESTIONS]


def effects(run_dir: Path) -> list[Write]:
    """The writes that took effect on something other than leases: no dry runs, no refusals."""
    return [w for w in writes(run_dir) if not w.dry_run and w.code < 400 and w.resource != "leases"]


def unanswered(run_dir: Path) -> list[Write]:
    """The writes whose answer does not tell what became of them: given up by the client, or cut off in the server."""
    return [w for w in writes(run_dir) if not w.dry_run and (w.code in _TELLS_NOTHING or w.code >= 500)]


def parse(event: dict[str, Any]) -> Write:
    """One event of the audit log."""
    target = event.get("objectRef", {})
    resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
    return Write(
        at=datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        verb=event["verb"],
        resource=resource,
        name=target.get("name", ""),
        code=int(event.get("responseStatus", {}).get("code", 0)),
        dry_run="dryRun" in parse_qs(urlsplit(event["requestURI"]).query),
        body=event.get("requestObject"),
    )
