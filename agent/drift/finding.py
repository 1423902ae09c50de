"""What a drift report says: frozen values that travel as JSON."""

from typing import Literal

from config.frozen import Frozen

Verdict = Literal["moved", "slight", "same", "unsure"]


class Limits(Frozen):
    """What counts as news."""

    false_alarms: float = 0.01  # chance that a report on data of which nothing moved says that something did
    least: float = 0.02  # smallest effect worth a person's time: distance of distribution functions, or of shares
    strong: float = 0.10  # effects from here on are called strong
    rows: int = 100  # fewer rows on either side: no verdict
    exact_rows: int = 2_000_000  # more rows: distances from sketches made in the engine, with their error
    sample: int = 100_000  # rows drawn where all cannot be held; 0: no joint tests, segments and dates
    seed: int = 0


class Measures(Frozen):
    """Distances of one feature. ``*_error``: the exact value lies within value +- error; 0 when exact."""

    ks: float | None = None
    ks_error: float = 0.0
    wasserstein: float | None = None  # in the feature's unit
    wasserstein_error: float = 0.0
    wasserstein_scaled: float | None = None  # in spreads of the reference (a standard deviation, if it were normal)
    psi: float
    jensen_shannon: float
    chi_square: float


class Picture(Frozen):
    """Shares of the rows in equal bins from ``low`` to ``high``, for drawing."""

    low: float
    high: float
    before: tuple[float, ...]
    after: tuple[float, ...]


class Move(Frozen):
    """What became of one feature. ``effect`` is the distance of the distribution functions (numbers) or half the sum
    of the changes of shares (categories), in [0, 1], with a 95 % interval."""

    feature: str
    kind: Literal["number", "category", "nulls"]
    verdict: Verdict
    effect: float
    effect_low: float
    effect_high: float
    q: float
    text: str
    rows: tuple[int, int]
    measures: Measures | None = None
    importance: float | None = None
    since: str | None = None
    picture: Picture | None = None


class Fault(Frozen):
    """A data-quality fault, named as what it is: its cure is upstream, not retraining."""

    column: str
    kind: str
    text: str
    share: float  # of the current rows
    sure: float  # 0 to 1
    example: str = ""


class Joint(Frozen):
    """Whether features moved together in a way that no single one shows."""

    test: str
    verdict: Verdict
    statistic: float
    p: float
    text: str
    feature: str = ""  # a column of vectors; empty: of all features together


class SegmentMove(Frozen):
    """A feature that moved inside one segment."""

    segment: str
    value: str
    feature: str
    effect: float
    q: float
    rows: tuple[int, int]
    text: str


def many(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class Side(Frozen):
    """One of the tables compared."""

    name: str
    rows: int


class DriftReport(Frozen):
    """All of it. ``headline`` is the one sentence to read first."""

    headline: str
    reference: Side
    current: Side
    limits: Limits
    moves: tuple[Move, ...]
    faults: tuple[Fault, ...] = ()
    joint: tuple[Joint, ...] = ()
    segments: tuple[SegmentMove, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def alarming(self) -> bool:
        """Whether a person should look."""
        moved = any(move.verdict == "moved" for move in self.moves)
        return bool(moved or self.faults or self.segments or any(one.verdict == "moved" for one in self.joint))
