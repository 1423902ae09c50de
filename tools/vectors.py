"""Names of the elements of vectors, such as embeddings, where the inputs of a model are one table of numbers."""

import re
from collections.abc import Sequence

_ELEMENT = re.compile(r"^(.+)\[\d+\]$")


def element(column: str, place: int) -> str:
    """Return the name of one element of a column of vectors.

    >>> element("text", 3)
    'text[3]'
    """
    return f"{column}[{place}]"


def vectors(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of the elements of each vector among the names of inputs.

    >>> vectors(("size", "text[0]", "text[1]"))
    {'text': [1, 2]}
    """
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if match := _ELEMENT.match(name):
            found.setdefault(match[1], []).append(place)
    return found
