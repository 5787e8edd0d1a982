"""The newest bars of every symbol in one small file.

Mapped into memory, with NumPy alone: what is not asked for is not read.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master.domain import (
    OHLCV,
    Bars,
    Fundamentals,
    NoBars,
    SessionCloses,
    SymbolSeries,
    Timetable,
    UnknownSymbol,
)
from market_master.files import write_atomic

COLUMNS = ("bar_end", *OHLCV)
BARS_PER_SYMBOL = 560
"""bars of each symbol: features need up to 500, and GET /features shows 60 rows of them"""
SESSIONS = 320
"""whose closes are held: regimes need up to 274"""
RECENT_FILE = "newest.npy"
FUNDAMENTALS_FILE = "fundamentals.json"
Stamp = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Recent:
    """Each symbol's last `BARS_PER_SYMBOL` bars; answers like a Store, for instants not far back."""

    source: str
    timetable: Timetable
    table: NDArray
    """one record: `symbol` and `count` (how many bars it has) [symbols]; `columns` [bars, symbols], each symbol's newest last;
    `session` [sessions] and `close` [sessions, symbols]"""
    stamp: Stamp
    """another one when the files on disk are others"""
    fundamentals: Fundamentals | None = None
    _tails: dict[tuple[tuple[str, ...], int | None], Bars] = field(default_factory=dict)
    """the newest bars that were read before, by symbols and how many of each"""

    def symbols(self) -> tuple[str, ...]:
        """The symbols there are bars of."""
        return tuple(self.counts)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many bars there are of each symbol."""
        return dict(zip(self.table["symbol"][0].tolist(), self.table["count"][0].tolist(), strict=True))

    @cached_property
    def closes(self) -> SessionCloses:
        """The closes of the last `SESSIONS` sessions."""
        return _closes(self.table)

    def newest(self, symbol: str | None = None) -> int:
        """End of a symbol's newest bar, or of the newest of all."""
        ends = self.table["columns"][0, -1]["bar_end"]
        return int(ends.max() if symbol is None else ends[self._position(symbol)])

    def series(self, symbol: str) -> dict[str, NDArray]:
        """A symbol's columns, oldest first."""
        return _columns(self.table, self._position(symbol))

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Bars of some symbols (all, if none is named), optionally each one's last bars up to an instant."""
        symbols = tuple(sorted({*symbols})) or self.symbols()
        if until is not None and until < max(map(self.newest, symbols)):
            return self._read(symbols, last, until)
        if (symbols, last) not in self._tails:
            self._tails[symbols, last] = self._read(symbols, last, None)
        return self._tails[symbols, last]

    def _read(self, symbols: Sequence[str], last: int | None, until: int | None) -> Bars:
        width = BARS_PER_SYMBOL if last is None or until is not None else min(last, BARS_PER_SYMBOL)
        at_symbol = np.array([self._position(symbol) for symbol in symbols])
        newest = self.table["columns"][0, -width:]
        tails = {name: newest[name][:, at_symbol].T for name in COLUMNS}
        stop = np.full(len(symbols), width) if until is None else (tails["bar_end"] <= until).sum(axis=1)
        first = np.minimum(np.maximum(width - self.table["count"][0, at_symbol], stop - (last or width)), stop)
        at = np.arange(width)
        chosen = (at >= first[:, None]) & (at < stop[:, None])
        columns = {name: values[chosen] for name, values in tails.items()}
        bars = Bars.joined(self.timetable, tuple(symbols), (stop - first).tolist(), columns)
        return replace(bars, fundamentals=self.fundamentals)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {symbol: position for position, symbol in enumerate(self.counts)}

    def _position(self, symbol: str) -> int:
        position = self._positions.get(symbol)
        if position is None:
            raise unknown(symbol, self.source, self.timetable.interval, len(self._positions))
        return position


def table_of(series: SymbolSeries, closes: SessionCloses) -> NDArray:
    """The newest bars of some symbols, and their closes by session, as a table; before a symbol's first bar, all is 0.

    Bar by bar, so that the newest of all symbols lie side by side in the file.
    """
    symbols = sorted(series)
    shape = (len(symbols),)
    columns = [(name, np.int64 if name == "bar_end" else np.float64, shape) for name in COLUMNS]
    text = f"U{max(map(len, symbols), default=1)}"
    days = len(closes.session)
    fields = [
        ("count", np.int64, shape), ("columns", columns, (BARS_PER_SYMBOL,)), ("symbol", text, shape),
        ("session", np.int64, (days,)), ("close", np.float64, (days, *shape)),
    ]  # fmt: skip
    table = np.zeros(1, dtype=fields)
    table["session"][0], table["close"][0] = closes.session, closes.close
    for position, symbol in enumerate(symbols):
        count = min(len(series[symbol]["bar_end"]), BARS_PER_SYMBOL)
        table["symbol"][0, position], table["count"][0, position] = symbol, count
        for name in COLUMNS:
            newest = np.asarray(series[symbol][name])[len(series[symbol][name]) - count :]
            table["columns"][name][0, BARS_PER_SYMBOL - count :, position] = newest
    return table


def write(folder: Path, series: SymbolSeries, closes: SessionCloses) -> None:
    """Keep the newest bars and closes of each symbol in the folder's file, in place of what it held."""
    buffer = io.BytesIO()
    np.save(buffer, table_of(series, closes))
    write_atomic(folder / RECENT_FILE, buffer.getvalue())


def read_table(folder: Path) -> NDArray | None:
    """What `write` kept, mapped into memory; None when there is no such file, or one of an older layout."""
    try:
        table: NDArray = np.load(folder / RECENT_FILE, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    return table.view(np.ndarray) if "session" in (table.dtype.names or ()) else None


def read_tails(folder: Path) -> tuple[dict[str, dict[str, NDArray]], SessionCloses] | None:
    """The same: bars by symbol, as columns, and closes; None when there is no such file."""
    table = read_table(folder)
    if table is None:
        return None
    tails = {symbol: _columns(table, position) for position, symbol in enumerate(table["symbol"][0].tolist())}
    return tails, _closes(table)


def read_fundamentals(folder: Path) -> Fundamentals | None:
    """What was known of the symbols' companies; None where no table of it was configured."""
    try:
        return Fundamentals.of_bytes((folder / FUNDAMENTALS_FILE).read_bytes())
    except FileNotFoundError:
        return None


def stamp(folder: Path) -> Stamp | None:
    """What tells one writing of the files from another; None when there are no bars."""
    newest = _written(folder / RECENT_FILE)
    return newest + _written(folder / FUNDAMENTALS_FILE) if newest else None


def _written(file: Path) -> Stamp:
    """When a file was written, and which one it is; empty when there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return ()
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


def _columns(table: NDArray, position: int) -> dict[str, NDArray]:
    first = BARS_PER_SYMBOL - int(table["count"][0, position])
    return {name: table["columns"][name][0, first:, position] for name in COLUMNS}


def _closes(table: NDArray) -> SessionCloses:
    return SessionCloses(tuple(table["symbol"][0].tolist()), table["session"][0], table["close"][0])
