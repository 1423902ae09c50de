"""The daemon's own log: console lines for people, JSON lines for collectors; secrets never get that far."""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from config.settings import LogSettings

_SECRET = ("token", "api_key", "password", "authorization", "secret")


def set_up(settings: LogSettings, stream: TextIO) -> None:
    """Configure structlog for the process."""
    pretty = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    last: Any = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            redact,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace the value of every field whose name sounds like a secret."""
    return {name: "***" if any(word in name.lower() for word in _SECRET) else value for name, value in event.items()}
