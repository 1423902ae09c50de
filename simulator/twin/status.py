"""Refusals as an API server words them."""

from simulator.twin.objects import Json


class StatusError(Exception):
    """A refusal in Kubernetes' words."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    def body(self) -> Json:
        """Return the Status object."""
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {**head, "message": str(self), "reason": self.reason, "code": self.code}
