"""Renamed classes are told from what they look like, and only where a mistake would hardly change an answer."""

from itertools import permutations
from math import exp, factorial, log

import numpy as np
import pytest

from agent.analysts.columns import Columns, Spoil, spoils
from agent.classes import Rows, again, back_again, renamed
from agent.renaming import RISK, Renaming, centred, looks, permanent, turning
from tests.agent.handmade import START, Records
from tools.action import Codes
from tools.records import InferenceWindow

SHARES = np.array([0.34, 0.26, 0.18, 0.12, 0.07, 0.03])
LIKE = np.array([0.25, 0.25, 0.2, 0.15, 0.1, 0.05])  # two classes are as frequent as each other
KEPT = np.arange(6)
MIXED = np.array([3, 0, 4, 1, 5, 2])
Table = np.ndarray


def drawn(seed: int, count: int, shares: Table = SHARES, told: float = 0.0) -> tuple[Table, Table]:
    """Return classes, and another column whose mean grows by ``told`` spreads with each class."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(len(shares), count, p=shares)
    return classes.astype(np.float64), rng.normal(told * classes, 1.0)


def renaming(order: Table, shares: Table = SHARES, told: float = 0.0, later: Table | None = None) -> Renaming:
    """Return 3,840 rows of before, and 1,280 whose class k comes as 24 + order[k]."""
    (old, beside), (classes, lately) = (
        drawn(1, 3840, shares, told),
        drawn(2, 1280, shares if later is None else later, told),
    )
    turn = turning(centred(beside[:, None]))
    return Renaming(looks(old, beside[:, None], turn), looks(24.0 + order[classes.astype(int)], lately[:, None], turn))


def means(order: Table) -> Codes:
    return tuple(sorted((24 + int(code), place) for place, code in enumerate(order)))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_permanent_is_the_sum_over_all_assignments(size: int) -> None:
    logs = np.random.default_rng(size).normal(size=(size, size))
    every = [exp(sum(logs[i, j] for i, j in enumerate(order))) for order in permutations(range(size))]
    assert permanent(logs) == pytest.approx(log(sum(every)))
    assert permanent(np.zeros((size, size)) - 5000) == pytest.approx(log(factorial(size)) - 5000 * size)


@pytest.mark.parametrize("order", [KEPT, MIXED])
def test_classes_are_told_by_how_frequent_they_are(order: Table) -> None:
    found = renaming(order)
    assert found.codes == means(order)
    assert not found.impossible
    assert not found.unlike(found.best)
    assert found.risk(lambda one, other: 1.0) < RISK


@pytest.mark.parametrize(("told", "sure"), [(0.0, False), (1.0, True)])
def test_classes_as_frequent_as_each_other_are_told_by_other_columns(told: float, sure: bool) -> None:
    found = renaming(MIXED, LIKE, told)
    assert (found.risk(lambda one, other: 1.0) < RISK) == sure
    if sure:
        assert found.codes == means(MIXED)


def test_what_nothing_tells_apart_does_not_matter_where_the_answers_are_alike() -> None:
    found = renaming(MIXED, LIKE)
    assert found.risk(lambda one, other: 1.0) > 10 * RISK
    assert found.risk(lambda one, other: 0.0 if {one, other} == {0, 1} else 1.0) < RISK


def test_codes_in_order_are_likelier_to_be_the_classes_in_order() -> None:
    """One of 720 renamings, and it fits: of the others, the one that fits as well is seldom what was done."""
    kept, pair = renaming(KEPT, LIKE), renaming(np.array([1, 0, 2, 3, 4, 5]), LIKE)
    assert kept.codes == pair.codes == means(KEPT)  # an exchange of two classes that look alike is not seen
    assert kept.risk(lambda one, other: 0.3) < RISK
    assert kept.risk(lambda one, other: 1.0) < 2 * RISK


@pytest.mark.parametrize(
    ("order", "later", "why"),
    [
        (np.array([0, 1, 2, 3, 4, 4]), SHARES, "5 codes came where 6 classes went"),
        (KEPT, SHARES[::-1][[0, 1, 2, 5, 4, 3]], ""),
        (np.array([-24, -23, -22, -21, 0, 0]), SHARES, "1 codes came where 2 classes went"),
    ],
)
def test_what_is_no_renaming_is_none(order: Table, later: Table, why: str) -> None:
    found = renaming(order, later=later)
    assert found.impossible == why
    if not why:
        assert found.unlike(KEPT)  # its shares are others, whatever order is kept


def test_other_classes_are_not_those_that_went() -> None:
    """Of shares drawn at random, hardly any fit by chance."""
    rng = np.random.default_rng(5)
    taken = 0
    for _ in range(20):
        found = renaming(KEPT, later=rng.dirichlet(np.full(6, 3.0)))
        taken += not found.impossible and not found.unlike(found.best) and found.risk(lambda one, other: 1.0) < RISK
    assert taken == 0


def test_a_column_that_means_another_thing_now_is_no_renaming() -> None:
    old, beside = drawn(1, 3840, told=1.0)
    classes, _ = drawn(2, 1280)
    turn = turning(centred(beside[:, None]))
    now = looks(24 + classes, np.random.default_rng(3).normal(size=(1280, 1)), turn)
    found = Renaming(looks(old, beside[:, None], turn), now)
    assert found.unlike(KEPT) == "other columns do not lie in their rows as in those of the classes that went"


@pytest.mark.parametrize("beside", [0, 1], ids=["no other column", "one that never varies"])
@pytest.mark.parametrize("rows", [0, 1, 1280])
def test_without_another_column_that_tells_shares_alone_do(beside: int, rows: int) -> None:
    old, classes = drawn(1, 3840)[0], drawn(2, 1280)[0][:rows]
    turn = turning(np.zeros((3840, beside)))
    found = Renaming(looks(old, np.zeros((3840, beside)), turn), looks(24 + classes, np.zeros((rows, beside)), turn))
    assert bool(found.impossible) == (rows < 1280)
    assert rows < 1280 or found.codes == means(KEPT)
    assert rows < 1280 or not found.unlike(found.best)


# -- of the columns of a service -----------------------------------------------------------------------------------
def seen(seed: int, count: int, comes: Table, shares: Table = SHARES) -> InferenceWindow:
    classes, beside = drawn(seed, count, shares)
    at = START.timestamp() - np.arange(count, 0, -1.0)
    features = np.stack((beside, comes[classes.astype(int)]), axis=1)
    scores = np.full(count, 0.9)
    return InferenceWindow("score", ("x", "c"), at, features, scores, np.ones(count), np.full(count, "v2"))


def told(comes: Table, shares: Table = SHARES, *, would: float | None = None, known: Codes = ()) -> Spoil:
    records = Records()
    if would is not None:
        records.gain, records.would = (0.0, 0.0, 0.0), would
    before, now = seen(1, 3840, np.arange(6.0), shares), seen(2, 1280, comes, shares)
    found = tuple(spoils(Columns(before.names, before.features), Columns(now.names, now.features)))
    (spoil,) = renamed(found, Rows(before, now, "v2", records), {"c": known} if known else {})
    return spoil


def test_a_column_of_renamed_classes_is_read_by_a_table() -> None:
    assert told(24.0 + MIXED).codes == means(MIXED)
    assert told(np.array([0.0, 9, 2, 3, 4, 5])).codes == ((9, 1),)  # one of them, and the others as ever


@pytest.mark.parametrize(("would", "sure"), [(None, False), (0.9, False), (1.0, True)])
def test_what_the_model_answers_says_whether_a_mistake_matters(would: float | None, sure: bool) -> None:
    """It answers 1 - ``would`` of the rows of a class otherwise were they of another; None: nobody can ask it."""
    spoil = told(24.0 + MIXED, LIKE, would=would)
    assert bool(spoil.codes) == sure
    assert sure or "which classes they are is not sure" in spoil.text


def test_what_was_renamed_and_comes_again_as_before_is_known_by_its_codes() -> None:
    table: Codes = tuple((code, 24 + int(other)) for code, other in enumerate(MIXED))
    assert told(24.0 + MIXED, LIKE).codes == ()
    assert told(24.0 + MIXED, LIKE, known=table).codes == tuple(sorted((other, code) for code, other in table))
    rows = seen(2, 300, np.arange(6.0))
    one = Spoil("category_new", "c", 1.0, "")
    assert again((one,), rows, {"c": means(MIXED)})[0].codes == tuple(sorted((b, a) for a, b in means(MIXED)))
    assert again((one,), rows, {})[0].codes == ()
    assert back_again("c", seen(2, 300, 24.0 + KEPT), {"c": means(MIXED)}) == ()
