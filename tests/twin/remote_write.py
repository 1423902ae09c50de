"""Prometheus' remote write, by hand: samples with their exact bits, stale markers included."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import requests

from simulator.twin.promql.samples import STALE, Samples

STALE_NAN = struct.pack("<Q", 0x7FF0000000000002)
SLICE = 100  # instants sent at once


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _series(labels: dict[str, str], samples: Iterator[tuple[int, bytes]]) -> bytes:
    body = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(labels.items()))
    for at, bits in samples:
        body += _field(2, b"\x09" + bits + b"\x10" + _varint(at))
    return _field(1, body)


def _snappy(data: bytes) -> bytes:
    """The block format of snappy, of literals alone."""
    out = bytearray(_varint(len(data)))
    for start in range(0, len(data), 65536):
        part = data[start : start + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return bytes(out)


def push(url: str, samples: Samples) -> None:
    """Send every sample, oldest first."""
    head = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
    for start in range(0, len(samples.times), SLICE):
        rows = range(start, min(start + SLICE, len(samples.times)))
        body = b"".join(_series(labels, _of(samples, n, rows)) for n, labels in enumerate(samples.labels))
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{url}/api/v1/write", data=_snappy(body), headers=head, timeout=30)
        assert answer.status_code == 204, answer.text


def _of(samples: Samples, column: int, rows: range) -> Iterator[tuple[int, bytes]]:
    for row in rows:
        if samples.state[row, column]:
            bits = STALE_NAN if samples.state[row, column] == STALE else struct.pack("<d", samples.values[row, column])
            yield int(samples.times[row]), bits


def joined(*parts: Samples) -> Samples:
    """Put sets of series with grids of their own on one grid."""
    times = np.unique(np.concatenate([part.times for part in parts]))
    values, states = [], []
    for part in parts:
        shape = (len(times), len(part.labels))
        value, state = np.full(shape, np.nan), np.zeros(shape, dtype=np.uint8)
        places = np.searchsorted(times, part.times)
        value[places], state[places] = part.values, part.state
        values.append(value)
        states.append(state)
    return Samples(sum((part.labels for part in parts), ()), times, np.hstack(values), np.hstack(states))
