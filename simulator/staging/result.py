"""What came of a drill in a real cluster: healed or not, by whom, how soon it was seen and called by its name. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from agent.casebook import Case
from config.frozen import Frozen
from simulator.staging.edits import Json, standing
from simulator.staging.faults import FAULTS
from simulator.staging.mark import Mark
from tools.journal import Entry
from tools.live.kube_stamp import Stamps

Healer = Literal["prunella", "others", "the reverter", "nobody"]


class DrillResult(Frozen):
    """One drill, scored. Healed: before its time was over, by Prunella or the cluster itself, and it lasted."""

    operation: str
    fault: str
    service: str
    healed: bool
    by: Healer
    heal_s: float | None = None
    detected: bool = False
    detect_s: float | None = None
    causes: tuple[str, ...] = ()
    named: bool | None = None  # the first cause is among the true ones; None: not scored
    collateral: tuple[str, ...] = ()  # other services that broke an objective meanwhile
    taken_back: str = ""
    text: str = ""

    def words(self) -> str:
        """Return the result in one line."""
        end = f"healed by {self.by} after {self.heal_s:.0f} s" if self.healed else f"not healed; ended by {self.by}"
        seen = f"noticed after {self.detect_s:.0f} s" if self.detect_s is not None else "not noticed"
        cause = f" as {self.causes[0]}" if self.causes else ""
        harm = f"; COLLATERAL: {', '.join(self.collateral)}" if self.collateral else ""
        return f"{self.fault} on {self.service}: {seen}{cause}, {end}{harm}{'; ' if self.text else ''}{self.text}"


def healer(item: Json, mark: Mark) -> Healer:
    """Return who made the faulty fields different: Prunella leaves stamps on what she changes."""
    if any(stamp.at >= mark.at for stamp in Stamps.of(item).marks):
        return "prunella"
    return "others"


def gone(item: Json, mark: Mark) -> bool:
    """Whether nothing of the fault stands any more."""
    return not standing(item, mark.edits)


def first_causes(diagnoses: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    """Return the causes that were named first in every incident: what is only right at the second try was wrong."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in diagnoses:
        found.setdefault(entry.subject, tuple(each["fault"] for each in entry.body["hypotheses"]))
    return found


def noticed(cases: Iterable[Case], named: Mapping[str, tuple[str, ...]], service: str, mark: Mark) -> dict[str, Any]:
    """Return what the running daemon made of it, by her journal; ``named``: causes by incident."""
    mine = [c for c in cases if c.incident.service == service and c.incident.at >= mark.at]
    if not mine:
        return {"detected": False}
    first = min(mine, key=lambda case: case.incident.at)
    causes = tuple(cause for case in mine for cause in named.get(case.incident.id, ()))
    true = FAULTS[mark.fault].causes
    return {
        "detected": True,
        "detect_s": round((first.incident.at - mark.at).total_seconds(), 1),
        "causes": tuple(dict.fromkeys(causes)),
        "named": bool(causes and causes[0] in true) if true else None,
    }


def harmed(before: Mapping[str, str], after: Mapping[str, str], patient: str) -> tuple[str, ...]:
    """Return the other services whose objectives held before and are broken now."""
    return tuple(s for s in sorted(before) if s != patient and before[s] == "holds" and after.get(s) == "broken")


def since(mark: Mark, at: datetime) -> float:
    """Return seconds since the fault was put in."""
    return round((at - mark.at).total_seconds(), 1)
