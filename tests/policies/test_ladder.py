from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.standing import ORDER, REVIEW, SUBJECT, Ladder
from config.settings import LadderSettings
from policies.caps import Caps
from policies.decision import Verdict
from policies.judge import Rules, judge
from policies.ladder import RUNGS, Deed, Order, Rung, Standing, bound, standing
from policies.windows import restrain
from tests.policies.builders import NOW, plan, situation
from tools.errors import Refused
from tools.memory_journal import MemoryJournal

WHO = ("scale_out", "production")
BARS = LadderSettings(start="watch")
DAY = timedelta(days=1)


def deed(verdict: str = "success", day: float = 0, source: str = "production", **changes: Any) -> Deed:
    fields = {"playbook": WHO[0], "environment": WHO[1], "source": source, "verdict": verdict, "incident": "inc-1"}
    return Deed.model_validate({**fields, "at": NOW + day * DAY, **changes})


def order(kind: str, rung: Rung, day: float) -> Order:
    fields = {"playbook": WHO[0], "environment": WHO[1], "kind": kind, "rung": rung, "by": "dana"}
    return Order.model_validate({**fields, "at": NOW + day * DAY})


def stands(*items: Deed | Order, ceiling: Rung = "act", bars: LadderSettings = BARS) -> Standing:
    deeds = [each for each in items if isinstance(each, Deed)]
    orders = [each for each in items if isinstance(each, Order)]
    return standing(WHO, ceiling, deeds, orders, bars)


def many(count: int, days: float = 10, first: float = 0, **changes: Any) -> list[Deed]:
    return [deed(day=first + days * number / max(count - 1, 1), **changes) for number in range(count)]


def test_without_a_starting_rung_the_configuration_decides() -> None:
    for ceiling in RUNGS:
        assert stands(ceiling=ceiling, bars=LadderSettings()).rung == ceiling


def test_evidence_makes_ready_and_only_a_person_lifts() -> None:
    found = stands(*many(20))
    assert (found.rung, found.next) == ("watch", "propose")
    assert "surely at least 88%" in found.why
    lifted = stands(*many(20), order("push", "propose", 11))
    assert (lifted.rung, lifted.next, lifted.production.cases) == ("propose", None, 0)


@pytest.mark.parametrize(
    ("deeds", "lacks"),
    [
        (many(19), "19 of 20 cases"),
        (many(20, days=3), "3.0 of 7 days"),
        ([*many(20), *many(3, verdict="failure")], "at least 71% surely right, 80% wanted"),
        ([], "0 of 20 cases"),
    ],
)
def test_too_little_evidence_is_told(deeds: list[Deed], lacks: str) -> None:
    found = stands(*deeds)
    assert found.next is None
    assert lacks in found.why


def test_drills_and_production_are_counted_apart_and_drills_never_lead_to_acting() -> None:
    mixed = stands(*many(12), *many(12, source="drill"))
    assert (mixed.next, mixed.production.cases, mixed.drill.cases) == (None, 12, 12)
    assert stands(*many(20, source="drill")).next == "propose"
    assert stands(*many(20, source="drill"), bars=LadderSettings(start="ask")).next is None
    assert stands(*many(20), bars=LadderSettings(start="ask")).next == "act"


def test_any_harm_costs_a_rung_at_once_and_the_count_begins_anew() -> None:
    found = stands(*many(20), deed("harm", 11), bars=LadderSettings(start="act"))
    assert (found.rung, found.production.cases) == ("ask", 0)
    assert "harm in inc-1" in found.story[-1]
    assert stands(deed("harm", 1), deed("harm", 2), deed("harm", 3), deed("harm", 4)).rung == "watch"


def test_a_person_can_always_hold_it_down_and_let_it_go() -> None:
    held = stands(order("hold", "propose", 1), bars=LadderSettings(start="act"))
    assert (held.rung, held.earned, held.held) == ("propose", "act", "propose")
    assert (
        stands(order("hold", "propose", 1), order("release", "propose", 2), bars=LadderSettings(start="act")).rung
        == "act"
    )


def test_nothing_climbs_above_the_configuration() -> None:
    found = stands(*many(20), ceiling="ask", bars=LadderSettings(start="ask"))
    assert (found.rung, found.next) == ("ask", None)
    assert "the most that the configuration allows" in found.why
    assert stands(ceiling="watch", bars=LadderSettings(start="act")).rung == "watch"


items = st.lists(
    st.one_of(
        st.builds(
            deed,
            st.sampled_from(["success", "failure", "harm"]),
            st.floats(0, 30),
            st.sampled_from(["production", "drill"]),
        ),
        st.builds(order, st.sampled_from(["push", "hold", "release"]), st.sampled_from(RUNGS), st.floats(0, 30)),
    ),
    max_size=30,
)


@given(items, st.sampled_from(RUNGS), st.sampled_from([None, *RUNGS]))
def test_the_rung_is_never_above_ceiling_or_hold_and_harm_never_raises_it(
    seen: list[Deed | Order], ceiling: Rung, start: Rung | None
) -> None:
    bars = LadderSettings(start=start)
    found = stands(*seen, ceiling=ceiling, bars=bars)
    assert RUNGS.index(found.rung) <= RUNGS.index(ceiling)
    assert found.held is None or RUNGS.index(found.rung) <= RUNGS.index(found.held)
    after = stands(*seen, deed("harm", 31), ceiling=ceiling, bars=bars)
    assert RUNGS.index(after.earned) == max(0, RUNGS.index(found.earned) - 1)


@pytest.mark.parametrize("kind", ["wilson", "beta"])
def test_the_bound_covers_the_truth_as_often_as_it_says(kind: str) -> None:
    """Of many series with a true share, the lower bound lies above it about 5 % of the time."""
    import numpy as np

    bars = LadderSettings.model_validate({"bound": kind})
    rng = np.random.default_rng(5)
    for share in (0.7, 0.85, 0.95):
        found = [bound(int(k), 40, bars) > share for k in rng.binomial(40, share, 2000)]
        assert np.mean(found) <= 0.09, share
    assert bound(0, 0, bars) == 0.0
    assert bound(40, 40, bars) < 1.0


def test_restraint_on_each_rung(rules: Rules) -> None:
    free = judge(plan(), situation(), rules, Caps())
    assert free.verdict is Verdict.ALLOW
    said = {rung: restrain(free, rung, "fell to it").verdict for rung in RUNGS}
    assert said == {"watch": "deny", "propose": "deny", "ask": "ask", "act": "allow"}
    assert "(fell to it)" in restrain(free, "ask", "fell to it").reasons[0].text


def recorded(*cases: tuple[str, str, bool]) -> MemoryJournal:
    """A journal of cases: outcome, playbook, whether anything was done."""
    journal = MemoryJournal()
    for number, (outcome, playbook, acted) in enumerate(cases):
        subject, at = f"inc-{number}", NOW + number * DAY
        journal.append(subject, "PLAN", {"playbook": playbook}, at)
        journal.append(subject, "SITUATION", {"environment": "production"}, at)
        if acted:
            journal.append(subject, "STEP_INTENT", {"plan": "p"}, at)
        journal.append(subject, "OUTCOME", {"verdict": outcome, "text": "so it went"}, at)
    return journal


def test_the_evidence_is_the_record_itself() -> None:
    outcomes = [("recovered", "scale_out", True)] * 20 + [
        ("not_recovered", "scale_out", True),
        ("escalated", "scale_out", False),
    ]
    found = Ladder(recorded(*outcomes), BARS, "act").of(*WHO)
    assert (found.production.cases, found.production.successes) == (21, 20)
    assert Ladder(recorded(("undone", "scale_out", True)), LadderSettings(), "act").of(*WHO).rung == "ask"
    assert Ladder(recorded(("undone", "scale_in", True)), LadderSettings(), "act").of(*WHO).rung == "act"


def test_a_persons_review_counts_as_what_would_have_been() -> None:
    journal = recorded(*[("escalated", "scale_out", False)] * 20)
    ladder = Ladder(journal, BARS, "act")
    assert ladder.of(*WHO).production.cases == 0
    for number in range(20):
        ladder.review(f"inc-{number}", "right", "dana", "", NOW + number * DAY)
    assert ladder.of(*WHO).next == "propose"
    ladder.review("inc-0", "harm", "dana", "it was us", NOW + 30 * DAY)
    assert ladder.of(*WHO).production.cases == 0
    assert journal.entries(kinds=(REVIEW,))[-1].subject == "inc-0"
    with pytest.raises(Refused, match="no plan was made"):
        ladder.review("inc-99", "right", "dana", "", NOW)


def test_pushing_wants_evidence_is_written_down_and_happens_once() -> None:
    journal = recorded(*[("recovered", "scale_out", True)] * 20)
    one, other = Ladder(journal, BARS, "act"), Ladder(journal, BARS, "act")
    seen = other.of(*WHO)
    assert one.push(*WHO, by="dana", note="well done", now=NOW + 30 * DAY).rung == "propose"
    with pytest.raises(Refused, match="look again"):
        other._order(seen, ("push", "propose"), ("eve", ""), NOW + 30 * DAY)
    with pytest.raises(Refused, match="0 of 20 cases"):
        one.push(*WHO, by="dana", note="", now=NOW + 31 * DAY)
    (entry,) = journal.entries(subject=SUBJECT, kinds=(ORDER,))
    assert (entry.body["by"], entry.body["rung"]) == ("dana", "propose")
    assert Ladder(journal, BARS, "act").of(*WHO).rung == "propose"  # a restart changes nothing


def test_holding_and_letting_go_through_the_journal() -> None:
    ladder = Ladder(MemoryJournal(), LadderSettings(), "act")
    assert ladder.hold(*WHO, rung="propose", by="dana", note="new model", now=NOW).rung == "propose"
    assert ladder.release(*WHO, by="dana", note="", now=NOW + DAY).rung == "act"
    with pytest.raises(Refused, match="is not held"):
        ladder.release(*WHO, by="dana", note="", now=NOW + DAY)
    assert [each.playbook for each in ladder.all(["retrain"])] == ["retrain", "scale_out"]
    assert isinstance(NOW, datetime)
