"""Features as they were served, beside the same computed anew: does a model see what training would show it?"""

from datetime import datetime, timedelta

from agent.apart import FEW, Apart, apart
from agent.observe import Scene

SETTLED, BESIDE = timedelta(minutes=8), timedelta(minutes=8)  # after a release; of rows before it and after that
NEWEST = timedelta(minutes=3)  # rows that say how they are served now


def compared(scene: Scene, service: str, since: datetime, until: datetime) -> Apart:
    """Compare the rows served in [since, until); ``Absent`` where nothing computes them anew, or too few."""
    return apart(scene.senses.log.recomputed(service, since, until))


def came_with(scene: Scene, service: str, at: datetime) -> bool:
    """Whether rows were served as they are computed anew until a release, and otherwise once it had come in.

    Of a release that is coming in just now, the newest rows are asked.
    """
    before, since = compared(scene, service, at - BESIDE, at), min(at + SETTLED, max(at, scene.now - NEWEST))
    after = compared(scene, service, since, since + BESIDE)
    return before.rows >= FEW and not before.differs and after.differs
