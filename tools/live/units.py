"""Units behind numbers, as dashboards export them: ``412 ms``, ``1.2 s``, ``38 %``, ``3.5 GiB``."""

from collections.abc import Collection, Mapping
from typing import Final

_WAYS: Final[tuple[Mapping[str, float], ...]] = (
    {
        "ns": 1e-9,
        "µs": 1e-6,  # the sign of its own
        "μs": 1e-6,  # the Greek letter
        "us": 1e-6,
        "ms": 1e-3,
        "s": 1.0,
        "sec": 1.0,
        "secs": 1.0,
        "min": 60.0,
        "mins": 60.0,
        "h": 3600.0,
        "hour": 3600.0,
        "hours": 3600.0,
        "day": 86400.0,
        "days": 86400.0,
    },
    {"B": 1.0, "bytes": 1.0}
    | {f"{prefix}B": 1000.0**power for power, prefix in enumerate(("k", "M", "G", "T", "P"), 1)}
    | {f"{prefix}iB": 1024.0**power for power, prefix in enumerate(("K", "M", "G", "T", "P"), 1)},
    {"": 1.0, "K": 1e3, "k": 1e3, "Mil": 1e6, "Bil": 1e9, "Tri": 1e12},
)


def factors(units: Collection[str]) -> Mapping[str, float] | None:
    """Return by what numbers with these units are multiplied to be of one: seconds, bytes, a count, or as they are.

    None where they cannot be brought together. Doctest as specification:

    >>> factors({"ms", "s"})
    {'ms': 0.001, 's': 1.0}
    >>> factors({"EUR"})
    {'EUR': 1.0}
    >>> factors({"EUR", "USD"}) is None
    True
    """
    for way in _WAYS:
        if all(unit in way for unit in units):
            return {unit: way[unit] for unit in sorted(units)}
    return dict.fromkeys(units, 1.0) if len(units) == 1 else None
