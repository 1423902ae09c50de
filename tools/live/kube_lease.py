"""Leases of targets as ``coordination.k8s.io`` Lease objects: one per target, in the target's own namespace.

The lease of a node lies in a namespace of Prunella's own, since nodes belong to none. A lease is let go, never deleted:
its record is what makes the next epoch higher than every earlier one, whichever journal it comes from.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from config.fleet import Fleet, ServiceKind
from tools.errors import Absent, Malformed
from tools.lease import Hold
from tools.live.kube_api import Conflict, Json, KubeApi, annotations
from tools.live.kube_shape import instant

GROUP = "coordination.k8s.io"
EPOCH, RUN, LAST = "prunella.dev/epoch", "prunella.dev/run", "prunella.dev/last-holder"
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class KubernetesLeases:
    """Implements ``tools.lease.TargetLeases``. ``namespace`` is where leases of what has no namespace lie."""

    api: KubeApi
    fleet: Fleet
    namespace: str

    def read(self, target: str) -> Hold | None:
        """Return the last hold on a target; ``Malformed`` where the Lease is none of ours or has been spoilt."""
        try:
            item = self.api.get(f"{self._where(target)}/{lease_name(target)}")
        except Absent:
            return None
        return _hold(item)

    def write(self, target: str, hold: Hold) -> bool:
        """Create or replace the Lease as it was read; the API server judges which of two was quicker."""
        item = self._item(target, hold)
        try:
            if hold.version:
                self.api.put(f"{self._where(target)}/{lease_name(target)}", item)
            else:
                self.api.post(self._where(target), item)
        except Conflict:
            return False
        return True

    def _where(self, target: str) -> str:
        return f"/apis/{self.api.group(GROUP)}/namespaces/{self._namespace(target)}/leases"

    def _namespace(self, target: str) -> str:
        services = {f"service/{s.name}": s for s in self.fleet.services if s.kind is not ServiceKind.VENDOR}
        return services[target].namespace if target in services else self.namespace

    def _item(self, target: str, hold: Hold) -> Json:
        notes = {EPOCH: str(hold.epoch), RUN: hold.run, LAST: hold.owner}
        metadata: Json = {"name": lease_name(target), "namespace": self._namespace(target), "annotations": notes}
        spec: Json = {"renewTime": _micro(hold.at), "leaseTransitions": hold.epoch}
        if hold.until > hold.at:
            seconds = round((hold.until - hold.at).total_seconds())
            spec |= {"holderIdentity": hold.owner, "leaseDurationSeconds": max(seconds, 1)}
        version = {"resourceVersion": hold.version} if hold.version else {}
        return {"apiVersion": self.api.group(GROUP), "kind": "Lease", "metadata": {**metadata, **version}, "spec": spec}


def lease_name(target: str) -> str:
    """Return an object name that tells targets apart, e.g. ``prunella-service-chat``."""
    plain = f"prunella-{target.replace('/', '-')}"
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", plain) and len(plain) <= _LONGEST:
        return plain
    digest = hashlib.sha256(target.encode()).hexdigest()[:10]
    return f"{re.sub(r'[^a-z0-9]+', '-', plain.lower())[: _LONGEST - 11].strip('-')}-{digest}"


def _hold(item: Json) -> Hold:
    notes, spec, metadata = annotations(item), item.get("spec") or {}, item["metadata"]
    try:
        at = instant(spec["renewTime"])
        held = timedelta(seconds=int(spec["leaseDurationSeconds"])) if spec.get("holderIdentity") else timedelta()
        version = str(metadata["resourceVersion"])
        return Hold(notes[LAST], int(notes[EPOCH]), notes[RUN], at, at + held, version)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(f"Lease {metadata['name']} cannot be read as one of Prunella's: {error!r}") from error


def _micro(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
