"""Provider of files: one or a folder of them, CSV, Parquet, Feather and JSON.

In the styles vendors and users have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from market_master.config.settings import ProviderSettings
from market_master.domain import DAY, INTERVALS, OHLCV, PRICES, IntervalMismatch, NoBars, NotOhlcv, exchange_zone
from market_master.market_data.providers import FetchResult, Query, file_formats, timestamps
from market_master.market_data.providers.file_formats import SPLIT
from market_master.plugins import register

MAX_NAMES_LISTED = 10
"""files or splits that a sentence names at most"""


@dataclass(frozen=True, eq=False)
class Extract:
    """The rows of all files in one form, before any cleaning."""

    rows: pd.DataFrame
    """symbol, stamp (UTC instants; of daily bars session dates), open, high, low, close, volume"""
    stamps: dict[str, str]
    """symbol -> how its stamps were read"""
    notes: tuple[str, ...]


class FilesProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `files`."""

    kind: Literal["files"]
    path: Path
    stamp: Literal["start", "end"] = "start"
    grid: Literal["auto", "session", "clock"] = "auto"
    timezone: str | None = None
    """of stamps without an offset; empty = the calendar's own zone"""


@register("market_data.providers", "files", settings=FilesProvider)
@dataclass(frozen=True)
class Files:
    """A file of bars or a folder of them; what is not OHLCV is refused by name, never skipped in silence."""

    path: Path
    stamp: str = "start"
    """what the stamps are of a bar: its start or its end"""
    grid: str = "auto"
    timezone: str | None = None
    """of stamps without an offset, in files that tell no zone; None = the calendar's own"""

    live = False

    @property
    def source(self) -> str:
        """`files-` and a hash of the absolute path."""
        return "files-" + hashlib.sha256(str(Path(self.path).absolute()).encode()).hexdigest()[:8]

    def fetch(self, query: Query) -> FetchResult:
        """All closed, valid bars of the files.

        Raises NotOhlcv (naming the refused files), IntervalMismatch, MixedGrid, NoBars (or no such path).
        """
        files, notes = self.query()
        extract = self.extract(files, query)
        fetched = self.normalise(extract, query)
        return replace(fetched, notes=(*notes, *extract.notes, *fetched.notes))

    def query(self) -> tuple[list[Path], tuple[str, ...]]:
        """The files to read, sorted, and a note on those that are not read for their names' endings."""
        path = Path(self.path)
        if not path.exists():
            raise NoBars(f"There is no file or folder {path}; set provider.path to where the bars are.")
        inside = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        inside = [file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        files = [file for file in inside if file.name.lower().endswith(file_formats.ENDINGS)]
        others = [_name(file, path) for file in inside if not file.name.lower().endswith(file_formats.ENDINGS)]
        if not files:
            if path.is_file():
                raise NotOhlcv(f"{path.name} is none of the kinds that are read: {', '.join(file_formats.ENDINGS)}.")
            raise NoBars(f"The folder {path} holds no file that ends in {', '.join(file_formats.ENDINGS)}.")
        return files, (f"Not read, for the endings of their names: {_listed(others)}.",) if others else ()

    def extract(self, files: Sequence[Path], query: Query) -> Extract:
        """The rows of the files; splits that the files tell are undone.

        Raises NotOhlcv for all refused files together, then IntervalMismatch for all of another interval.
        """
        here = exchange_zone(query.calendar)
        assumed = timestamps.known_zone(self.timezone) if self.timezone else here
        parts, ways_of, refused, mistimed = list[pd.DataFrame](), dict[str, set[str]](), list[str](), list[str]()
        for file in files:
            try:
                part, way = self._part(file, query, assumed, here)
            except NotOhlcv as error:
                refused.append(f"{_name(file, Path(self.path))}: {error}.")
            except IntervalMismatch as error:
                mistimed.append(f"{_name(file, Path(self.path))} {error}")
            else:
                parts.append(part)
                for symbol in part["symbol"].unique():
                    ways_of.setdefault(symbol, set()).add(way)
        if refused:
            raise NotOhlcv(_listed(refused, " "), files=refused)
        if mistimed:
            raise IntervalMismatch(
                f"{_listed(mistimed)}; {query.interval} bars are asked for. Set `interval`, or provider.path to other "
                "files.",
                wanted=query.interval,
                files=mistimed,
            )
        rows, notes = _unsplit(pd.concat(parts, ignore_index=True))
        return Extract(rows, {symbol: "; ".join(sorted(ways)) for symbol, ways in ways_of.items()}, notes)

    def normalise(self, extract: Extract, query: Query) -> FetchResult:
        """The rows cleaned by the bar contract."""
        from market_master.market_data.providers.normalise import normalise

        return normalise(extract.rows, query, grid=self.grid, stamp=self.stamp, stamps=extract.stamps)

    def _part(self, file: Path, query: Query, assumed: str, here: str) -> tuple[pd.DataFrame, str]:
        """One file's rows with resolved stamps, and how those were read. Its errors do not name the file yet."""
        table = file_formats.read_table(file, stamp=self.stamp)
        read = timestamps.read_stamps(table.frame["stamp"])
        _require_interval(table.frame["symbol"], read.wall, INTERVALS[query.interval])
        zone = table.zone or assumed
        if query.interval == "1d":
            stamp = timestamps.session_dates(read, zone=zone, calendar_zone=here, ends=self.stamp == "end")
            way = "session dates" if read.dates else f"session dates in {here}, of bar {self.stamp}s"
        else:
            stamp = timestamps.instants(read, zone)
            why = "told by the file" if table.zone else "given" if self.timezone else "assumed: the calendar's"
            way = f"{read.reading if read.instant is not None else f'{zone} ({why})'}, bar {self.stamp}"
        frame = table.frame.assign(stamp=stamp)
        if not table.named and len(query.symbols) == 1 and Path(self.path).is_file():
            frame["symbol"] = query.symbols[0]
        return frame, way


def _require_interval(symbol: pd.Series, wall: pd.Series, interval: int) -> None:
    """Bars of which neither the median spacing nor the most frequent one is the interval are other bars.

    A half-hour first bar moves neither, a thin market's absent bars not the second; below four bars nothing is told.
    """
    code, instant = pd.factorize(symbol)[0], wall.to_numpy().astype("datetime64[s]")
    order = np.lexsort((instant, code))
    step, same_symbol = np.diff(instant[order]).astype(float), np.diff(code[order]) == 0
    spacing = pd.Series(step[same_symbol & (step > 0)])
    if len(spacing) < 3:
        return
    typical = float(spacing.mode().iloc[0])
    if interval not in (typical, float(spacing.median())):
        raise IntervalMismatch(f"holds bars of {typical:g} seconds ({_span(typical)})")


def _unsplit(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Prices and volumes before a split that the rows tell, in shares as they are after it; and a note on the splits.

    Only rows that carry a split coefficient are touched, the others are adjusted by their vendor; dividends stay in.
    """
    columns = ["symbol", "stamp", *OHLCV]
    if SPLIT not in rows:
        return rows[columns], ()
    coefficients = rows.loc[rows[SPLIT].notna() & rows["stamp"].notna(), ["symbol", "stamp", SPLIT]]
    coefficients = coefficients.sort_values(
        ["symbol", "stamp"], ascending=[True, False], kind="stable"
    ).drop_duplicates()
    ratio = coefficients[SPLIT].where(coefficients[SPLIT] > 0, 1.0)
    coefficients = coefficients.assign(factor=ratio.groupby(coefficients["symbol"]).cumprod() / ratio).drop(
        columns=SPLIT
    )
    coefficients = coefficients.drop_duplicates(["symbol", "stamp"])
    factor = rows[["symbol", "stamp"]].merge(coefficients, how="left", on=["symbol", "stamp"])["factor"].to_numpy()
    factor = np.where(rows[SPLIT].notna() & np.isfinite(factor), factor, 1.0)
    adjusted = {name: rows[name] / factor for name in PRICES} | {"volume": rows["volume"] * factor}
    splits = rows[rows[SPLIT].notna() & ~rows[SPLIT].isin([0, 1])].drop_duplicates(["symbol", "stamp"])
    splits = splits.sort_values(["symbol", "stamp"])
    named = [f"{s} {t:%Y-%m-%d} ({c:g}:1)" for s, t, c in splits[["symbol", "stamp", SPLIT]].itertuples(index=False)]
    note = f"Adjusted by the files' own split coefficients, not for dividends: {_listed(named)}."
    return rows[columns].assign(**adjusted), (note,) if named else ()


def _span(seconds: float) -> str:
    for unit, length in (("d", DAY), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g} s"


def _name(file: Path, root: Path) -> str:
    return file.name if file == root else str(file.relative_to(root))


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(names) - MAX_NAMES_LISTED} more" if len(names) > MAX_NAMES_LISTED else ""
    return between.join(names[:MAX_NAMES_LISTED]) + more
