"""Bills: money joined with work from the same metrics as everything else, and why it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent.bill import COSTS, SUBJECT, bill, bill_of, measured, spending
from agent.digest import digest
from agent.view.bill import money, unknown
from agent.view.digesting import as_markdown
from config.fleet import Fleet, Service, ServiceKind
from tools.catalogue import OWN_USE
from tools.memory_journal import MemoryJournal
from tools.signal import Frame, SeriesKey, SignalSpec

NOW = datetime(2026, 3, 11, 7, tzinfo=UTC)
DAY = timedelta(days=1)
FLEET = Fleet(
    services=(
        Service(name="chat", kind=ServiceKind.LANGUAGE, team="assistants", hourly_budget=5.0),
        Service(name="fraud", kind=ServiceKind.TABULAR, model="fraud"),
        Service(name="dark", kind=ServiceKind.LANGUAGE),
    )
)
Told = Callable[[datetime], float]


class Bills:
    """Metrics that are a function of time; a service that has none is not there at all."""

    def __init__(self, **changed: Told) -> None:
        steady = {
            "spend chat": 8.0,
            "gpus chat": 4.0,
            "prompt_tokens chat": 700.0,
            "generation_tokens chat": 300.0,
            "requests chat": 2.0,
            "gpu_utilisation chat": 60.0,
            "spend fraud": 2.0,
            "gpus fraud": 1.0,
            "requests fraud": 50.0,
            "gpu_utilisation fraud": 4.0,
        }
        self.told: dict[str, Told] = {name: (lambda _, value=value: value) for name, value in steady.items()}  # type: ignore[misc]
        self.told |= {name.replace("__", " "): each for name, each in changed.items()}

    def read(self, *_: object) -> Frame:
        raise NotImplementedError

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        names = [name for name in self.told if name.split()[0] == spec.name and self._kind(name) in spec.kinds]
        keys = tuple(SeriesKey(spec.name, f"service/{name.split()[1]}") for name in names)
        times = [start + timedelta(seconds=s) for s in np.arange(0, (end - start).total_seconds() + 1e-6, step)]
        return tuple(Frame(at, keys, np.array([self.told[name](at) for name in names])) for at in times)

    @staticmethod
    def _kind(name: str) -> ServiceKind:
        return FLEET.service(name.split()[1]).kind


def test_money_is_joined_with_work_by_service_and_team() -> None:
    found = bill(Bills(), FLEET, NOW - DAY, NOW)
    chat, fraud = found.services  # nobody knows what dark costs: that is not nought
    assert (chat.unit.service, chat.team) == ("chat", "assistants")
    assert chat.unit.cost == pytest.approx(192)
    assert chat.unit.per_thousand_tokens == pytest.approx(1000 * 8 / 3600 / 1000)
    assert fraud.unit.per_thousand_tokens is None
    assert fraud.unit.per_prediction == pytest.approx(2 / 3600 / 50)
    assert chat.unit.wasted == 0
    assert fraud.unit.wasted == pytest.approx(48)
    assert found.teams == {"assistants": pytest.approx(192), "(none)": pytest.approx(48)}
    assert {one.change.cause for one in found.services if one.change} == {"nothing"}


def test_a_gpu_that_batch_work_fills_is_not_busy_for_its_service() -> None:
    class Shared(Bills):
        def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
            frames = super().history(spec, start, end, step)
            if spec.name != OWN_USE.name:
                return frames
            use = 4.0 if spec is OWN_USE else 95.0
            return tuple(replace(each, values=np.full(len(each.keys), use)) for each in frames)

    beside = Service(name="night", kind=ServiceKind.BATCH, shares_gpus_of="fraud")
    chat, fraud = bill(Shared(), Fleet(services=(*FLEET.services, beside)), NOW - DAY, NOW).services
    assert chat.unit.wasted == 0
    assert fraud.unit.wasted == pytest.approx(48)


@pytest.mark.parametrize(
    ("changed", "cause", "said"),
    [
        ({"spend__chat": lambda at: 16.0 if at >= NOW - DAY else 8.0}, "price", "a GPU hour costs +100%"),
        (
            {
                "spend__chat": lambda at: 16.0 if at >= NOW - DAY else 8.0,
                "gpus__chat": lambda at: 8.0 if at >= NOW - DAY else 4.0,
            },
            "efficiency",
            "+100% GPU hours for the same work",
        ),
        (
            {
                "spend__fraud": lambda at: 4.0 if at >= NOW - DAY else 2.0,
                "gpus__fraud": lambda at: 2.0 if at >= NOW - DAY else 1.0,
                "requests__fraud": lambda at: 100.0 if at >= NOW - DAY else 50.0,
            },
            "volume",
            "+100% work",
        ),
    ],
)
def test_a_dearer_service_is_told_with_the_cause(changed: dict[str, Told], cause: str, said: str) -> None:
    found = bill(Bills(**changed), FLEET, NOW - DAY, NOW)
    assert cause in {one.change.cause for one in found.services if one.change}
    assert said in money(found)


def test_a_budget_of_a_month_is_forecast_from_what_was_spent() -> None:
    (chat, _) = bill(Bills(), FLEET, NOW - DAY, NOW).services
    assert chat.budget is not None
    assert chat.budget.forecast == pytest.approx(8 * 720)
    assert (chat.budget.budget, chat.budget.tier) == (3600, "daily")
    told = money(bill(Bills(), FLEET, NOW - DAY, NOW))
    assert (
        "on course for 5,760 (5,760 to 5,760) in thirty days, budget 3,600: 1.6 times the even pace, spent in 8 days"
        in told
    )


def test_gpus_that_the_load_does_not_need_are_told_apart_from_idle_ones() -> None:
    half = Bills(gpu_utilisation__chat=lambda _: 30.0, gpu_utilisation__fraud=lambda _: 5.0)
    chat, fraud = bill(half, FLEET, NOW - DAY, NOW).services
    assert [chat.unit.wasted, chat.unit.spare, fraud.unit.wasted, fraud.unit.spare] == pytest.approx([0, 96, 48, 0])


def test_a_cost_that_was_not_measured_for_most_of_a_period_is_not_made_up() -> None:
    late = NOW - timedelta(hours=10)
    holes = Bills(spend__chat=lambda at: 8.0 if at >= late else float("nan"))
    assert [one.service for one in spending(holes, FLEET, NOW - DAY, NOW)] == ["fraud"]
    assert [one.unit.service for one in bill(holes, FLEET, NOW - timedelta(hours=8), NOW).services] == ["chat", "fraud"]


def test_the_digest_shows_the_bill_of_its_own_period() -> None:
    journal, found = MemoryJournal(), bill(Bills(), FLEET, NOW - DAY, NOW)
    journal.append(SUBJECT, COSTS, found.model_dump(mode="json"), NOW)
    assert bill_of(journal, DAY, NOW) == found
    page = as_markdown(digest(journal, "daily", NOW))
    assert "| chat | assistants | 192.00 | 0.002222 | 1.111 |  |  | +0% | 5,760 of 3,600 |" in page
    assert "By model: (none) 192.00, fraud 48.00." in page
    first = "Look at the money of chat first: it is on course for 5,760 in thirty days where 3,600 are budgeted."
    assert page.splitlines()[2] == f"No incident. {first}"
    assert "By team: assistants 192.00, (none) 48.00." in page
    assert "## Money" not in as_markdown(digest(journal, "weekly", NOW))


class Young(Bills):
    """Metrics that nobody has kept for longer than a while."""

    def __init__(self, kept: timedelta) -> None:
        super().__init__()
        self.since = NOW - kept

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        return tuple(frame for frame in super().history(spec, start, end, step) if frame.at >= self.since)


def test_a_short_period_is_read_more_than_once() -> None:
    minutes = timedelta(minutes=6)
    chat = bill(Young(timedelta(minutes=4)), FLEET, NOW - minutes, NOW).services[0]
    assert chat.unit.cost == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (timedelta(), "no service has a known cost: are container_gpu_allocation"),
        (timedelta(minutes=3), "costs are known for 2 min of the 24 h asked about, and half is needed: try again"),
        (timedelta(hours=5.04), "costs are known for 5.0 h of the 24 h asked about, and half is needed: try --hours 5"),
    ],
)
def test_what_is_not_known_for_long_is_told_apart_from_what_nobody_measures(kept: timedelta, said: str) -> None:
    metrics = Young(kept)
    assert not bill(metrics, FLEET, NOW - DAY, NOW).services
    assert unknown(measured(metrics, NOW - DAY, NOW), DAY).startswith(said)


def test_gpus_that_nobody_has_a_price_for_are_told_as_that() -> None:
    found = bill(Bills(gpus__dark=lambda _: 4.0), FLEET, NOW - DAY, NOW)
    assert found.unpriced == {"dark": pytest.approx(96.0)}
    assert "- dark: 96.0 GPU hours, price not known" in money(found)
    assert not bill(Bills(), FLEET, NOW - DAY, NOW).unpriced
