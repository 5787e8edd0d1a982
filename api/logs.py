"""Log lines: JSON for programs, readable ones for a person at a terminal."""

from __future__ import annotations

import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from market_master.config.environment import log_format


def configure_logs() -> None:
    """LOG=json or LOG=text; unless set, text where stdout is a terminal."""
    renderers: list[Processor] = [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # they may hold keys
        structlog.processors.JSONRenderer(),
    ]
    if log_format("text" if sys.stdout.isatty() else "json") == "text":
        renderers = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        cache_logger_on_first_use=True,
    )
