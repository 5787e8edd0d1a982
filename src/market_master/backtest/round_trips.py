"""Round trips: trades from flat to flat, or to the other side, recorded over stretches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.panel import Panel
from market_master.backtest.positions import CarryState, Positions
from market_master.backtest.trading_rules import Rules
from market_master.domain import Array, Ints


@dataclass(frozen=True, eq=False)
class RoundTrips:
    """Trades from flat to flat, or to the other side, in order of entry: one array a column.

    Those still open at the end are marked at the last close. Prices are fills, slippage included.
    """

    instrument: Ints
    """column of the panel"""
    side: NDArray[np.int8]
    """1 long, -1 short"""
    entry_bar: Ints
    exit_bar: Ints
    entry_price: Array
    """of the first fill"""
    exit_price: Array
    net: Array
    """earned after costs, in shares of the starting capital: their sum is the change of equity"""
    still_open: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.net)


class TradeRecorder:
    """Round trips as they are opened and closed, over all stretches; number 0 stands for none."""

    def __init__(self, instruments: int) -> None:
        """With no trip yet of so many instruments."""
        self._number = np.zeros(instruments, dtype=np.int64)
        """of each instrument's newest trip"""
        self._net = np.zeros(1)
        self._entries: list[tuple[NDArray, ...]] = []
        self._exits: list[tuple[NDArray, ...]] = []

    def record(
        self,
        positions: Positions,
        earned_in_gap: Array,
        earned_in_bar: Array,
        panel: Panel,
        close_before: Array,
        bars: Ints,
        rules: Rules,
        first: int,
    ) -> None:
        """Record the trips of a stretch whose first row is bar `first`.

        Earnings are [bars, instruments] in shares of the starting capital, by the positions through the gap and from the
        open on. `bars` [1 + bars, instruments] is each instrument's newest bar before the first row and at each.
        """
        gap, bar, after = (np.sign(p).astype(np.int8) for p in (positions.gap, positions.bar, positions.after))
        opens = (bar != 0) & (bar != gap)
        row, column = np.nonzero(opens)
        number = self._number_trips(opens)
        self._add_earnings(number, len(row), earned_in_gap, earned_in_bar)
        side = bar[row, column]
        self._entries.append((column, side, row + first, panel.open[row, column] * (1 + side * rules.slippage)))
        row, column = np.nonzero((gap != 0) & (bar != gap))
        if rules.exit == "bar_close":
            exit_bar, price = bars[:-1][row, column], close_before[row, column]
        else:
            exit_bar, price = row + first, panel.open[row, column]
        self._exits.append((number[:-1][row, column], exit_bar, price * (1 - gap[row, column] * rules.slippage)))
        row, column = np.nonzero((bar != 0) & (after == 0))
        price = positions.exit_price[row, column] * (1 - bar[row, column] * rules.slippage)
        self._exits.append((number[1:][row, column], row + first, price))

    def round_trips(self, carry: CarryState) -> RoundTrips:
        """All trips, those still open marked at their instrument's newest close."""
        instrument, side, entry_bar, entry_price = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        number, bar, price = (np.concatenate(part) for part in zip(*self._exits, strict=True))
        still_open = np.ones(len(side), dtype=bool)
        still_open[number - 1] = False
        exit_bar, exit_price = carry.close_row[instrument], carry.close[instrument].copy()
        exit_bar[number - 1], exit_price[number - 1] = bar, price
        return RoundTrips(instrument, side, entry_bar, exit_bar, entry_price, exit_price, self._net[1:], still_open)

    def _number_trips(self, opens: NDArray[np.bool_]) -> Ints:
        """[1 + bars, instruments]: the newest trip of each instrument before the first row and at each."""
        row, column = np.nonzero(opens)
        number = np.zeros(opens.shape, dtype=np.int64)
        number[row, column] = len(self._net) + np.arange(len(row))
        return np.maximum.accumulate(np.vstack([self._number, number]), axis=0)

    def _add_earnings(self, number: Ints, opened: int, earned_in_gap: Array, earned_in_bar: Array) -> None:
        size = len(self._net) + opened
        net = np.zeros(size)
        net += np.bincount(number[:-1].ravel(), earned_in_gap.ravel(), size)
        net += np.bincount(number[1:].ravel(), earned_in_bar.ravel(), size)
        net[: len(self._net)] += self._net
        self._net, self._number = net, number[-1]
