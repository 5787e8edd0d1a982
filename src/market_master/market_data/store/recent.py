"""The newest bars of every symbol in one small file.

Read in a millisecond, with NumPy alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master.domain import OHLCV, Bars, NoBars, SymbolSeries, Timetable, UnknownSymbol
from market_master.files import write_atomic

COLUMNS = ("bar_end", *OHLCV)
BARS_PER_SYMBOL = 560
"""bars of each symbol: features need up to 500, and GET /features shows 60 rows of them"""
RECENT_FILE = "recent.npz"


@dataclass(frozen=True, eq=False)
class Recent:
    """Each symbol's last `BARS_PER_SYMBOL` bars, in memory; answers like a Store, for instants not far back."""

    source: str
    timetable: Timetable
    series: dict[str, dict[str, NDArray]]
    stamp: tuple[int, int]
    """another one when the file on disk is another"""
    _tails: dict[tuple[str, int | None], Bars] = field(default_factory=dict)
    """the newest bars of single symbols, by how many were asked for"""

    @cached_property
    def _symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.series))

    def symbols(self) -> tuple[str, ...]:
        """The symbols there are bars of."""
        return self._symbols

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Bars of some symbols (all, if none is named), optionally each one's last bars up to an instant."""
        if len(symbols) != 1:
            return Bars.of(self.timetable, {s: self._newest(s, last, until) for s in symbols or self._symbols})
        (symbol,) = symbols
        if until is not None and until < self._columns(symbol)["bar_end"][-1]:
            return Bars.of(self.timetable, {symbol: self._newest(symbol, last, until)})
        if (symbol, last) not in self._tails:
            self._tails[symbol, last] = Bars.of(self.timetable, {symbol: self._newest(symbol, last, None)})
        return self._tails[symbol, last]

    def _columns(self, symbol: str) -> dict[str, NDArray]:
        columns = self.series.get(symbol)
        if columns is None:
            raise unknown(symbol, self.source, self.timetable.interval, len(self.series))
        return columns

    def _newest(self, symbol: str, last: int | None, until: int | None) -> dict[str, NDArray]:
        """The columns of a symbol's last bars up to an instant."""
        columns = self._columns(symbol)
        ends = columns["bar_end"]
        end = len(ends) if until is None else int(np.searchsorted(ends, until, "right"))
        part = slice(max(0, end - last) if last is not None else 0, end)
        return {name: values[part] for name, values in columns.items()}


def write(folder: Path, series: SymbolSeries) -> None:
    """Keep the newest bars of each symbol in the folder's file, in place of what it held."""
    symbols = sorted(series)
    tails = {s: {name: np.asarray(series[s][name])[-BARS_PER_SYMBOL:] for name in COLUMNS} for s in symbols}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        symbols=np.array(symbols, dtype=str),
        counts=np.array([len(tails[s]["bar_end"]) for s in symbols]),
        bar_end=np.concatenate([tails[s]["bar_end"] for s in symbols]),
        values=np.array([np.concatenate([tails[s][name] for s in symbols]) for name in OHLCV]),
    )
    write_atomic(folder / RECENT_FILE, buffer.getvalue())


def read_recent(folder: Path) -> dict[str, dict[str, NDArray]] | None:
    """What `write` kept, by symbol; None when there is no such file."""
    try:
        with np.load(folder / RECENT_FILE, allow_pickle=False) as arrays:
            symbols, counts, bar_end, values = (arrays[name] for name in ("symbols", "counts", "bar_end", "values"))
    except FileNotFoundError:
        return None
    columns, stops = dict(zip(COLUMNS, (bar_end, *values), strict=True)), np.cumsum(counts)
    return {
        symbol: {name: column[stop - count : stop] for name, column in columns.items()}
        for symbol, count, stop in zip(symbols.tolist(), counts.tolist(), stops.tolist(), strict=True)
    }


def stamp(folder: Path) -> tuple[int, int] | None:
    """What tells one writing of the file from another; None when there is none."""
    try:
        status = (folder / RECENT_FILE).stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def unknown(symbol: str, source: str, interval: str, count: int) -> UnknownSymbol:
    """The refusal of a symbol that has no bars."""
    return UnknownSymbol(
        f"The store has no {interval} bars of '{symbol}'; it has {count} symbols of '{source}'.",
        symbol=symbol,
        known=count,
    )


def nothing(source: str, interval: str) -> NoBars:
    """The refusal of a store in which nothing was ever kept."""
    return NoBars(f"The store has no {interval} bars of '{source}'; run the pipeline once to fetch them.")
