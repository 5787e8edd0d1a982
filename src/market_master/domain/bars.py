"""Bars of market data and the rules a bar must keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain.arrays import Array, Ints
from market_master.domain.calendar import Schedule, Timetable
from market_master.domain.errors import ContextMissing, MixedGrid, NoBars
from market_master.domain.fundamentals import FIGURES, Fundamentals

PRICES = ("open", "high", "low", "close")
OHLCV = (*PRICES, "volume")


@dataclass(frozen=True, eq=False)
class Bars:
    """Closed bars of one or many symbols on one timetable, sorted by (symbol, bar_end); one array a column.

    Instants are epoch seconds UTC; `session` counts days since 1970-01-01; `next_start`, `next_end`, `next_slot` are
    those of the calendar's next bar, whether or not the symbol traded in it.
    """

    timetable: Timetable
    symbols: tuple[str, ...]
    code: Ints
    """index into `symbols`"""
    bar_end: Ints
    bar_start: Ints
    next_start: Ints
    next_end: Ints
    session: Ints
    slot: Ints
    next_slot: Ints
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    fundamentals: Fundamentals | None = None
    """of the symbols' companies, where a table of them is configured"""

    @classmethod
    def of(
        cls,
        timetable: Timetable,
        series: Mapping[str, Mapping[str, NDArray]],
        fundamentals: Fundamentals | None = None,
    ) -> Bars:
        """Bars from each symbol's columns (`bar_end` on the timetable and increasing, then OHLCV)."""
        symbols = tuple(sorted(series))
        if not symbols:
            raise NoBars("There is not a single bar to work on.")
        columns = {name: np.concatenate([np.asarray(series[s][name]) for s in symbols]) for name in ("bar_end", *OHLCV)}
        counts = [len(series[s]["bar_end"]) for s in symbols]
        return replace(cls.joined(timetable, symbols, counts, columns), fundamentals=fundamentals)

    @classmethod
    def joined(
        cls, timetable: Timetable, symbols: tuple[str, ...], counts: Sequence[int], columns: Mapping[str, NDArray]
    ) -> Bars:
        """Bars from columns of all symbols, sorted by (symbol, bar_end): `counts` of each symbol, one behind the other."""
        bar_end = columns["bar_end"].astype(np.int64)
        if not len(bar_end):
            raise NoBars("There is not a single bar to work on.")
        schedule = timetable.between(int(bar_end.min()), int(bar_end.max()))
        at = schedule.by_end(bar_end)
        if (at < 0).any():
            raise MixedGrid(
                f"{int((at < 0).sum())} of {len(at)} bars do not end where {timetable.calendar} has a "
                f"{timetable.interval} bar of the {timetable.grid} grid."
            )
        return cls.on_schedule(timetable, symbols, counts, schedule, at, columns)

    @classmethod
    def on_schedule(
        cls,
        timetable: Timetable,
        symbols: tuple[str, ...],
        counts: Sequence[int],
        schedule: Schedule,
        at: Ints,
        values: Mapping[str, NDArray],
    ) -> Bars:
        """Bars of which it is known where in the schedule they lie: `counts` of each symbol, one behind the other."""
        after = at + 1
        return cls(
            timetable=timetable,
            symbols=symbols,
            code=np.repeat(np.arange(len(symbols)), counts),
            bar_end=schedule.end[at],
            bar_start=schedule.start[at],
            next_start=schedule.start[after],
            next_end=schedule.end[after],
            session=schedule.session[at],
            slot=schedule.slot[at],
            next_slot=schedule.slot[after],
            **{name: values[name].astype(np.float64) for name in OHLCV},  # type: ignore[arg-type]
        )

    def __len__(self) -> int:
        return len(self.bar_end)

    @cached_property
    def offsets(self) -> Ints:
        """Where each symbol's rows begin, and the length at the end."""
        return np.searchsorted(self.code, np.arange(len(self.symbols) + 1))

    @cached_property
    def age(self) -> Ints:
        """How many bars of its symbol lie before each bar."""
        return np.arange(len(self)) - self.offsets[self.code]

    @cached_property
    def newest(self) -> int:
        """End of the newest bar of all."""
        return int(self.bar_end.max())

    @cached_property
    def _rows(self) -> dict[str, slice]:
        return {s: slice(*span) for s, span in zip(self.symbols, pairwise(self.offsets.tolist()), strict=True)}

    def rows(self, symbol: str) -> slice:
        """The rows of a symbol."""
        rows = self._rows.get(symbol)
        if rows is None:
            raise ValueError(f"There are no bars of '{symbol}'.")
        return rows

    def __iter__(self) -> Iterator[tuple[str, slice]]:
        """Each symbol with its rows."""
        return iter(self._rows.items())

    def beside(self, other: Bars, rows: Ints) -> Bars:
        """Some rows of its own and another's: numbered as if the other's, of the same symbols and timetable, came behind."""
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])[rows] for name in _ROW_COLUMNS
        }
        return replace(self, **joined)

    def take(self, rows: NDArray | slice) -> Bars:
        """Some of the rows (a mask, a slice or increasing indices), same symbols."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _ROW_COLUMNS})

    def until(self, instant: int) -> Bars:
        """The bars that had closed by an instant."""
        return self.take(self.bar_end <= instant)

    def select(self, symbols: Sequence[str]) -> Bars:
        """The bars of some symbols."""
        return Bars.of(
            self.timetable, {s: self.series(s) for s in symbols if s in self.symbols}, fundamentals=self.fundamentals
        )

    def tail(self, count: int) -> Bars:
        """Each symbol's last `count` bars."""
        if len(self) <= count:
            return self
        if len(self.symbols) == 1:
            return self.take(slice(len(self) - count, None))
        from_end = self.offsets[self.code + 1] - np.arange(len(self))
        return self.take(from_end <= count)

    def series(self, symbol: str) -> dict[str, NDArray]:
        """One symbol's bar_end and OHLCV columns."""
        rows = self.rows(symbol)
        return {name: getattr(self, name)[rows] for name in ("bar_end", *OHLCV)}

    def with_series(self, series: Mapping[str, Mapping[str, NDArray]]) -> Bars:
        """The same bars with some symbols' series put in place of, or beside, the old ones."""
        series = {s: self.series(s) for s in self.symbols} | dict(series)
        return Bars.of(self.timetable, series, fundamentals=self.fundamentals)

    def column(self, name: str) -> NDArray[Any]:
        """A column by name; one of FIGURES as it was known at each bar's end, 0 where it was not.

        Raises ContextMissing for a figure of bars without fundamentals.
        """
        return self._figures(name) if name in FIGURES else getattr(self, name)

    def _figures(self, name: str) -> Array:
        if self.fundamentals is None:
            raise ContextMissing(
                f"The model looks at {name} and there are no fundamentals beside the bars; name a table of them in "
                "fundamentals.path and run the pipeline.",
                lacking=name,
            )
        known = self.fundamentals.known
        return np.nan_to_num(np.concatenate([known(symbol, name, self.bar_end[rows]) for symbol, rows in self]))


_ROW_COLUMNS = tuple(field.name for field in fields(Bars) if field.name not in ("timetable", "symbols", "fundamentals"))


def digest(
    bars: Bars,
    rows: slice = slice(None),
    *,
    names: Sequence[str] = ("code", "bar_end", *OHLCV),
    head: str = "",
    figures: bool = False,
) -> str:
    """SHA-256 of some columns of some rows, to the bit, begun with a text; with the companies' figures as known, if asked for."""
    hashed = hashlib.sha256(head.encode())
    for name in (*names, *(FIGURES if figures else ())):
        hashed.update(bars.column(name)[rows].tobytes())
    return hashed.hexdigest()


@dataclass(frozen=True)
class BarRule:
    """One sentence of the bar contract about the values of a bar."""

    field: str
    text: str


def violations(open: Array, high: Array, low: Array, close: Array, volume: Array) -> list[tuple[BarRule, NDArray]]:
    """For each rule of the bar contract, which bars break it (a mask), broken rules only."""
    columns = dict(zip(OHLCV, (open, high, low, close, volume), strict=True))
    broken = []
    with np.errstate(invalid="ignore"):
        inside = (low > 0) & (low <= np.minimum(open, close)) & (high >= np.maximum(open, close)) & (volume >= 0)
        if (inside & np.isfinite(high) & np.isfinite(volume)).all():
            return []
        for name in PRICES:
            broken.append((BarRule(name, f"{name} must be a finite number"), ~np.isfinite(columns[name])))
            broken.append((BarRule(name, f"{name} must be above 0"), columns[name] <= 0))
        broken.append((BarRule("volume", "volume must be a finite number"), ~np.isfinite(volume)))
        broken.append((BarRule("volume", "volume must not be below 0"), volume < 0))
        broken.append((BarRule("low", "low must not be above open or close"), low > np.minimum(open, close)))
        broken.append((BarRule("high", "high must not be below open or close"), high < np.maximum(open, close)))
    return [(rule, mask) for rule, mask in broken if mask.any()]


def invalid_rows(open: Array, high: Array, low: Array, close: Array, volume: Array) -> NDArray[np.bool_]:
    """Which bars break any value rule of the bar contract."""
    mask = np.zeros(len(open), dtype=bool)
    for _, rows in violations(open, high, low, close, volume):
        mask |= rows
    return mask
