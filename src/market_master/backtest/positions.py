"""Positions made of targets: through the gap, from the open on, and after each bar.

A target is decided at a bar's close and filled at the instrument's next open; NaN decides nothing, and what is held stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain import Array, Ints

NO_STOP = 1e6
"""entry prices away: a stop that is never met"""
MIN_SIZE = 1e-300
NOTHING_STOPPED = np.zeros(1, dtype=bool)


@dataclass(frozen=True, eq=False)
class CarryState:
    """The state that one stretch of bars hands to the next: one value an instrument, and how the session has gone so far."""

    target: Array
    """the newest decision, not yet filled or still in force; 0 before the first"""
    position: Array
    entry: Array
    """mean price of the position"""
    close: Array
    """newest close, NaN before the first bar"""
    close_row: Ints
    """bar of that close, -1 before the first"""
    session: int = -1
    growth: float = 1.0
    """capital over that at the session's start"""
    halted: bool = False
    """the session's loss stop has struck"""

    @classmethod
    def nothing(cls, instruments: int) -> CarryState:
        """Before the first bar."""
        zeros, unknown = np.zeros(instruments), np.full(instruments, np.nan)
        return cls(zeros, zeros, unknown, unknown, np.full(instruments, -1))


@dataclass(frozen=True, eq=False)
class Positions:
    """Shares of capital [bars, instruments], and the price at which the part of a bar that they earn ends."""

    gap: Array
    """through the gap before the open"""
    bar: Array
    """from the open on"""
    after: Array
    """0 where it was closed inside the bar or at its close"""
    exit_price: Array
    """the close, or the price of a stop"""
    target: Array
    """newest decisions after the last bar"""
    entry: Array
    session: int = -1
    growth: float = 1.0
    halted: bool = False


def positions_without_stops(target: Array, panel: Panel, rules: Rules, carry: CarryState) -> Positions:
    """Positions of a stretch where no rule looks back: all bars at once."""
    traded = panel.traded
    closing = panel.ends_session[:, None] & rules.flat_by_close
    ends = np.broadcast_to(closing, traded.shape) | (traded & (rules.exit == "bar_close"))
    decisions = forward(np.vstack([carry.target, np.where(np.isnan(target) & ends, 0.0, target)]))
    filled = rules.capped(decisions[:-1])
    after = forward(np.vstack([carry.position, np.where(traded, np.where(closing, 0.0, filled), np.nan)]))
    gap = after[:-1]
    return Positions(gap, np.where(traded, filled, gap), after[1:], panel.close, decisions[-1], carry.entry)


def positions_with_stops(target: Array, panel: Panel, rules: Rules, carry: CarryState, gap_return: Array) -> Positions:
    """Positions of a stretch under stops: bar by bar, all instruments at once. `gap_return` is that from close to open."""
    traded_in_bar, undecided = panel.traded, np.isnan(target)
    gap, bar, after, exit_price = (np.empty(target.shape) for _ in range(4))
    decision, entry, position = carry.target, carry.entry, carry.position
    session, growth, halted = carry.session, carry.growth, carry.halted
    renewed, stops = rules.exit == "bar_close", rules.stop_loss is not None or rules.take_profit is not None
    for t, day in enumerate(panel.session.tolist()):
        traded, opened = traded_in_bar[t], panel.open[t]
        if day != session:
            session, growth, halted = day, 1.0, False
        gap[t] = position
        bar[t] = np.where(traded, 0.0 if halted else rules.capped(decision), position)
        exit_price[t], stopped = panel.close[t], NOTHING_STOPPED
        if stops:
            entry = np.where(traded, opened if renewed else _mean_entry(entry, position, bar[t], opened), entry)
            exit_price[t], stopped = _stopped(bar[t], entry, panel, t, rules)
        closed = stopped | (rules.flat_by_close and panel.ends_session[t])
        after[t] = position = np.where(traded & closed, 0.0, bar[t])
        decision = np.where(undecided[t], np.where(closed | (traded & renewed), 0.0, decision), target[t])
        if rules.daily_loss_stop is not None:
            body_return = np.where(traded, exit_price[t] / opened - 1, 0.0)
            growth *= float(growth_factors(gap[t], bar[t], position, gap_return[t], body_return, rules.rate).prod())
            if not halted and growth <= 1 - rules.daily_loss_stop:
                halted, decision = True, np.where(undecided[t], 0.0, target[t])
    return Positions(gap, bar, after, exit_price, decision, entry, session, growth, halted)


def growth_factors(gap: Array, bar: Array, after: Array, gap_return: Array, body_return: Array, rate: float) -> Array:
    """The four factors by which capital changes in a bar [4, ...]: gap, trade at the open, body, trade at the exit.

    Positions and returns are [..., instruments]. Capital ends at 0: who has lost all of it trades no more.
    """
    return np.maximum(
        np.stack([
            1 + (gap * gap_return).sum(axis=-1),
            1 - rate * np.abs(bar - gap).sum(axis=-1),
            1 + (bar * body_return).sum(axis=-1),
            1 - rate * np.abs(bar - after).sum(axis=-1),
        ]),
        0.0,
    )  # fmt: skip


def newest(known: NDArray[np.bool_]) -> Ints:
    """The row of the newest known value at or before each row, 0 where there is none: [rows, columns]."""
    rows = np.where(known, np.arange(len(known))[:, None], 0)
    return np.maximum.accumulate(rows, axis=0, out=rows)


def forward(values: Array) -> Array:
    """Each value, or where it is NaN the newest before it; [rows, columns]."""
    return np.take_along_axis(values, newest(~np.isnan(values)), axis=0)


def _mean_entry(entry: Array, before: Array, position: Array, price: Array) -> Array:
    """What is added is bought at `price`; a reduction leaves the mean as it was; a new side starts anew."""
    size = np.abs(position)
    unchanged = np.where(before * position > 0, np.minimum(np.abs(before), size), 0.0)
    return np.where(unchanged > 0, price + unchanged / np.maximum(size, MIN_SIZE) * (entry - price), price)


def _stopped(position: Array, entry: Array, panel: Panel, t: int, rules: Rules) -> tuple[Array, NDArray[np.bool_]]:
    """Where a bar's positions end, and which were stopped: at the open if it gapped beyond, else the stop before the profit."""
    opened, high, low, close, side = panel.open[t], panel.high[t], panel.low[t], panel.close[t], np.sign(position)
    short = side < 0
    stop = entry * (side - (rules.stop_loss or NO_STOP))
    profit = entry * (side + (rules.take_profit or NO_STOP))
    lost, won = side * np.where(short, high, low) <= stop, side * np.where(short, low, high) >= profit
    stopped = (lost | won) & (position != 0)
    if not stopped.any():
        return close, stopped
    at_open = (side * opened <= stop) | (side * opened >= profit)
    price = np.where(at_open, opened, np.abs(np.where(lost, stop, profit)))
    return np.where(stopped, price, close), stopped
