"""XID codes as data: which ones a replica does not survive. Source: NVSentinel's xiderrorsmapping (see docs)."""

from datetime import timedelta

FATAL: frozenset[int] = frozenset(
    (46, 48, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143, 151, 155, 156, 158, 160, 162, *range(144, 151))
)
RESTART_APP: frozenset[int] = frozenset((8, 11, 13, 25, 31, 32, 39, 40, 41, 60, 94))
STICKY = timedelta(minutes=30)  # an XID so much older than a service's first sign is none of its cause
MACHINE = "machine"  # the detector of a sick machine that nobody feels
