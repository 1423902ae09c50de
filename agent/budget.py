"""The error budget of a service as live readings spend it: whether anything may be done that could spend more."""

from datetime import timedelta

import numpy as np

from agent.observe import Scene
from config.fleet import Service

WINDOWS = ((timedelta(minutes=30), 1.0), (timedelta(minutes=5), 3.0))  # how long, and times the allowed pace at most


def overspent(scene: Scene, service: Service) -> str:
    """Return why the errors of a service leave no room for an act that may cause more; empty: they leave room.

    The pace is the mean share of failed answers over the share that its objective allows: 1 spends the budget exactly
    by the end of its period. Two windows, as in multi-window burn alerts (Google's SRE workbook, chapter 5), and
    stricter: to page somebody a budget must burn, to spend more of it by our own act it must not. NO DATA is no room;
    a service that promises nothing about errors has no budget.
    """
    target = next((each.target for each in service.objectives if each.signal == "error_ratio"), 0.0)
    if target <= 0:
        return ""
    for window, most in WINDOWS:
        errors = _errors(scene, service.name, window)
        if not errors:
            return f"the errors of {service.name} are NO DATA"
        share, minutes = float(np.mean(errors)), window.total_seconds() / 60
        if share > most * target:
            pace = f"{share / target:.1f} times the {target:.2%} that its budget allows > {most:g}"
            return f"{service.name} fails {share:.2%} over {minutes:.0f} minutes, {pace}"
    return ""


def _errors(scene: Scene, name: str, window: timedelta) -> list[float]:
    looked = [seen for seen in scene.history if seen.at > scene.now - window]
    return [value for seen in looked if (value := seen.value("error_ratio", f"service/{name}")) is not None]
