"""Instants: the wall clock, and epoch seconds as ISO 8601."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DAY = 86400


@lru_cache(maxsize=4096)
def iso(instant: int) -> str:
    """Epoch seconds as ISO 8601 in UTC, the one way instants are written."""
    return datetime.fromtimestamp(int(instant), UTC).isoformat().replace("+00:00", "Z")


def instant(text: str) -> int:
    """The epoch seconds that `iso` wrote."""
    return int(datetime.fromisoformat(text).timestamp())


def session_date(day: int) -> date:
    """A session number (days since 1970-01-01) as a date."""
    return date(1970, 1, 1) + timedelta(days=int(day))


def now() -> int:
    """The wall clock, epoch seconds."""
    return int(datetime.now(UTC).timestamp())
