"""Saved state: arrays and a few words beside them, as bytes that say what they are."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import State

WORDS = "words"


def pack(arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> bytes:
    """Return arrays, and words that JSON can hold, compressed.

    >>> arrays, words = unpack(pack({"a": np.arange(3)}, {"keys": ["x"]}))
    >>> arrays["a"].tolist(), words
    ([0, 1, 2], {'keys': ['x']})
    """
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(words).encode(), np.uint8)
    np.savez_compressed(file, allow_pickle=False, **{**arrays, WORDS: text})
    return file.getvalue()


def unpack(saved: bytes) -> tuple[State, dict[str, Any]]:
    """Return what was packed; ``ValueError`` when these bytes are nothing of the kind."""
    try:
        with np.load(io.BytesIO(saved), allow_pickle=False) as found:
            arrays: State = dict(found)
        words = json.loads(arrays.pop(WORDS).tobytes())
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError("saved state cannot be read") from error
    return arrays, words


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> State:
    """Return the arrays under a name, by the rest of theirs: ``"a.b"`` is ``"b"`` under ``"a"``."""
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}


def named(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> State:
    """Return arrays put under a name."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def joined(arrays: Mapping[str, NDArray[Any]]) -> State:
    """Return the arrays of all blocks, laid end to end; ``ValueError`` where a block lacks one.

    >>> {name: array.tolist() for name, array in joined({"0.a": np.arange(2), "1.a": np.arange(3)}).items()}
    {'a': [0, 1, 0, 1, 2]}
    """
    blocks = sorted({int(name.partition(".")[0]) for name in arrays})
    try:
        return {
            name: np.concatenate([arrays[f"{block}.{name}"] for block in blocks], axis=-1)
            for name in under("0", arrays)
        }
    except KeyError as error:
        raise ValueError(f"saved state does not fit: no {error}") from error
