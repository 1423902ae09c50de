"""Promotion where two versions stand side by side: traffic goes home, then the alias ``champion`` moves.

Whoever makes a version the champion means that all are served by it. Where one backend follows ``champion`` and one
``candidate``, the route is first given back to the champion's backend, and then the alias moved: its servers, which
scale and are watched as the service's own, load the version that the candidate's have shown to be well. In between,
which lasts until they have loaded it, users are answered by the champion of before. The other order would leave traffic
at the candidate's backend after a crash, where the next candidate would be loaded under it.
"""

from config.fleet import Fleet
from tools.action import Action, Operation, Preimage, Receipt, SetAlias, SetSplit
from tools.live.kube_routes import CHAMPION, RouteActuator
from tools.live.mlflow import MlflowActuator


class PromotingActuator:
    """Implements ``tools.ports.Actuator`` for aliases. Of a service with one backend the alias is moved, no more."""

    def __init__(self, aliases: MlflowActuator, traffic: RouteActuator, fleet: Fleet) -> None:
        self._aliases, self._traffic, self._routes = aliases, traffic, traffic.routes
        self._beside = {service.name for service in fleet.services if service.versions is not None}

    @property
    def verbs(self) -> frozenset[str]:
        """Pointing an alias at a version."""
        return self._aliases.verbs

    def preimage(self, action: Action) -> Preimage:
        """Read where the alias points, and how to point it back."""
        return self._aliases.preimage(action)

    def rehearse(self, action: Action) -> str:
        """Check that the version is there, and have the API server judge how traffic would go home."""
        said, home = self._aliases.rehearse(action), self._home(action)
        return said if home is None else f"{said}; {self._traffic.rehearse(home)}"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Send traffic home where it is not, then move the alias; each once, and refused before either is begun."""
        known = self._aliases.lookup(action, operation)
        home = None if known is not None else self._home(action)
        if home is not None:
            self._aliases.admitted(action, operation)
            first = operation.model_copy(update={"id": f"{operation.id}-home", "expects": None})
            self._traffic.apply(home, first)
        return self._aliases.apply(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what is known of the alias: traffic that went home before it is as it should be, whatever follows."""
        return self._aliases.lookup(action, operation)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """See that no earlier call of the alias can still take effect."""
        return self._aliases.fence(action, operation)

    def _home(self, action: Action) -> SetSplit | None:
        """Return how all traffic goes to the champion's backend; None where it is there, or there is only one."""
        if not isinstance(action, SetAlias) or action.alias != CHAMPION or action.service not in self._beside:
            return None
        if not self._routes.candidate_share(action.service):
            return None
        return SetSplit(service=action.service, weights={self._routes.champion(action.service): 100})
