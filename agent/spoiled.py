"""Alarms about what models are shown: no promise is broken by it yet, so it wakes nobody."""

from datetime import datetime

from agent.case import Anomaly
from agent.observe import Observation
from agent.shown import GROSS, LASTING

INPUTS = "inputs"  # name of the signal, and of the detector


def spoiled_inputs(seen: Observation, services: tuple[str, ...], since: dict[str, datetime]) -> list[Anomaly]:
    """Return an alarm for every service that is shown spoiled columns; ``since`` keeps when each began, by name."""
    found = []
    for service in services:
        entity, name = f"service/{service}", f"spoiled/{service}"
        if not (spoiled := seen.spoiled.get(service, ())):
            since.pop(name, None)
            continue
        worst = max(spoiled, key=lambda each: (each.share, each.column))
        shown = min((each.since for each in spoiled if each.since < seen.at.timestamp()), default=seen.at.timestamp())
        onset = since.setdefault(name, datetime.fromtimestamp(shown, seen.at.tzinfo))
        if seen.at - onset >= LASTING:
            alarm = Anomaly(
                at=seen.at,
                onset_at=onset,
                signal=INPUTS,
                entity=entity,
                value=worst.share,
                expected=0.0,
                threshold=GROSS,
                score=1.0 + worst.share,
                detector=INPUTS,
                tier="daily",
                reason=worst.text,
            )
            found.append(alarm)
    return found
