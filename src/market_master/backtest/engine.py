"""The engine: what targets would have earned, filled at the next open, costs taken off.

A bar has two parts. Through the gap, from the last close to the open, earns what was held before; then orders are filled
and paid; from the open on earns what is held now. Positions are shares of the capital there is when a part begins, so

    capital after = capital x (1 + sum before x gap) x (1 - rate x sum |held - before|) x (1 + sum held x body) x (1 - ...)

where the last factor pays for what is left inside the bar or at its close. See docs/backtest.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.panel import Panel
from market_master.backtest.positions import (
    CarryState,
    Positions,
    legs,
    newest,
    positions_with_stops,
    positions_without_stops,
)
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array, Ints
from market_master.domain.errors import BadTargets

STRETCH = 512
"""bars worked on at once: memory beyond targets and prices does not grow with their number"""


@dataclass(frozen=True, eq=False)
class RoundTrips:
    """Trades from flat to flat, or to the other side, in order of entry: one array a column.

    Those still open at the end are marked at the last close. Prices are fills, slippage included.
    """

    instrument: Ints
    """place in the panel's symbols"""
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


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """What came of the targets: by bar, by instrument, and by round trip."""

    net: Array
    """return of capital in each bar, after costs; compounds to `equity`"""
    gross: Array
    """sum of position x return in each bar, before costs"""
    turnover: Array
    """traded share of capital in each bar; x `rate` = cost"""
    exposure: Array
    """sum of |position| in each bar"""
    equity: Array
    """capital at each close; it begins with 1"""
    instrument_net: Array
    """earned after costs by each instrument, in shares of the starting capital: their sum is the change of equity"""
    instrument_gross: Array
    instrument_turnover: Array
    trades: RoundTrips
    rate: float
    """cost and slippage, one way"""

    @property
    def cost(self) -> Array:
        """Paid in each bar, share of capital."""
        return self.rate * self.turnover

    @property
    def break_even(self) -> float | None:
        """The one-way cost at which nothing would be left of the gross: gross / turnover. None where nothing was traded."""
        traded = float(self.turnover.sum())
        return float(self.gross.sum()) / traded if traded > 0 else None


def simulate(target: Array, panel: Panel, rules: Rules | None = None, *, known: Ints | None = None) -> SimulationResult:
    """What targets earn on a panel under rules (`Rules()`: costs on, no stops).

    `target` [bars, instruments] is the share of capital wanted in each, -1 to 1, decided at the bar's close from what
    was known by then; NaN decides nothing, and what is held stays. It is filled at the instrument's next open; what is
    decided at the last bar opens nothing. `known` says when each row of targets was known (epoch seconds, such as the end
    of the newest bar behind it). Raises BadTargets for another shape, for shares beyond 1, and for rows known only
    after their bar had ended.
    """
    rules = rules or Rules()
    _check(target, panel, known)
    standing, book, capital = CarryState.nothing(len(panel.symbols)), _Book(len(panel.symbols)), 1.0
    stretches = []
    for first in range(0, len(panel), STRETCH):
        rows = slice(first, first + STRETCH)
        part, wanted = panel.part(rows), np.asarray(target[rows], dtype=float)
        here, closes = part.traded, np.vstack([standing.close, part.close])
        at = newest(np.isfinite(closes))
        before = np.take_along_axis(closes, at, axis=0)
        gap = _return(part.open, before[:-1]) if rules.exit == "next_decision" else np.zeros(here.shape)
        positions = (
            positions_with_stops(wanted, part, rules, standing, gap)
            if rules.watched
            else positions_without_stops(wanted, part, rules, standing)
        )
        stretch, *earned = _account(positions, gap, _return(positions.out, part.open), here, rules, capital)
        bars = np.where(at > 0, at + first - 1, standing.row)
        book.enter(positions, earned, part, before[:-1], bars, rules, first)
        stretches.append(stretch)
        capital = float(stretch.equity[-1])
        standing = CarryState(
            positions.wanted, positions.after[-1], positions.entry, before[-1], bars[-1],
            positions.session, positions.growth, positions.halted,
        )  # fmt: skip
    by_bar = ("net", "gross", "turnover", "exposure", "equity")
    by_instrument = ("instrument_net", "instrument_gross", "instrument_turnover")
    return SimulationResult(
        **{name: np.concatenate([getattr(stretch, name) for stretch in stretches]) for name in by_bar},
        **{name: np.sum([getattr(stretch, name) for stretch in stretches], axis=0) for name in by_instrument},
        trades=book.closed(standing),
        rate=rules.rate,
    )


@dataclass(frozen=True, eq=False)
class _Stretch:
    """The columns of Path over some bars."""

    net: Array
    gross: Array
    turnover: Array
    exposure: Array
    equity: Array
    instrument_net: Array
    instrument_gross: Array
    instrument_turnover: Array


def _account(
    positions: Positions, gap: Array, body: Array, here: NDArray[np.bool_], rules: Rules, capital: float
) -> tuple[_Stretch, Array, Array]:
    """The columns of Path, and [bars, instruments] in shares of the starting capital: what was earned by the positions held
    before the open, their way out paid, and by those held from the open on, their way in paid."""
    before, held, after, rate = positions.before, positions.held, positions.after, rules.rate
    factors = legs(before, held, after, gap, body, rate)
    growth = factors.prod(axis=0)
    equity = capital * np.cumprod(growth)
    at = np.concatenate([[capital], equity[:-1]]) * np.concatenate([np.ones((1, len(growth))), factors[:-1]]).cumprod(
        axis=0
    )
    at = at[..., None]
    left, taken = _ways(before, held)
    out = np.abs(held - after)
    gained, earned, traded = before * gap, held * body, left + taken + out
    earned_before, earned_held = (
        at[0] * gained - at[1] * rate * left,
        at[2] * earned - rate * (at[1] * taken + at[3] * out),
    )
    stretch = _Stretch(
        net=growth - 1,
        gross=(gained + earned).sum(axis=1),
        turnover=traded.sum(axis=1),
        exposure=(np.abs(held) * (here | (rules.exit == "next_decision"))).sum(axis=1),
        equity=equity,
        instrument_net=(earned_before + earned_held).sum(axis=0),
        instrument_gross=(gained + earned).sum(axis=0),
        instrument_turnover=traded.sum(axis=0),
    )
    return stretch, earned_before, earned_held


class _Book:
    """Round trips as they are opened and closed, over all stretches; number 0 stands for none."""

    def __init__(self, instruments: int) -> None:
        self.number = np.zeros(instruments, dtype=np.int64)
        """of each instrument's newest trip"""
        self.net = np.zeros(1)
        self.opened: list[tuple[NDArray, ...]] = []
        self.left: list[tuple[NDArray, ...]] = []

    def enter(
        self,
        positions: Positions,
        earned: list[Array],
        panel: Panel,
        close_before: Array,
        bars: Ints,
        rules: Rules,
        first: int,
    ) -> None:
        """Write down the trips of a stretch. `bars` [1 + bars, instruments] is each instrument's newest bar before the first row
        and at each."""
        before, held, after = (np.sign(p).astype(np.int8) for p in (positions.before, positions.held, positions.after))
        fresh = (held != 0) & (held != before)
        row, column = np.nonzero(fresh)
        number = np.zeros(fresh.shape, dtype=np.int64)
        number[row, column] = len(self.net) + np.arange(len(row))
        number = np.maximum.accumulate(np.vstack([self.number, number]), axis=0)
        size = len(self.net) + len(row)
        net = np.zeros(size)
        net += np.bincount(number[:-1].ravel(), earned[0].ravel(), size)
        net += np.bincount(number[1:].ravel(), earned[1].ravel(), size)
        net[: len(self.net)] += self.net
        self.net, self.number = net, number[-1]
        side = held[row, column]
        self.opened.append((column, side, row + first, panel.open[row, column] * (1 + side * rules.slippage)))
        row, column = np.nonzero((before != 0) & (held != before))
        if rules.exit == "bar_close":
            bar, price = bars[:-1][row, column], close_before[row, column]
        else:
            bar, price = row + first, panel.open[row, column]
        self.left.append((number[:-1][row, column], bar, price * (1 - before[row, column] * rules.slippage)))
        row, column = np.nonzero((held != 0) & (after == 0))
        price = positions.out[row, column] * (1 - held[row, column] * rules.slippage)
        self.left.append((number[1:][row, column], row + first, price))

    def closed(self, standing: CarryState) -> RoundTrips:
        """All trips, those still open marked at their instrument's newest close."""
        instrument, side, entry_bar, entry_price = (np.concatenate(column) for column in zip(*self.opened, strict=True))
        number, bar, price = (np.concatenate(column) for column in zip(*self.left, strict=True))
        still_open = np.ones(len(side), dtype=bool)
        still_open[number - 1] = False
        exit_bar, exit_price = standing.row[instrument], standing.close[instrument].copy()
        exit_bar[number - 1], exit_price[number - 1] = bar, price
        return RoundTrips(instrument, side, entry_bar, exit_bar, entry_price, exit_price, self.net[1:], still_open)


def _return(to: Array, since: Array) -> Array:
    """Simple return, 0 where either price is missing."""
    moved = to / since - 1
    return np.where(np.isnan(moved), 0.0, moved)


def _ways(before: Array, held: Array) -> tuple[Array, Array]:
    """How much of a change leaves what was held, and how much is newly taken: to turn is to leave all and take anew."""
    kept = np.where(before * held > 0, np.minimum(np.abs(before), np.abs(held)), 0.0)
    return np.abs(before) - kept, np.abs(held) - kept


def _check(target: Array, panel: Panel, known: Ints | None) -> None:
    if target.shape != panel.open.shape:
        raise BadTargets(
            f"Targets of shape {target.shape} were given for a panel of {panel.open.shape}: one a bar and instrument."
        )
    beyond = sum(int((np.abs(target[at : at + STRETCH]) > 1).sum()) for at in range(0, len(target), STRETCH))
    if beyond:
        raise BadTargets(
            f"{beyond} of {target.size} targets lie beyond 1; a target is a share of capital from -1 to 1.",
            beyond=beyond,
        )
    if known is not None and (late := int((known > panel.bar_end).sum())):
        worst = int((known - panel.bar_end).max())
        raise BadTargets(
            f"{late} of {len(known)} rows of targets were known only after their bar had ended, by up to {worst} seconds; "
            "decide at a bar's close from bars that have closed.",
            late=late,
            seconds=worst,
        )
