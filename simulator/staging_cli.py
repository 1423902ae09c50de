"""What ``prunella drill --against CONFIG`` does: shows the plan, or carries an approved one out, or takes all back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from agent.terminal import fail, meant, person, wiring
from simulator.drill_cli import write_json

if TYPE_CHECKING:
    from config.settings import Settings
    from simulator.staging.drill import Staging
    from simulator.staging.plan import DrillPlan


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for."""

    config: Path
    ids: Sequence[str]
    service: str
    lasts: timedelta
    approve: str
    by: str
    revert: bool
    listing: bool
    as_json: str | None


def at_large(asked: Asked) -> bool:
    """Do it; True when all went well: what was to be healed was, by somebody other than the reverter."""
    from simulator.staging.faults import FAULTS

    if asked.listing:
        rows = {name: fault.about for name, fault in FAULTS.items()}
        write_json(rows, asked.as_json) if asked.as_json else typer.echo(_table(rows))
        return True
    staging = opened(asked.config)
    if asked.revert:
        done = staging.take_all_back()
        typer.echo("\n".join(done) or "no drill stands there")
        return True
    plan = staging.plan(
        _fault(asked.ids, FAULTS), asked.service or fail("whom does it hurt? Give --service"), asked.lasts
    )
    return _carried_out(staging, plan, asked) if asked.approve else _shown(plan, asked)


def _table(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {about}" for name, about in rows.items())


def _fault(ids: Sequence[str], known: Mapping[str, Any]) -> str:
    if len(ids) != 1:
        fail(f"one fault at a time: give one of {', '.join(known)}")
    if ids[0] not in known:
        fail(f"{ids[0]} cannot be put into a real cluster{meant(ids[0], known)}; there are {', '.join(known)}")
    return ids[0]


def _shown(plan: "DrillPlan", asked: Asked) -> bool:
    if asked.as_json:
        write_json({"digest": plan.digest, **plan.model_dump(mode="json")}, asked.as_json)
        return True
    typer.echo(plan.words())
    typer.echo(f"Nothing was changed. An approver does it with  --approve {plan.digest} --by NAME")
    return True


def _carried_out(staging: "Staging", plan: "DrillPlan", asked: Asked) -> bool:
    if asked.approve != plan.digest:
        fail(f"{asked.approve} approves another plan: this one is {plan.digest}. Look at it first")
    result = staging.carry_out(plan, person(asked.by))
    if asked.as_json:
        write_json(result.model_dump(mode="json"), asked.as_json)
    else:
        typer.echo(result.words())
    return result.healed and not result.collateral


def opened(config: Path) -> "Staging":
    """Return a drill of the cluster that a configuration names; ``Refused`` where it allows none."""
    from config.load import load
    from simulator.staging.consent import consented
    from simulator.staging.drill import Staging
    from simulator.staging.hands import Hands

    settings = load(config)
    drills, cluster = consented(settings), settings.cluster
    if drills.kubeconfig is not None:
        cluster = cluster.model_copy(update={"kubeconfig": drills.kubeconfig})
    journal = wiring().open_journal(settings.journal.url, settings.journal)
    return Staging(settings, Hands(cluster), journal, _look(settings), lambda text: typer.echo(text, err=True))


def _look(settings: "Settings") -> Any:
    """Return what says how the objectives of every service stand, with the daemon's own eyes and not by her word."""
    from agent.observe import Observer
    from agent.verify import standing
    from tools.errors import ToolError
    from tools.live.clock import SystemClock
    from tools.live.kube_api import KubeApi

    senses = wiring().live_senses(settings, KubeApi(settings.cluster), SystemClock())
    observer = Observer(senses, settings.fleet, settings.cadence)
    services = settings.fleet.services

    def look() -> dict[str, str]:
        try:
            seen = observer.look()
        except ToolError:
            return {s.name: "no_data" if s.objectives else "holds" for s in services}
        # A service that promises nothing is judged by its Deployment alone.
        return {s.name: standing(seen, s, quality=False) if s.objectives else "holds" for s in services}

    return look
