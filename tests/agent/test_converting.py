"""What comes in another unit or in another's place is read exactly, proven, served, and put back with the feed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from agent.analysts.columns import Columns, Spoil, spoils
from agent.converting import bindings, come_again, in_words
from agent.guards import checker
from agent.misread import read_as_meant
from agent.preconditions import Ground, unmet
from agent.trust import unsound
from playbooks.plan import Guard
from simulator.scenario import load_scenarios
from tests.agent.handmade import FLEET, START, Records, case_of, guess, plan, scene, seen
from tests.agent.test_makeshift import Guarded
from tests.agent.test_spoiled import NAMES, codes, drawn, nulls, places, units, window
from tools.action import ConvertInputs
from tools.records import Comparison, InferenceWindow

SCORE = next(service for service in FLEET.services if service.name == "score")
LATER = START + timedelta(minutes=12)
Table = np.ndarray
Spoils = Callable[[Table], Table]


def logged(spoil: Spoils, seed: int = 1) -> Records:
    """Rows of 72 minutes, one a second; the last twelve are spoiled."""
    records, table = Records(), drawn(seed, 72 * 60)
    at = LATER.timestamp() - np.arange(len(table), 0, -1.0)
    broken = at >= START.timestamp()
    features = np.where(broken[:, None], spoil(table.copy()), table)
    labels = (np.arange(len(at)) % 2).astype(np.float64)
    records.rows = InferenceWindow("score", NAMES, at, features, labels, labels, np.full(len(at), "v2"))
    records.old = window(drawn(3, 4000))
    records.versions = ("v1", "v2")
    return records


def known(records: Records, *past: ConvertInputs) -> dict[str, str | tuple[str, ...]]:
    """Return what is bound where a look saw just what there is."""
    assert records.rows is not None
    assert records.old is not None
    now = records.rows.features[-600:]
    found = tuple(spoils(Columns(NAMES, records.old.features), Columns(NAMES, now)))
    return remembered(records, found, *past)


def remembered(records: Records, found: tuple[Spoil, ...], *past: ConvertInputs) -> dict[str, str | tuple[str, ...]]:
    looked = replace(seen(0, {}), at=LATER, spoiled={"score": found})
    before = [case_of().model_copy(update={"plans": (plan(each, service="score"),)}) for each in past]
    case = case_of(guess("unit_change"), service="score")
    return bindings(SCORE, case, replace(scene(looked, records=records), now=LATER), before)


def both(table: Table) -> Table:
    return units(table[:, [2, 1, 0, 3]])


@pytest.mark.parametrize(
    ("spoil", "inputs", "read_from", "divided_by"),
    [
        (units, ("y",), ("y",), ("1000.0",)),
        (places, ("x", "y"), ("y", "x"), ("1.0", "1.0")),
        (both, ("y", "x", "date"), ("y", "date", "x"), ("1000.0", "1.0", "1.0")),
    ],
)
def test_what_is_only_written_otherwise_is_read_so(
    spoil: Spoils, inputs: tuple[str, ...], read_from: tuple[str, ...], divided_by: tuple[str, ...]
) -> None:
    found = known(logged(spoil))
    assert (found["inputs"], found["read_from"], found["divided_by"]) == (inputs, read_from, divided_by)
    assert found["sound_until"] == (START - timedelta(minutes=10)).isoformat()
    assert met(found) == ""


def many(table: Table) -> Table:
    """Classes that differ in how frequent they are."""
    table[:, 3] = np.searchsorted([0.1, 0.3, 0.6], np.random.default_rng(len(table)).random(len(table)))
    return table


def test_renamed_classes_are_read_by_a_table_beside_another_unit() -> None:
    records = logged(units)
    assert records.rows is not None
    assert records.old is not None
    many(records.rows.features)
    many(records.old.features)
    broken = records.rows.at >= START.timestamp()
    records.rows.features[broken, 3] = np.array([9.0, 7, 8, 6])[records.rows.features[broken, 3].astype(int)]
    found = known(records)
    assert (found["inputs"], found["divided_by"]) == (("y", "code"), ("1000.0", "1.0"))
    assert found["codes"] == ("", "6:3 7:1 8:2 9:0")
    assert met(found) == ""
    back = ConvertInputs(
        service="score",
        model="score",
        version="v2",
        of="v1",
        inputs=("y", "code"),
        read_from=("y", "code"),
        divided_by=(0.001, 1.0),
        codes=((), ((0, 9), (1, 7), (2, 8), (3, 6))),
    )
    assert known(records, back)["unconverted"] == "v1"
    assert known(records, back.model_copy(update={"codes": ()}))["unconverted"] == ""
    assert "code comes with 0 for 9, 1 for 7, 2 for 8, 3 for 6" in in_words(back)
    assert "codes that were never seen" in serving(records, back)


def met(found: dict[str, str | tuple[str, ...]]) -> str:
    return unmet("inputs_convert_exactly", Ground(SCORE, found, scene(seen(0, {}))))


def off(table: Table) -> Table:
    """What came in another unit is 3 % more besides: a third of its spread."""
    return np.asarray(units(table) * np.array([1.0, 1.03, 1.0, 1.0]))


def unlike(table: Table) -> Table:
    return units(nulls(table))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (codes, "codes that were never seen, they may as well be other classes: that loses something"),
        (unlike, "x is missing in 50% more of the rows: that loses something"),
        (off, "undone, y is not what it was"),
    ],
)
def test_what_loses_something_or_is_something_else_besides_is_a_persons(spoil: Spoils, why: str) -> None:
    found = known(logged(spoil))
    assert "inputs" not in found
    assert why in met(found)


SWAPPED = Spoil("columns_swapped", "x", 1.0, "x holds what y held", other="y")


def near(table: Table) -> Table:
    """Two columns that lie near each other: a tenth of the rows more or less moves no quartile far."""
    table[:, 1] = table[:, 1] / 3 - 17.5  # about 12.5, within 1.7; the other about 10, within 2
    return table


@pytest.mark.parametrize(("share", "word"), [(1.0, ""), (0.8, "and not in nearly all")])
def test_a_part_of_the_rows_is_not_nearly_all(share: float, word: str) -> None:
    def swapped(table: Table) -> Table:
        some = np.random.default_rng(5).random(len(table)) < share
        return np.where(some[:, None], places(table), table)

    records = logged(lambda table: swapped(near(table)))
    assert records.rows is not None
    assert records.old is not None
    sound = records.rows.at < START.timestamp()
    records.rows.features[sound] = near(records.rows.features[sound])
    records.old = replace(records.old, features=near(records.old.features))
    found = tuple(spoils(Columns(NAMES, records.old.features), Columns(NAMES, records.rows.features[-600:])))
    assert [(spoil.finding, spoil.column, spoil.other) for spoil in found] == [("columns_swapped", "x", "y")]
    assert word in met(known(records))
    assert bool(met(known(records))) == bool(word)


def test_what_two_factors_explain_is_read_in_neither() -> None:
    """A column that is wide for its middle: sixty times it looks much as a hundred times it."""
    records = logged(lambda table: wide(table) * np.array([1.0, 60.0, 1.0, 1.0]))
    assert records.rows is not None
    assert records.old is not None
    sound = records.rows.at < START.timestamp()
    records.rows.features[sound] = wide(records.rows.features[sound])
    records.old = replace(records.old, features=wide(records.old.features))
    assert "y can be read in more than one way" in met(known(records))


def wide(table: Table) -> Table:
    table[:, 1] = (table[:, 1] - 89.0) * 4
    return table


def test_two_looks_must_say_the_same() -> None:
    assert "two looks" in met(remembered(logged(units), (SWAPPED,)))
    assert "two looks" in met(remembered(logged(lambda table: table), (SWAPPED,)))


def test_without_sound_rows_of_before_or_a_log_nothing_is_known() -> None:
    late = logged(units)
    assert late.rows is not None
    late.rows = replace(late.rows, features=units(late.rows.features))
    assert "do not show what was sound" in met(known(late))
    short = logged(units)
    assert short.rows is not None
    kept = short.rows.at >= (START - timedelta(minutes=12)).timestamp()
    short.rows = InferenceWindow("score", NAMES, *(each[kept] for each in arrays(short.rows)))
    assert "120 rows of before" in met(known(short))
    silent = logged(units)
    silent.rows = None
    assert "rows cannot be read: no log" in met(remembered(silent, (SWAPPED,)))
    assert "nothing that score is shown is spoiled" in met(remembered(logged(units), ()))


def arrays(rows: InferenceWindow) -> tuple[np.ndarray, ...]:
    return rows.at, rows.features, rows.scores, rows.labels, rows.version


def made(times: float, version: str = "v2", column: str = "y") -> ConvertInputs:
    return ConvertInputs(
        service="score",
        model="score",
        version=version,
        of="v1",
        inputs=(column,),
        read_from=(column,),
        divided_by=(times,),
    )


@pytest.mark.parametrize(
    ("past", "version"),
    [
        ((made(1 / 1000),), "v1"),
        ((made(1000.0),), ""),  # a thousand times more once again
        ((made(1 / 1000, column="x"),), ""),
        ((made(1 / 1000, version="v0"),), ""),  # something else serves
        ((), ""),
    ],
)
def test_what_comes_as_it_did_before_a_conversion_is_answered_by_the_version_before(
    past: tuple[ConvertInputs, ...], version: str
) -> None:
    assert known(logged(units), *past)["unconverted"] == version


# -- proof ---------------------------------------------------------------------------------------------------------
EXACTLY = Guard(kind="converted_exactly", args={"version": "p-1", "than": "v2", "spoiled": "[]"})
AS_BEFORE = Guard(
    kind="answers_as_before",
    args={
        "version": "p-1",
        "than": "v2",
        "start": (START - timedelta(minutes=40)).isoformat(),
        "end": (START - timedelta(minutes=10)).isoformat(),
    },
)


def said(guard: Guard, records: Records) -> str:
    shown = replace(scene(seen(0, {}), records=records), now=LATER)
    return checker(lambda: shown)(guard, plan(service="score")).verdict


def scored(records: Records, *, right: float) -> Records:
    """Accepted rows of which a share is answered rightly, each with the same confidence."""
    assert records.old is not None
    labels = (np.arange(len(records.old.at)) % 2).astype(np.float64)
    wrong = np.arange(len(labels)) >= round(right * len(labels))
    records.old = replace(records.old, labels=labels, scores=np.where(wrong, 1 - labels, labels) * 0.8 + 0.1)
    return records


LOSS = -0.9 * np.log(0.9) - 0.1 * np.log(0.1)


@pytest.mark.parametrize(
    ("would", "loss", "word"),
    [
        (0.9, LOSS, "holds"),
        (0.9, LOSS + 0.001, "broken"),
        (0.901, LOSS, "broken"),
        (0.5, 0.7, "broken"),
    ],
)
def test_it_must_answer_as_the_first_one_did_when_accepted(would: float, loss: float, word: str) -> None:
    records = scored(logged(units), right=0.9)
    assert said(EXACTLY, records) == "inconclusive"  # nobody scores versions anew
    records.gain, records.would, records.loss = (0.0, 0.0, 0.0), would, loss
    assert said(EXACTLY, records) == word


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        (lambda scores: scores, "holds"),
        (lambda scores: scores[:20], "inconclusive"),
        (lambda scores: np.where(scores < 0.5, 0.4, scores), "broken"),
        (lambda scores: np.where(np.arange(len(scores)) < 3, np.nan, scores), "broken"),
    ],
)
def test_its_answers_are_spread_as_those_before(answers: Callable[[Table], Table], word: str) -> None:
    rng, records = np.random.default_rng(2), logged(units)
    assert records.rows is not None
    rows = replace(records.rows, scores=rng.beta(0.5, 0.5, len(records.rows.at)))
    mine = answers(rows.scores[-120:])
    scores = np.concatenate((rows.scores[:-120], np.zeros(120 - len(mine)), mine))
    version = np.where(np.arange(len(rows.at)) < len(rows.at) - len(mine), "v2", "p-1")
    records.rows = replace(rows, scores=scores, version=version)
    assert said(AS_BEFORE, records) == word


MEANT = ConvertInputs(
    service="score",
    model="score",
    version="p-1",
    of="v2",
    inputs=("code",),
    read_from=("code",),
    divided_by=(1.0,),
    codes=(((20, 0), (21, 1)),),
)


class Asked(Records):
    """The model says yes to class 1 with 0.9, and no to class 0."""

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        yes = np.where(rows.features[:, 3] == 1.0, 0.9, 0.1)
        loss = -np.log(np.where(rows.labels >= 0.5, yes, 1 - yes)).mean()
        return super().compare_on(first, second, rows).model_copy(update={"log_loss": {first: float(loss)}})


@pytest.mark.parametrize(
    ("right", "labelled", "told", "minutes", "word"),
    [
        (9, 600, 1.0, 10, "holds"),  # labels go with the classes
        (9, 600, 0.0, 10, "broken"),  # and against them
        (9, 600, 0.5, 10, "no_data"),  # they do not say
        (9, 600, 0.5, 45, "holds"),  # nor do more of them
        (8, 600, 1.0, 10, "broken"),
        (8, 300, 1.0, 10, "no_data"),
        (9, 0, 1.0, 10, "no_data"),
    ],
)
def test_labels_say_whether_renamed_classes_are_read_as_meant(
    right: int, labelled: int, told: float, minutes: int, word: str
) -> None:
    """Nine of ten answers were right before; of the last 600, ``right`` of ten are.

    In so many of the rows ``told`` the label is 1 where the class is.
    """
    records, count, place = Asked(), 72 * 60, np.arange(72 * 60)
    rows, now = logged(codes).rows, place >= count - 600
    assert rows is not None
    rows.features[:, 3] = 20 + place % 2
    truth = np.where(place // 2 % 20 < 20 * told, place % 2, 1 - place % 2).astype(np.float64)
    labels = np.where(place < count - 600 + labelled, truth, np.nan)
    wrong = place // 3 % 10 >= np.where(now, right, 9)
    version = np.where(now, "p-1", "v2")
    records.rows = replace(rows, labels=labels, scores=np.where(wrong, 1 - truth, truth), version=version)
    records.gain = (0.0, 0.0, 0.0)
    made = plan(MEANT, service="score")
    step = made.steps[0].model_copy(update={"guards": (AS_BEFORE,)})
    shown, since = replace(scene(seen(0, {}), records=records), now=LATER), LATER - timedelta(minutes=minutes)
    assert read_as_meant(made.model_copy(update={"steps": (step,)}), shown, since) == word
    plain = step.model_copy(update={"action": MEANT.model_copy(update={"codes": ()})})
    assert read_as_meant(made.model_copy(update={"steps": (plain,)}), shown, since) == "holds"
    silent = replace(scene(seen(0, {}), records=Records()), now=LATER)
    assert read_as_meant(made.model_copy(update={"steps": (step,)}), silent, since) == "no_data"
    one = step.model_copy(update={"action": MEANT.model_copy(update={"codes": (((21, 1),),)})})
    rightly = {9: "holds", 8: "broken"}[right] if labelled > 400 else "no_data"
    # Nothing to exchange it with.
    assert read_as_meant(made.model_copy(update={"steps": (one,)}), shown, since) == rightly


# -- going back ----------------------------------------------------------------------------------------------------
def serving(records: Records, *made: ConvertInputs) -> str:
    """Return what shows that the feed went back, three minutes after it did."""
    now = LATER - timedelta(minutes=9)
    shown = replace(scene(seen(0, {}), records=records), now=now)
    return come_again(plan(*made, service="score"), shown)


def test_a_feed_that_goes_back_is_known_by_the_conversion_that_it_undoes() -> None:
    assert "y is 1000 times what it was" in serving(logged(units), made(1 / 1000))
    assert not serving(logged(units), made(1000.0))
    assert not serving(logged(units), made(1 / 1000, version="v1"))  # it does not serve
    assert not serving(logged(units))
    assert not serving(logged(lambda table: table), made(1 / 1000))
    assert not serving(logged(lambda table: nulls(units(table))), made(1 / 1000))  # and something else
    assert not serving(Records(), made(1 / 1000))


# -- in the world --------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "seed"), [("unit_change", 4), ("schema_change", 4), ("new_category", 5)])
def test_nobody_is_told_and_the_version_before_is_put_back_when_the_feed_goes_back(fault: str, seed: int) -> None:
    guarded = Guarded(load_scenarios()[fault], seed=seed).live(60 + 50)
    assert guarded.champion.startswith("p-")
    held = guarded.world.ledger.held("fraud")
    assert (~held).sum() * 0.5 < 17
    assert held[-60:].all()
    guarded.hire()  # whoever comes after a crash knows what serves
    guarded.live(20)
    guarded.world.mend([0])
    guarded.live(60)
    assert guarded.champion == "2"
    after = guarded.world.ledger.held("fraud")[len(held) :]
    assert (~after).sum() * 0.5 < 13
    assert after[-60:].all()
    outcomes = [entry.body["verdict"] for entry in guarded.journal.entries(kinds=("OUTCOME",))]
    assert outcomes == ["recovered", "recovered"]
    verbs = [effect.action.verb for effect in guarded.door.effects]
    assert verbs == ["convert_inputs", "set_split", "set_split", "set_alias", "set_alias"]
    assert unsound(guarded.journal) == ""


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "seed"), [("unit_change", 4), ("new_category", 5)])
def test_a_feed_that_goes_back_before_labels_tell_is_no_matter_for_a_person(fault: str, seed: int) -> None:
    guarded = Guarded(load_scenarios()[fault], seed=seed).live(60 + 20)
    assert guarded.champion.startswith("p-")
    guarded.world.mend([0])
    guarded.live(60)
    (outcome,) = guarded.journal.entries(kinds=("OUTCOME",))
    assert outcome.body["verdict"] == "self_recovered"
    assert guarded.champion == "2"
    held = guarded.world.ledger.held("fraud")[-120:]
    assert (~held).sum() * 0.5 < 5
