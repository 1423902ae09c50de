"""How journal entries are written and linked: canonical JSON, and a hash over it and everything before."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64  # what the first entry is linked to


def canonical(body: Mapping[str, Any]) -> str:
    """Return ``body`` as JSON of one spelling; ``ValueError`` where it is not JSON (NaN, foreign objects)."""
    try:
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except TypeError as error:
        raise ValueError(f"a journal body must be JSON: {error}") from None


def stamp(at: datetime) -> str:
    """Return an instant as ISO text in UTC; ``ValueError`` for one without a time zone."""
    if at.tzinfo is None:
        raise ValueError(f"instant {at.isoformat()} has no time zone")
    return at.astimezone(UTC).isoformat()


def link(previous: str, *fields: str) -> str:
    """Return the hash of an entry: over the hash before it, and its own fields (seq, at, subject, kind, body)."""
    return hashlib.sha256(json.dumps([previous, *fields]).encode()).hexdigest()
