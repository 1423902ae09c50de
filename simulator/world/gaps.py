"""Which metrics nobody scrapes, where a scenario leaves that to chance."""

from config.fleet import Service
from simulator.world.streams import Streams
from tools.catalogue import SIGNALS
from tools.marks import MARKS
from tools.signal import metric_names

MISSING = 3  # metrics, of those that are read about a service


def read_about(service: Service) -> tuple[str, ...]:
    """Return the raw metrics that are read about a service, but for those of its objectives, in order of name.

    Marks count, for any of them may be the one that tells a cause.
    """
    mine = [spec for spec in SIGNALS if service.kind in spec.kinds]
    needed = {each.signal for each in service.objectives}
    promised = {name for spec in mine if spec.name in needed for name in metric_names(spec)}
    return tuple(sorted({name for spec in (*mine, *(m.spec for m in MARKS)) for name in metric_names(spec)} - promised))


def missing(service: Service, streams: Streams, known: frozenset[str]) -> frozenset[str]:
    """Return the metrics of a service that are missing in this run; ``known``: those that anybody writes."""
    names = [name for name in read_about(service) if name in known]
    return frozenset(names[place] for place in streams.named("gaps").permutation(len(names))[:MISSING])
