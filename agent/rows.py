"""Rows: each service as the console shows it."""

from collections.abc import Sequence

from agent.casebook import ServiceRow
from agent.observe import Observation
from agent.verify import standing
from config.fleet import Service

HEADLINE = 4  # signals of a service that the console shows


def service_row(service: Service, history: Sequence[Observation]) -> ServiceRow:
    """Return one service as of the newest observation, with a line of those before; nothing seen is NO DATA."""
    entity = f"service/{service.name}"
    signals = [objective.signal for objective in service.objectives][:HEADLINE]
    newest = history[-1] if history else None
    values = {name: newest.value(name, entity) if newest else None for name in signals}
    state = standing(newest, service) if newest else "no_data"
    targets = {objective.signal: objective.target for objective in service.objectives}
    ready, wanted = (newest.value(name, entity) if newest else None for name in ("replicas_ready", "replicas"))
    return ServiceRow(
        name=service.name,
        kind=service.kind.value,
        tier=service.tier,
        state={"holds": "ok", "broken": "bad", "no_data": "no_data"}[state],
        ready=None if ready is None else int(ready),
        wanted=None if wanted is None else int(wanted),
        headline=values,
        targets=targets,
        spark=tuple(seen.value(signals[0], entity) for seen in history) if signals else (),
        broken=_broken(service, values),
    )


def _broken(service: Service, values: dict[str, float | None]) -> tuple[str, ...]:
    """Return the signals shown whose objective does not hold."""
    return tuple(
        o.signal
        for o in service.objectives
        if (value := values.get(o.signal)) is not None
        and (value > o.target if o.bound == "below" else value < o.target)
    )
