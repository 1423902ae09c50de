"""A value in words: with the unit of its signal, and no more digits than anybody reads."""

from collections.abc import Callable

from tools.catalogue import named

NO_DATA = "no data"

_FORMS: dict[str, Callable[[float], str]] = {
    "s": lambda value: f"{value * 1000:.0f}ms" if abs(value) < 1 else f"{value:.3g}s",
    "ratio": lambda value: f"{value * 100:.3g}%",
    "0..1": lambda value: f"{value * 100:.3g}%",
    "%": lambda value: f"{value:.3g}%",
    "1/s": lambda value: f"{_short(value)}/s",
    "C": lambda value: f"{value:.0f}°C",
    "MHz": lambda value: f"{value:.0f}MHz",
    "money/h": lambda value: f"{value:.2f}/h",
    "tokens": lambda value: f"{_short(value)} tokens",
}


def figure(signal: str, value: float | None) -> str:
    """Return a value in the unit of its signal: ``ttft_p95`` 0.41 is ``410ms``, ``error_ratio`` 0.02 is ``2%``."""
    if value is None:
        return NO_DATA
    specs = named(signal)
    return _FORMS.get(specs[0].unit if specs else "", _short)(value)


def beside(signal: str, now: float, word: str, other: float) -> str:
    """Return two values of a signal: ``beside("requests", 5.4, "before", 3.8)`` is ``5.4/s, before 3.8/s``."""
    return f"{figure(signal, now)}, {word} {figure(signal, other)}"


def _short(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if suffix == 'k' else size):.3g}{suffix}"
    return f"{value:.4g}"
