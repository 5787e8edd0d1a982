"""Time stamps of files: text or counts, with an offset or without.

Day first or month first.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from market_master.domain import ConfigError, NotOhlcv

_OFFSET = r"(:\d\d(?:\.\d+)?) ?(?:Z|[+-]\d\d(?::?\d\d)?)$"
_UTC = ("Z", "+00:00", "+0000")
"""after a clock time: the -02 of 2024-01-02 is none"""
_SLASHED = r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(.*)$"
_EPOCHS = {"s": 1e9, "ms": 1e12, "us": 1e15, "ns": 1e18}
"""unit -> about its count of 2001; a count is read in the largest unit that it reaches"""


@dataclass(frozen=True)
class Stamps:
    """A column of stamps: what a clock where they were made showed, and the instants if the file tells them."""

    wall: pd.Series
    """datetimes without a zone, NaT where unreadable"""
    instant: pd.Series | None
    """datetimes in UTC; None when the stamps have no offset"""
    reading: str
    """how they were read"""

    @property
    def dates(self) -> bool:
        """Whether there is no time of day in them."""
        return bool((self.wall.dropna() == self.wall.dropna().dt.normalize()).all())


def read_stamps(column: pd.Series) -> Stamps:
    """Text, counts since 1970 (s to ns), YYYYMMDD or datetimes as Stamps.

    Raises NotOhlcv, without the file's name, when the half of them can't be read or in two ways.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return Stamps(column.dt.tz_localize(None), column.dt.tz_convert("UTC"), "offset in the file")
    if pd.api.types.is_datetime64_dtype(column.dtype):
        return Stamps(column, None, "no offset")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _counted(column.astype(float))
    text = column.astype("str").str.strip().str.replace(r" ?UTC$", "Z", regex=True)
    counts = pd.to_numeric(text, errors="coerce")
    return _counted(counts) if counts.notna().mean() > 0.5 else _written(text)


def session_dates(stamps: Stamps, *, zone: str, calendar_zone: str, ends: bool) -> pd.Series:
    """The session date of daily stamps: midnights are dates as they are written, other instants fall on a local day.

    `zone` is that of stamps without an offset, `calendar_zone` the exchange's, whose day counts. `ends`: a stamp is
    the bar's end, and a midnight with an offset belongs to the day before.
    """
    if stamps.dates and (stamps.instant is None or not ends):
        return stamps.wall
    inside = instants(stamps, zone) - pd.Timedelta(seconds=int(ends))
    return inside.dt.tz_convert(calendar_zone).dt.tz_localize(None).dt.normalize()


def instants(stamps: Stamps, zone: str) -> pd.Series:
    """UTC instants; without an offset they are clock times of a zone, NaT where it showed them twice or never."""
    if stamps.instant is not None:
        return stamps.instant
    return stamps.wall.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")


def known_zone(name: str) -> str:
    """The name, if it is a time zone's. Raises ConfigError."""
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"'{name}' is no time zone; provider.timezone takes names such as America/New_York."
        ) from error


def _counted(counts: pd.Series) -> Stamps:
    known = counts[np.isfinite(counts)]
    size = float(known.abs().median()) if len(known) else 0.0
    if ((known >= 1900_01_01) & (known <= 2200_01_01)).all() and (known % 100).between(1, 31).all():
        days = counts.map("{:.0f}".format, na_action="ignore")
        return Stamps(pd.to_datetime(days, format="%Y%m%d", errors="coerce"), None, "dates")
    reached = [unit for unit, count in _EPOCHS.items() if size >= count / 100]
    if not reached:
        raise NotOhlcv(f"its time stamps, such as {size:g}, are neither dates nor counts since 1970")
    per_second = _EPOCHS[reached[-1]] / 1e9
    seconds = (counts / per_second).round(3)
    instant = pd.to_datetime(seconds, unit="s", utc=True, errors="coerce")
    return Stamps(instant.dt.tz_localize(None), instant, f"{reached[-1]} since 1970")


def _written(text: pd.Series) -> Stamps:
    there = text.notna()
    offset = text.str.contains(_OFFSET.replace("(:", "(?::"), na=False)
    if (offset & there).any() and not offset[there].all():
        raise NotOhlcv(
            f"{int((there & ~offset).sum())} of its {int(there.sum())} time stamps have no offset, others have"
        )
    if offset.any():
        instant = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        if text[there].str.endswith(_UTC).all():
            wall = instant.dt.tz_localize(None)
        else:
            wall = pd.to_datetime(text.str.replace(_OFFSET, r"\1", regex=True), format="ISO8601", errors="coerce")
        stamps = Stamps(wall, instant, "offset in the file")
    else:
        stamps = Stamps(pd.to_datetime(_years_first(text), format="ISO8601", errors="coerce"), None, "no offset")
    unread = there & (stamps.wall.isna() if stamps.instant is None else stamps.instant.isna())
    if unread.sum() * 2 > there.sum() or not there.any():
        example = f"'{text[unread].iloc[0]}'" if unread.any() else "an empty cell"
        raise NotOhlcv(f"its time stamps, such as {example}, can't be read")
    return stamps


def _years_first(text: pd.Series) -> pd.Series:
    """DD/MM/YYYY or MM/DD/YYYY, whichever the column shows it is, turned round; other text as it is."""
    parts = text.str.extract(_SLASHED)
    if parts[0].notna().mean() <= 0.5:
        return text
    first, second = (pd.to_numeric(parts[part]) for part in (0, 1))
    if (first.max() > 12) == (second.max() > 12):
        raise NotOhlcv(
            f"its dates, such as '{text.iloc[0]}', leave day and month that can't be told apart; write YYYY-MM-DD"
        )
    day, month = (parts[0], parts[1]) if first.max() > 12 else (parts[1], parts[0])
    return parts[2] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2) + parts[3]
