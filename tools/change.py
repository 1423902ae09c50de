"""Changes: what somebody changed, when, and who owns it."""

from datetime import datetime
from typing import Literal

from config.frozen import Frozen


class Change(Frozen):
    """One change in the cluster, the registry or the configuration. ``text`` is hostile until proven otherwise."""

    id: str
    at: datetime
    kind: Literal["release", "promotion", "config", "scale", "traffic", "node", "other"]
    entity: str  # "service/chat", "model/fraud", "node/n1"
    actor: str  # who did it; "prunella" when it was us
    before: str  # revision, version, replica count ...
    after: str
    text: str = ""
