"""Where the daemon says how it is: for the Prometheus that watches it, and for the kubelet that restarts it."""

import re
from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from config.duration import Duration
from config.frozen import Frozen

_LISTEN = re.compile(r"^(?P<host>\[[0-9a-fA-F:.]+\]|[^:\s/]*):(?P<port>[0-9]{1,5})$")


class VitalsSettings(Frozen):
    """``/metrics`` and ``/healthz`` of the daemon itself, read only; they hold counts and names, and no secret."""

    listen: str = Field(
        description="HOST:PORT, e.g. 0.0.0.0:9464 in a pod, 127.0.0.1:9464 on a machine; :9464 is every interface"
    )
    stalled_after: Duration = Field(
        default=timedelta(minutes=15),
        ge=timedelta(minutes=1),
        description="with no tick ended for so long, /healthz answers 503, so that a kubelet restarts the daemon; "
        "longer than the longest step, which may be a training",
    )

    @model_validator(mode="after")
    def _is_an_address(self) -> Self:
        if not _LISTEN.match(self.listen) or self.address[1] > 65535:
            raise ValueError(f"{self.listen[:60]!r} is no HOST:PORT")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host, empty for every interface, and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
