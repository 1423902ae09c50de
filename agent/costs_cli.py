"""The command ``prunella costs``: what services cost, per unit of work, and why that changed."""

from datetime import timedelta
from typing import Annotated

import typer

from agent.options import AsJson, Config
from agent.terminal import NOT_WELL, fail, now, put, told, wiring

Hours = Annotated[float, typer.Option("--hours", min=0.1, max=24 * 31, help="Length of the period.")]


def costs(config: Config, hours: Hours = 24.0, as_json: AsJson = False) -> None:
    """Say what each service cost, per thousand tokens and predictions, by team, and why it changed."""
    with told():
        from agent.bill import bill, measured
        from agent.view.bill import money, unknown
        from config.load import load

        settings, until = load(config), now().replace(second=0, microsecond=0)
        metrics, length = wiring().live_metrics(settings), timedelta(hours=hours)
        found = bill(metrics, settings.fleet, until - length, until)
        if not found.services:
            fail(unknown(measured(metrics, until - length, until), length), NOT_WELL)
        put(found, money(found), as_json=as_json)
