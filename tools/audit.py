"""The auditor: reads a journal's rows as they lie on the disk, and finds whatever was done to them.

A changed, dropped, reordered or inserted row breaks the chain of hashes at its place. Whoever rewrites every hash after
it is found by the checkpoints: every so often the writer signs the last hash, and only the owner of the key can sign.
What was cut off the end together with its checkpoints is found by a head that was noted elsewhere.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from tools.chain import GENESIS, link

CHECKPOINT = "CHECKPOINT"
SUBJECT = "audit"
_REMEMBERED = 1000  # hashes that a checkpoint may refer to; its writer signs the newest
_MOST = 1000  # faults that are told one by one


class Row(NamedTuple):
    """One entry as stored."""

    seq: int
    at: str
    subject: str
    kind: str
    body: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the record does not hold together."""

    seq: int
    what: str  # "changed" | "missing" | "out of place" | "forged checkpoint" | "end" | "unsigned"
    text: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What the auditor found. ``signed``: the last entry that a valid signature covers, with all before it."""

    entries: int
    head: str
    checkpoints: int
    signed: int
    faults: tuple[Fault, ...]
    count: int  # of faults, told or not

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0


Verify = Callable[[bytes, bytes], bool]
"""Whether a signature (second) of a message (first) is the owner's."""


def message(seq: int, digest: str) -> bytes:
    """Return what a checkpoint signs."""
    return f"prunella journal checkpoint 1\n{seq}\n{digest}\n".encode()


def audit(
    rows: Iterable[Row], head: tuple[int, str] | None, verify: Verify | None, expect: tuple[int, str] | None = None
) -> Audit:
    """Examine rows in their order. ``head``: the last link as stored; ``expect``: an entry and hash noted elsewhere."""
    auditor = _Auditor(verify, expect)
    for row in rows:
        auditor.read(row)
    return auditor.report(head)


class _Auditor:
    def __init__(self, verify: Verify | None, expect: tuple[int, str] | None) -> None:
        self._verify, self._expect = verify, expect
        self._seq, self._hash = 0, GENESIS
        self._recent: OrderedDict[int, str] = OrderedDict()
        self._checkpoints = self._signed = self._rows = self._count = 0
        self._faults: list[Fault] = []
        self._met = expect is None

    def read(self, row: Row) -> None:
        """Examine the next row."""
        if row.seq != self._seq + 1:
            self._order(row)
        if link(row.previous, str(row.seq), row.at, row.subject, row.kind, row.body) != row.hash:
            self._fault(row.seq, "changed", f"entry {row.seq} was changed: its hash is not that of its content")
        elif row.previous != self._hash and row.seq == self._seq + 1:
            self._fault(row.seq, "out of place", f"entry {row.seq} does not follow the entry before it")
        self._seq, self._hash, self._rows = row.seq, row.hash, self._rows + 1
        self._recent[row.seq] = row.hash
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        if row.kind == CHECKPOINT:
            self._checkpoint(row)
        if self._expect is not None and row.seq == self._expect[0]:
            self._met = True
            if row.hash != self._expect[1]:
                self._fault(
                    row.seq, "changed", f"entry {row.seq} is not the one that was noted: the past was rewritten"
                )

    def report(self, head: tuple[int, str] | None) -> Audit:
        """Return what was found, the end of the journal included."""
        if head is None:
            self._fault(self._seq, "end", "the last link is missing")
        elif head != (self._seq, self._hash):
            self._fault(self._seq, "end", f"the last link speaks of entry {head[0]}, but the last entry is {self._seq}")
        if not self._met and self._expect is not None:
            self._fault(self._expect[0], "end", f"entry {self._expect[0]} that was noted is not there any more")
        return Audit(self._rows, self._hash, self._checkpoints, self._signed, tuple(self._faults), self._count)

    def _order(self, row: Row) -> None:
        wanted = self._seq + 1
        if row.seq > wanted:
            last = f" to {row.seq - 1}" if row.seq - 1 > wanted else ""
            self._fault(wanted, "missing", f"entry {wanted}{last} is missing")
        else:
            self._fault(row.seq, "out of place", f"entry {row.seq} stands after entry {self._seq}")

    def _checkpoint(self, row: Row) -> None:
        self._checkpoints += 1
        if self._verify is None:
            return
        try:
            body = orjson.loads(row.body)
            seq, digest, signature = int(body["seq"]), str(body["hash"]), bytes.fromhex(body["signature"])
        except (ValueError, KeyError, TypeError):
            self._fault(row.seq, "forged checkpoint", f"checkpoint {row.seq} cannot be read")
            return
        if not self._verify(message(seq, digest), signature):
            self._fault(row.seq, "forged checkpoint", f"checkpoint {row.seq} does not bear the owner's signature")
        elif self._recent.get(seq) != digest:
            self._fault(row.seq, "forged checkpoint", f"entry {seq} is not the one that checkpoint {row.seq} signed")
        else:
            self._signed = seq

    def _fault(self, seq: int, what: str, text: str) -> None:
        self._count += 1
        if len(self._faults) < _MOST:
            self._faults.append(Fault(seq, what, text))
