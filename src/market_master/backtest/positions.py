"""From targets to positions: what is held through the gap, from the open on, and after the close of each bar.

A target is decided at a bar's close and filled at the instrument's next open; NaN decides nothing, and what is held stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array, Ints

FAR = 1e6
"""entry prices away: a stop that is never met"""
TINY = 1e-300
NOWHERE = np.zeros(1, dtype=bool)


@dataclass(frozen=True, eq=False)
class CarryState:
    """What one stretch of bars hands to the next: one value an instrument, and how the session has gone so far."""

    wanted: Array
    """the newest decision, not yet filled or still held; 0 before the first"""
    held: Array
    entry: Array
    """mean price of what is held"""
    close: Array
    """newest close, NaN before the first bar"""
    row: Ints
    """bar of that close, -1 before the first"""
    session: int = -1
    growth: float = 1.0
    """capital over that at the session's start"""
    halted: bool = False
    """the session's loss stop has struck"""

    @classmethod
    def nothing(cls, instruments: int) -> CarryState:
        """Before the first bar."""
        none = np.zeros(instruments)
        return cls(none, none, np.full(instruments, np.nan), np.full(instruments, np.nan), np.full(instruments, -1))


@dataclass(frozen=True, eq=False)
class Positions:
    """Shares of capital [bars, instruments], and the price at which the part of a bar that they earn ends."""

    before: Array
    """held through the gap before the open"""
    held: Array
    """from the open on"""
    after: Array
    """0 where it was left inside the bar or at its close"""
    out: Array
    """the close, or the price of a stop"""
    wanted: Array
    """newest decisions after the last bar"""
    entry: Array
    session: int = -1
    growth: float = 1.0
    halted: bool = False


def positions_without_stops(target: Array, panel: Panel, rules: Rules, standing: CarryState) -> Positions:
    """Positions of a stretch where no rule looks back: all bars at once."""
    here = panel.traded
    closing = panel.last[:, None] & rules.flat_by_close
    ends = np.broadcast_to(closing, here.shape) | (here & (rules.exit == "bar_close"))
    decided = forward(np.vstack([standing.wanted, np.where(np.isnan(target) & ends, 0.0, target)]))
    wanted = rules.capped(decided[:-1])
    after = forward(np.vstack([standing.held, np.where(here, np.where(closing, 0.0, wanted), np.nan)]))
    before = after[:-1]
    return Positions(before, np.where(here, wanted, before), after[1:], panel.close, decided[-1], standing.entry)


def positions_with_stops(target: Array, panel: Panel, rules: Rules, standing: CarryState, gap: Array) -> Positions:
    """Positions of a stretch under stops: bar by bar, all instruments at once. `gap` is the return from close to open."""
    traded, undecided = panel.traded, np.isnan(target)
    before, held, after, out = (np.empty(target.shape) for _ in range(4))
    wanted, entry, now = standing.wanted, standing.entry, standing.held
    session, growth, halted = standing.session, standing.growth, standing.halted
    renewed, stops = rules.exit == "bar_close", rules.stop_loss is not None or rules.take_profit is not None
    for t, day in enumerate(panel.session.tolist()):
        here, opened = traded[t], panel.open[t]
        if day != session:
            session, growth, halted = day, 1.0, False
        before[t] = now
        held[t] = np.where(here, 0.0 if halted else rules.capped(wanted), now)
        out[t], stopped = panel.close[t], NOWHERE
        if stops:
            entry = np.where(here, opened if renewed else _mean_entry(entry, now, held[t], opened), entry)
            out[t], stopped = _stopped(held[t], entry, panel, t, rules)
        left = stopped | (rules.flat_by_close and panel.last[t])
        after[t] = now = np.where(here & left, 0.0, held[t])
        wanted = np.where(undecided[t], np.where(left | (here & renewed), 0.0, wanted), target[t])
        if rules.daily_loss_stop is not None:
            body = np.where(here, out[t] / opened - 1, 0.0)
            growth *= float(legs(before[t], held[t], now, gap[t], body, rules.rate).prod())
            if not halted and growth <= 1 - rules.daily_loss_stop:
                halted, wanted = True, np.where(undecided[t], 0.0, target[t])
    return Positions(before, held, after, out, wanted, entry, session, growth, halted)


def legs(before: Array, held: Array, after: Array, gap: Array, body: Array, rate: float) -> Array:
    """The four factors by which capital changes in a bar [4, ...]: gap, trade at the open, body, trade at the way out.

    `gap` and `body` are returns [..., instruments]. Capital ends at 0: who has lost all of it trades no more.
    """
    return np.maximum(
        np.stack([
            1 + (before * gap).sum(axis=-1),
            1 - rate * np.abs(held - before).sum(axis=-1),
            1 + (held * body).sum(axis=-1),
            1 - rate * np.abs(held - after).sum(axis=-1),
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


def _mean_entry(entry: Array, before: Array, held: Array, price: Array) -> Array:
    """What is added is bought at `price`; what is taken away leaves the mean as it was; a new side starts anew."""
    size = np.abs(held)
    had = np.where(before * held > 0, np.minimum(np.abs(before), size), 0.0)
    return np.where(had > 0, price + had / np.maximum(size, TINY) * (entry - price), price)


def _stopped(held: Array, entry: Array, panel: Panel, t: int, rules: Rules) -> tuple[Array, NDArray[np.bool_]]:
    """Where a bar's positions end, and which were stopped: at the open if it gapped beyond, else the stop before the profit."""
    opened, high, low, close, side = panel.open[t], panel.high[t], panel.low[t], panel.close[t], np.sign(held)
    short = side < 0
    stop = entry * (side - (rules.stop_loss or FAR))
    profit = entry * (side + (rules.take_profit or FAR))
    lost, won = side * np.where(short, high, low) <= stop, side * np.where(short, low, high) >= profit
    stopped = (lost | won) & (held != 0)
    if not stopped.any():
        return close, stopped
    at_open = (side * opened <= stop) | (side * opened >= profit)
    price = np.where(at_open, opened, np.abs(np.where(lost, stop, profit)))
    return np.where(stopped, price, close), stopped
