"""Numbers as pictures and words: values with their unit, sparklines, bars, ages."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tools.action import (
    Action,
    ConvertInputs,
    EvictReplica,
    RestoreRevision,
    SetAlias,
    SetReplicas,
    SetSchedulable,
    SetSplit,
    TrainModel,
)

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, ceiling: float = 0.0) -> str:
    """Return the last ``width`` values as blocks, from 0 to their maximum or ``ceiling``; a dot is NO DATA."""
    recent = values[-width:]
    top = max([ceiling, *(value for value in recent if value is not None)], default=0.0)
    return "".join(_block(value, top) for value in recent).rjust(width)


def _block(value: float | None, top: float) -> str:
    if value is None:
        return "·"
    share = value / top if top > 0 else 0.0
    return _BLOCKS[min(len(_BLOCKS) - 1, max(0, int(share * len(_BLOCKS))))]


def bar(share: float, width: int) -> str:
    """Return a share of 0..1 as a bar."""
    full = round(max(0.0, min(1.0, share)) * width)
    return "█" * full + "░" * (width - full)


def span(length: timedelta) -> str:
    """Return a duration as its two largest units: ``2m05s``, ``3h10m``, ``2d04h``."""
    seconds = max(0, round(length.total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def clock(at: datetime) -> str:
    """Return the time of day."""
    return at.strftime("%H:%M:%S")


def deed(action: Action) -> str:
    """Return an action in words."""
    match action:
        case SetReplicas():
            return f"scale {action.service} to {action.replicas} replicas"
        case RestoreRevision():
            return f"restore revision {action.revision} of {action.service}"
        case EvictReplica():
            return f"evict replica {action.replica} of {action.service}"
        case SetSchedulable():
            return f"{'uncordon' if action.schedulable else 'cordon'} node {action.node}"
        case SetAlias():
            return f"point {action.model}@{action.alias} at version {action.version}"
        case SetSplit():
            parts = ", ".join(f"{name} {weight} %" for name, weight in sorted(action.weights.items()))
            return f"split the traffic of {action.service}: {parts}"
        case TrainModel() | ConvertInputs():
            return _made(action)


def _made(action: TrainModel | ConvertInputs) -> str:
    if isinstance(action, TrainModel):
        return f"train {action.model} {action.version} on {span(action.end_at - action.start_at)} of logged data"
    names = ", ".join(action.inputs)
    return f"make {action.model} {action.version} of {action.of}, reading {names} as they come now"
