"""Columns of embeddings: two clouds of vectors compared as they are; of another length, they are another encoder's."""

from dataclasses import dataclass, field

import numpy as np

from agent.drift.finding import Fault, Joint, Limits
from agent.drift.joint import embeddings_moved
from tools.errors import Malformed
from tools.tables import Table

ROWS = 5_000  # drawn on either side


@dataclass
class Shown:
    """What columns of vectors, or of free text, show; ``names``: those that were compared."""

    names: list[str] = field(default_factory=list)
    joint: list[Joint] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def columns_of_vectors(reference: Table, current: Table) -> list[str]:
    """Return the names of columns that hold vectors on both sides."""
    there = {each.name for each in current.fields if each.vector}
    return [each.name for each in reference.fields if each.vector and each.name in there]


def vector_moves(reference: Table, current: Table, limits: Limits, alpha: float) -> Shown:
    """Compare every column of vectors; ``alpha`` is spent on all of them together."""
    found, names = Shown(), columns_of_vectors(reference, current)
    for name in names if limits.sample else ():
        try:
            one, two = (table.vectors(name, ROWS, limits.seed + at) for at, table in enumerate((reference, current)))
        except Malformed as error:
            found.notes.append(f"{name}: not compared, {error}")
            continue
        if one.shape[1] != two.shape[1]:
            text = f"vectors of {two.shape[1]} numbers, were {one.shape[1]}: another encoder wrote them"
            found.faults.append(Fault(column=name, kind="type", text=text, share=1.0, sure=1.0))
            continue
        one, two = (side[np.isfinite(side).all(axis=1)] for side in (one, two))
        for test in embeddings_moved(one, two, alpha / len(names), limits.seed):
            found.joint.append(test.model_copy(update={"feature": name, "text": f"{name}: {test.text}"}))
    return found
