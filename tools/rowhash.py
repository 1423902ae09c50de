"""Hashes of rows, 64 bits: equal rows have equal ones, and others almost surely do not."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tools.grid import Reals
from tools.tables import Column, Labels

Hashes = NDArray[np.uint64]
MIX = np.uint64(0x9E3779B97F4A7C15)
SIEVES: dict[int, np.uint32 | np.uint64] = {  # by bytes of a value; not MIX, which must mix what passes as well
    4: np.uint32(0x85EBCA6B),
    8: np.uint64(0xD6E8FEB86659FD93),
}


def mixed(hashes: Hashes, bits: Hashes) -> Hashes:
    """Return the hashes of rows with one more column of them."""
    bits = (hashes ^ bits) * MIX
    return bits ^ (bits >> np.uint64(29))


def sieved(values: Reals, bits: int) -> NDArray[np.int64]:
    """Return the rows of about one in ``2 ** bits`` values, the same ones wherever they stand."""
    sieve = SIEVES[values.itemsize]
    spread = (values + values.dtype.type(0.0)).view(sieve.dtype) * sieve  # minus nought is nought
    return np.flatnonzero(spread <= np.iinfo(sieve.dtype).max >> bits)


def coded(column: Column) -> Hashes:
    """Return 64 bits per row; text by its codes, that mean something within one column alone."""
    if isinstance(column, Labels):
        return column.codes.astype(np.int64).view(np.uint64)
    return np.ascontiguousarray(column.values).view(np.uint64)


def spelt(column: Column) -> Hashes:
    """Return 64 bits per row that are the same wherever a value comes from; text by its letters."""
    if not isinstance(column, Labels):
        return np.ascontiguousarray(column.values + 0.0).view(np.uint64)
    known = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") for name in column.names]
    return np.array([*known, 0], np.uint64)[column.codes]


def repeated(hashes: Hashes) -> float:
    """Return the share of hashes that repeat an earlier one; nought where there are none."""
    ordered = np.sort(hashes)
    return float((ordered[1:] == ordered[:-1]).sum()) / max(len(hashes), 1)
