"""Bars from your own files: one, or a folder of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market_master.domain.errors import IntervalMismatch, NoBars, NotOhlcv
from market_master.domain.sessions import INTERVALS, exchange_zone
from market_master.plugins import mark
from market_master.providers import Fetched, Query
from market_master.providers.normalise import normalise
from market_master.providers.styles import SUFFIXES, Table, read

MOST_REFUSED = 10
"""of the list of refused files in an error"""


@mark("providers", "files")
class Files:
    """CSV, Parquet, Feather and JSON files of bars, in the styles of common vendors."""

    live = False

    def __init__(self, path: Path, stamp: str = "start", grid: str = "auto", timezone: str | None = None) -> None:
        self.path, self.stamp, self.grid, self.timezone = Path(path), stamp, grid, timezone

    @property
    def source(self) -> str:
        """The path makes the source: two files' series never mix."""
        return f"files-{hashlib.sha256(str(self.path.absolute()).encode()).hexdigest()[:8]}"

    def fetch(self, query: Query) -> Fetched:
        """All valid bars of the files. Raises NotOhlcv naming each refused file, IntervalMismatch, MixedGrid, NoBars."""
        zone = self.timezone or exchange_zone(query.calendar)
        frames, zones, notes, refused = [], set(), [], []
        for file in self._files():
            try:
                table = read(file)
                frame, told = _in_utc(table, zone, query.interval, file)
            except NotOhlcv as error:
                refused.append(str(error))
                continue
            if not table.names_symbols and len(query.symbols) == 1 and self.path.is_file():
                frame["symbol"] = query.symbols[0]
            frame = frame[frame["symbol"].isin(query.symbols)] if query.symbols else frame
            _require_interval(frame, query.interval, file)
            frames.append(frame)
            zones.add(told)
            notes += [table.note] if table.note else []
        if refused:
            more = f" (and {len(refused) - MOST_REFUSED} more)" if len(refused) > MOST_REFUSED else ""
            raise NotOhlcv(" ".join(refused[:MOST_REFUSED]) + more, refused=len(refused))
        rows = pd.concat(frames, ignore_index=True)
        if rows.empty:
            raise NoBars(f"{self.path.name} has no bars of {', '.join(query.symbols)}.", symbols=query.symbols)
        told = ", ".join(sorted(zones))
        return normalise(rows, query, grid=self.grid, stamp=self.stamp, zones=told, notes=tuple(notes))

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise NoBars(f"There is no file or folder {self.path}; set provider.path (or MM_PROVIDER__PATH).")
        found = sorted(file for file in self.path.rglob("*") if file.is_file() and file.name.endswith(SUFFIXES))
        if not found:
            raise NoBars(f"The folder {self.path} holds no file that ends in {', '.join(SUFFIXES)}.")
        return found


def _in_utc(table: Table, zone: str, interval: str, file: Path) -> tuple[pd.DataFrame, str]:
    """Stamps as UTC datetimes, or as plain dates for daily bars, and how they were read."""
    stamps = table.frame["stamp"]
    try:
        moments, told = _moments(stamps, table.zone or zone, interval)
    except (ValueError, TypeError) as error:
        raise NotOhlcv(
            f"{file.name} has time stamps that can't be read, such as '{stamps.iloc[0]}': {error}."
        ) from error
    return table.frame.assign(stamp=moments), told


def _moments(stamps: Any, zone: str, interval: str) -> tuple[Any, str]:
    if pd.api.types.is_numeric_dtype(stamps):
        unit: Any = "ms" if stamps.abs().max() > 1e11 else "s"
        return pd.to_datetime(stamps, unit=unit, utc=True), f"epoch {unit}"
    text = not pd.api.types.is_datetime64_any_dtype(stamps)
    if interval == "1d":
        days = stamps.astype(str).str.slice(0, 10) if text else stamps
        parsed = pd.to_datetime(days, format=_format(days)) if text else days
        return parsed.dt.tz_localize(None).dt.normalize() if parsed.dt.tz else parsed.dt.normalize(), "session dates"
    if text and stamps.astype(str).str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).all():
        return pd.to_datetime(stamps, utc=True, format="ISO8601"), "own offsets"
    parsed = pd.to_datetime(stamps, format=_format(stamps)) if text else stamps
    if parsed.dt.tz is not None:
        return parsed.dt.tz_convert("UTC"), "own zone"
    local = parsed.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return local.dt.tz_convert("UTC"), f"naive, taken as {zone}"


def _format(stamps: pd.Series) -> str:
    """DD/MM/YYYY or MM/DD/YYYY, told by a first or second number above 12; ISO otherwise."""
    parts = stamps.astype(str).str.extract(r"^(\d{1,2})/(\d{1,2})/\d{4}(.*)$").dropna()
    if parts.empty:
        return "ISO8601"
    first, second = parts[0].astype(int).max(), parts[1].astype(int).max()
    if first <= 12 and second <= 12:
        raise ValueError("day and month can't be told apart")
    clock = " %H:%M:%S" if parts[2].str.count(":").max() == 2 else " %H:%M" if parts[2].str.strip().any() else ""
    return ("%d/%m/%Y" if first > 12 else "%m/%d/%Y") + clock


def _require_interval(frame: pd.DataFrame, interval: str, file: Path) -> None:
    """The usual step between a symbol's bars has to be the interval asked for."""
    if len(frame) < 3:
        return
    first = frame[frame["symbol"] == frame["symbol"].iloc[0]]["stamp"].dropna().drop_duplicates().sort_values()
    steps = first.diff().dropna().dt.total_seconds()
    found, wanted = float(steps.mode().iloc[0]) if len(steps) else np.nan, INTERVALS[interval]
    if len(steps) > 1 and found != wanted:
        raise IntervalMismatch(
            f"{file.name} holds bars of {found:.0f} seconds, {interval} bars ({wanted} seconds) are asked for.",
            found=found,
            wanted=wanted,
        )
