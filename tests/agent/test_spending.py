"""What a plan is forecast to cost the error budget: by its numbers, of each touched service, and never silently."""

from dataclasses import replace
from datetime import datetime

import pytest

from agent.observe import Scene
from agent.situate import situate
from agent.spending import Forecast, cost_of_runs, forecast
from config.fleet import Fleet, Objective
from tests.agent.handmade import FLEET, START, TALK, TICK, Metrics, Values, case_of, guess, plan, scene, seen
from tools.action import EvictReplica, SetReplicas
from tools.errors import Absent
from tools.memory_journal import MemoryJournal
from tools.signal import Frame, SignalSpec

FEWER = SetReplicas(service="talk", replicas=2)
ERRORS = ("error_ratio", TALK)


def shown(use: float = 30.0, errors: float = 0.001, past: float | None = 0.001) -> Scene:
    """Ten looks at talk, three replicas of it ready, 2 % of whose answers may fail; ``past``: over the last day."""
    values: Values = {
        ("gpu_utilisation", TALK): use,
        ("running", TALK): 18.0,
        ("requests", TALK): 3.0,
        ERRORS: errors,
    }
    return scene(*(seen(tick, values) for tick in range(10)), past={} if past is None else {ERRORS: past})


class Away(Metrics):
    """Metrics without a history."""

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        raise Absent("no history")


def run(journal: MemoryJournal, number: int, before: float, after: float, playbook: str = "rollback_release") -> None:
    """One earlier run that took ten minutes until its outcome."""
    subject = f"inc-{number}"
    made = plan().model_copy(update={"playbook": playbook})
    journal.append(subject, "PLAN", made.model_dump(mode="json"), START - TICK * 100)
    journal.append(subject, "STEP_INTENT", {"plan": "p"}, START - TICK * 60)
    numbers = {"signal": "error_ratio", "entity": TALK, "before": before, "after": after, "target": 0.02}
    outcome = {"incident": subject, "at": START.isoformat(), "verdict": "undone", "text": "", "measured": [numbers]}
    journal.append(subject, "OUTCOME", outcome, START - TICK * 40)


def test_what_takes_nothing_away_and_never_harmed_costs_nothing() -> None:
    assert forecast(plan(), shown(), MemoryJournal()) == Forecast(0, 100, "")


def test_what_the_others_cannot_carry_is_counted_until_the_plan_is_judged() -> None:
    found = forecast(plan(FEWER), shown(use=90.0), MemoryJournal())
    # 2.7 replicas busy on 2, for five minutes; and a third of 18 running answers of 180 a minute is cut short.
    assert found.text.startswith("talk: 1.33 minutes' failures while replicas are away, 0.00 by earlier runs")
    assert (found.cost_percent, found.left_percent) == (5, 100)
    assert "5 % of a day's 28.8; 100 % are left" in found.text


def test_replicas_that_are_not_missed_cost_what_they_were_answering() -> None:
    found = forecast(plan(EvictReplica(service="talk", replica="talk-1")), shown(), MemoryJournal())
    assert found.text.startswith("talk: 0.03 minutes'")
    assert (
        forecast(
            plan(EvictReplica(service="talk", replica="talk-1"), fault="engine_hang_200"), shown(), MemoryJournal()
        )
        == Forecast()
    )


def test_earlier_runs_count_by_what_they_were_measured_to_add() -> None:
    journal = MemoryJournal()
    run(journal, 1, 0.01, 0.41)
    run(journal, 2, 0.30, 0.01)  # it helped
    run(journal, 3, 0.0, 1.0, playbook="scale_in")
    assert cost_of_runs(journal.entries(), "rollback_release") == pytest.approx((4.0, 0.0))
    found = forecast(plan(), shown(), journal)
    assert (found.cost_percent, found.text.partition(";")[0]) == (
        7,
        (
            "talk: 0.00 minutes' failures while replicas are away, 2.00 by earlier runs of rollback_release (2), "
            "so 7 % of a day's 28.8"
        ),
    )


def test_an_incident_that_burns_faster_excuses_it() -> None:
    journal = MemoryJournal()
    run(journal, 1, 0.0, 0.2)
    assert forecast(plan(), shown(errors=0.3), journal).cost_percent == 7
    found = forecast(plan(), shown(errors=0.5), journal)
    assert found.cost_percent == 0
    assert found.text.endswith("the incident burns 2.50 in the same time")


def test_what_a_day_of_failures_leaves_is_less_and_no_data_leave_nothing() -> None:
    journal = MemoryJournal()
    run(journal, 1, 0.0, 0.2)
    spent = shown(past=0.5)
    assert forecast(plan(), spent, journal).left_percent == 83  # one frame of ten minutes, half of it failed
    assert forecast(plan(), shown(past=None), journal).left_percent == 0
    blind = shown()
    blind = replace(blind, senses=replace(blind.senses, metrics=Away()))
    assert forecast(plan(), blind, journal).left_percent == 0


def test_a_service_that_promises_nothing_about_errors_has_no_budget() -> None:
    talk = FLEET.services[0].model_copy(update={"objectives": (Objective(signal="ttft_p95", target=2.0),)})
    free = replace(shown(use=90.0), fleet=Fleet(services=(talk, *FLEET.services[1:])))
    assert forecast(plan(FEWER), free, MemoryJournal()) == Forecast()


def test_the_judge_is_shown_the_forecast() -> None:
    case = case_of(guess("overprovisioned"))
    facts = situate(case, plan(FEWER), shown(use=90.0), MemoryJournal(), 1, freeze="")
    assert (facts.budget_cost_percent, facts.budget_left_percent) == (5, 100)
    assert facts.budget_cost.startswith("talk: 1.33 minutes'")
