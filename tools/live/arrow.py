"""Arrow columns turned into ours."""

from typing import Any

import numpy as np

from tools.errors import Malformed
from tools.grid import Floats, Reals
from tools.tables import Column, Kind, Labels, Numbers


def column(read: Any, kind: Kind) -> Column:
    """Turn an Arrow column into ours; a column of no kind that we compare is read as text."""
    import pyarrow as pa

    if kind in {Kind.text, Kind.other}:
        coded = read.cast(pa.string()).combine_chunks() if isinstance(read, pa.ChunkedArray) else read.cast(pa.string())
        coded = coded.dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        return Labels(codes, tuple(coded.dictionary.to_pylist()))
    return Numbers(np.asarray(reals(read, kind), np.float64))


def reals(read: Any, kind: Kind) -> Reals:
    """Return an Arrow column of numbers, flags or instants (seconds since 1970); null is NaN.

    What is of single precision, and whole in one piece, stays so.
    """
    import pyarrow as pa

    if kind is Kind.time:
        return floats(read.cast(pa.timestamp("us"), safe=False).cast(pa.int64())) / 1e6
    if pa.types.is_float32(read.type) and not isinstance(read, pa.ChunkedArray):
        return np.asarray(read.to_numpy(zero_copy_only=False), np.float32)
    return floats(read)


def floats(read: Any) -> Floats:
    """Return an Arrow column of numbers or flags as float64, null as NaN."""
    import pyarrow as pa

    if pa.types.is_boolean(read.type):
        read = read.cast(pa.int8())
    if read.type != pa.float64():
        read = read.cast(pa.float64(), safe=False)
    if isinstance(read, pa.ChunkedArray):
        return np.asarray(read.to_numpy(), np.float64)
    return np.asarray(read.to_numpy(zero_copy_only=False), np.float64)


def stacked(read: Any) -> Floats:
    """Return an Arrow column of lists of numbers as one matrix; ``Malformed`` where their lengths differ."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = read.combine_chunks() if isinstance(read, pa.ChunkedArray) else read
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        raise Malformed(f"vectors of {min(lengths)} to {max(lengths)} numbers")
    values = floats(column.flatten()) if len(column) else np.empty(0)
    return values.reshape(len(column), -1) if len(column) else np.empty((0, 0))
