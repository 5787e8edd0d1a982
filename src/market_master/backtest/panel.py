"""Panel: bars of many instruments on one clock, in the form the engine trades them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from market_master.domain import PRICES, Array, Bars, Ints, NoBars


@dataclass(frozen=True, eq=False)
class Panel:
    """Prices [bars, instruments], NaN where an instrument has no bar, and what is known of each bar.

    Bars are in order of `bar_end` (epoch seconds UTC), those of a session next to each other.
    """

    symbols: tuple[str, ...]
    bar_end: Ints
    session: Ints
    """days since 1970-01-01"""
    slot: Ints
    """place of the bar in its session, from 0"""
    ends_session: NDArray[np.bool_]
    """by the calendar the session ends with this bar: half-days are known in advance, holes in the data are not"""
    open: Array
    high: Array
    low: Array
    close: Array

    @classmethod
    def of(cls, bars: Bars, rows: NDArray | None = None) -> Panel:
        """The panel of bars, or of some of their rows (a mask or increasing indices). Raises NoBars when there are none."""
        bars = bars if rows is None else bars.take(rows)
        if not len(bars):
            raise NoBars("There is not a single bar to trade on.")
        clock, first = np.unique(bars.bar_end, return_index=True)
        empty = np.empty((len(clock), 0))
        bare = cls(
            symbols=bars.symbols,
            bar_end=clock,
            session=bars.session[first],
            slot=bars.slot[first],
            ends_session=bars.next_slot[first] == 0,
            **dict.fromkeys(PRICES, empty),
        )
        prices = [bare.matrix(bars.code, bars.bar_end, getattr(bars, name)) for name in PRICES]
        return replace(bare, **dict(zip(PRICES, prices, strict=True)))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.bar_end)

    @property
    def traded(self) -> NDArray[np.bool_]:
        """Which instruments have a bar: [bars, instruments]."""
        return np.isfinite(self.open)

    def matrix(self, code: Ints, bar_end: Ints, values: NDArray) -> Array:
        """Values of rows, each of a symbol's place and an instant, laid out [bars, instruments]; NaN where there is none.

        Rows at instants that are not on the panel's clock are left out.
        """
        out = np.full((len(self.bar_end), len(self.symbols)), np.nan)
        row = np.minimum(np.searchsorted(self.bar_end, bar_end), len(self.bar_end) - 1)
        on_clock = self.bar_end[row] == bar_end
        out[row[on_clock], code[on_clock]] = values[on_clock]
        return out

    def part(self, rows: slice) -> Panel:
        """A stretch of its bars; the arrays are views."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "symbols"})
