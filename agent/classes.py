"""Columns of codes that were never seen, where these are learnt classes under other names: which means which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agent.analysts.columns import Spoil
from agent.renaming import RISK, Looks, Renaming, centred, looks, turning
from tools.action import Codes
from tools.errors import ToolError
from tools.ports import Registry
from tools.records import InferenceWindow

NEW = "category_new"  # the finding


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of right before and of now, the version that answered those of before, and who can ask it again."""

    before: InferenceWindow
    now: InferenceWindow
    version: str
    registry: Registry

    def looks(self, column: str, beside: Sequence[str]) -> Renaming:
        """Return what the classes of a column look like before and now."""
        places = [self.before.names.index(name) for name in beside]
        turn = turning(centred(self.before.features[:, places]))
        return Renaming(*(self._of(rows, column, places, turn) for rows in (self.before, self.now)))

    def _of(self, rows: InferenceWindow, column: str, places: list[int], turn: NDArray[np.float64]) -> Looks:
        return looks(rows.features[:, rows.names.index(column)], rows.features[:, places], turn)

    def differ(self, column: str, one: int, other: int) -> float:
        """Return the share of the rows of a class that would be answered otherwise were they of another class.

        What the version answered counts as right, and it answers again: all of them where that is not known.
        """
        rows, place = self.before, self.before.names.index(column)
        some = (np.rint(rows.features[:, place]) == one) & (rows.version == self.version) & np.isfinite(rows.scores)
        asked = rows.where(some)
        features = asked.features.copy()
        features[:, place] = other
        asked = replace(asked, features=features, labels=(asked.scores >= 0.5).astype(np.float64))
        try:
            return 1.0 - self.registry.compare_on(self.version, self.version, asked).accuracy[self.version]
        except ToolError:
            return 1.0


def renamed(found: Sequence[Spoil], rows: Rows, known: Mapping[str, Codes]) -> tuple[Spoil, ...]:
    """Return what was found, with the codes of each column of renamed classes; else with why they are not known.

    ``known``: what the version that serves was made to read otherwise. Where just those classes come, it is over.
    """
    names = rows.before.names
    if rows.now.names != names or not any(spoil.finding == NEW for spoil in found) or not len(rows.before.at):
        return tuple(found)
    spoiled = {name for spoil in found for name in (spoil.column, spoil.other)}
    beside = [name for name in names if name not in spoiled]
    risk, out = 0.0, []
    for spoil in found:
        if spoil.finding != NEW:
            out.append(spoil)
            continue
        renaming = rows.looks(spoil.column, beside)
        told = _told(renaming, back_again(spoil.column, rows.now, known))
        if isinstance(told, str):
            out.append(replace(spoil, text=f"{spoil.text}, {told}"))
            continue
        codes, likely = told
        risk += 0.0 if likely else renaming.risk(partial(rows.differ, spoil.column))
        out.append(replace(spoil, codes=codes))
    if risk <= RISK:
        return tuple(out)
    why = f"and which classes they are is not sure: {risk:.1%} of the answers may be wrong"
    return tuple(replace(spoil, codes=(), text=f"{spoil.text}, {why}") if spoil.codes else spoil for spoil in out)


def _told(renaming: Renaming, known: Codes) -> tuple[Codes, bool] | str:
    """Return which code means which class, and whether that was known; else why it cannot be told."""
    if why := renaming.impossible:
        return why
    if known:
        places = {code: place for place, code in enumerate(renaming.before.codes[renaming.gone].tolist())}
        classes = np.array([places.get(means, -1) for _, means in known])
        fits = len(known) == len(renaming.new) and (classes >= 0).all() and not renaming.unlike(classes)
        if fits:
            return known, True
    return renaming.unlike(renaming.best) or (renaming.codes, False)


def back_again(column: str, rows: InferenceWindow, known: Mapping[str, Codes]) -> Codes:
    """Return how to read the codes of a column that come again as they did before others came for them; else nothing.

    >>> rows = InferenceWindow("s", ("c",), *(np.array(x) for x in ([0.0], [[4.0]], [0.5], [1.0], ["2"])))
    >>> back_again("c", rows, {"c": ((24, 4), (25, 5))}), back_again("c", rows, {"c": ((24, 3),)})
    (((4, 24), (5, 25)), ())
    """
    table = known.get(column, ())
    codes = rows.features[:, rows.names.index(column)]
    came = set(np.rint(codes[np.isfinite(codes)]).tolist())
    # Classes that were not renamed come before and after. Of those that were, new codes must all be gone.
    still = came & {float(comes) for comes, _ in table}
    some = came & {float(means) for _, means in table}
    return tuple(sorted((means, comes) for comes, means in table)) if some and not still else ()


def again(found: Sequence[Spoil], rows: InferenceWindow, known: Mapping[str, Codes]) -> tuple[Spoil, ...]:
    """Return what was found, where classes come as they did before, with their codes."""
    codes = {spoil.column: back_again(spoil.column, rows, known) for spoil in found if spoil.finding == NEW}
    return tuple(replace(spoil, codes=codes.get(spoil.column, ())) for spoil in found)
