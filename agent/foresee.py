"""How many replicas the coming hours need: by what is usual then, and by the proof that so many carry it."""

from dataclasses import dataclass

from agent.capacity import ready_of, use_of, wanted_of
from agent.headroom import MOST_USED, headroom
from agent.observe import Scene
from config.fleet import Service

NOT_NEEDED, NEEDED_SOON = "not_needed_for_hours", "needed_soon"
EASY = 0.5  # of the capacity: so little needs no proof to stay as it is


@dataclass(frozen=True, slots=True)
class Need:
    """A number of replicas that is better than the present one, and the arithmetic."""

    service: str
    before: int
    after: int
    text: str

    @property
    def fault(self) -> str:
        """What it is a remedy for, in one word."""
        return NOT_NEEDED if self.after < self.before else NEEDED_SOON


def spare(scene: Scene, service: Service, growth: float) -> Need | None:
    """Return one replica less, where what remains is proven to carry ``growth`` times the load of now; else None."""
    seen = scene.observation
    before, use = wanted_of(seen, service.name), use_of(seen, service)
    if use is None or ready_of(seen, service.name) != before or before <= max(service.min_replicas, 1):
        return None
    if use * growth * before / (before - 1) > MOST_USED:
        return None  # no proof is made for what cannot be proven
    shown = headroom(scene, service, before - 1, growth=growth)
    return Need(service.name, before, before - 1, _told(growth, shown.text)) if shown.proven else None


def shortage(scene: Scene, service: Service, most: int, growth: float) -> Need | None:
    """Return the least number of replicas, up to ``most``, that carries what is to come, where the present one is too
    small; of none that is proven, ``most``.
    """
    seen = scene.observation
    before, use = wanted_of(seen, service.name), use_of(seen, service)
    if use is None or before >= most or ready_of(seen, service.name) < before or use * growth <= EASY:
        return None
    now = headroom(scene, service, before, growth=growth)
    if now.proven or now.early:
        return None
    enough = (n for n in range(before + 1, most) if headroom(scene, service, n, growth=growth).proven)
    return Need(service.name, before, next(enough, most), _told(growth, now.text))


def _told(growth: float, text: str) -> str:
    return f"up to {growth:.2f} times the load of now is usual in the hours to come; {text}"
