"""Simulation engine: what targets would have earned, filled at the next open, after costs.

A bar has two parts. Through the gap, from the last close to the open, the old positions earn; then orders are filled and
paid; from the open on the new positions earn. Positions are shares of the capital there is when a part begins, so

    capital after = capital x (1 + sum old x gap) x (1 - rate x sum |new - old|) x (1 + sum new x body) x (1 - ...)

where the last factor pays for what is closed inside the bar or at its close. See docs/backtest.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.panel import Panel
from market_master.backtest.positions import (
    CarryState,
    Positions,
    growth_factors,
    newest,
    positions_with_stops,
    positions_without_stops,
)
from market_master.backtest.round_trips import RoundTrips, TradeRecorder
from market_master.backtest.trading_rules import Rules
from market_master.domain import Array, BadTargets, Ints

STRETCH = 512
"""bars worked on at once: memory beyond targets and prices does not grow with their number"""


@dataclass(frozen=True, eq=False)
class Account:
    """Capital over some bars: returns, costs and what each instrument earned."""

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


@dataclass(frozen=True, eq=False)
class SimulationResult(Account):
    """Result of traded targets: by bar, by instrument, and by round trip."""

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

    `target` [bars, instruments] is the share of capital to hold in each, -1 to 1, decided at the bar's close from what
    was known by then; NaN decides nothing, and the position stays. It is filled at the instrument's next open; what is
    decided at the last bar opens nothing. `known` says when each row of targets was known (epoch seconds, such as the end
    of the newest bar behind it). Raises BadTargets for another shape, for shares beyond 1, and for rows known only
    after their bar had ended.
    """
    rules = rules or Rules()
    _check(target, panel, known)
    carry, trades, capital = CarryState.nothing(len(panel.symbols)), TradeRecorder(len(panel.symbols)), 1.0
    accounts = []
    for first in range(0, len(panel), STRETCH):
        rows = slice(first, first + STRETCH)
        part, part_target = panel.part(rows), np.asarray(target[rows], dtype=float)
        closes = np.vstack([carry.close, part.close])
        newest_row = newest(np.isfinite(closes))
        newest_close = np.take_along_axis(closes, newest_row, axis=0)
        gap_return = _return(part.open, newest_close[:-1])
        if rules.exit == "bar_close":
            gap_return = np.zeros(part.open.shape)
        if rules.has_stops:
            positions = positions_with_stops(part_target, part, rules, carry, gap_return)
        else:
            positions = positions_without_stops(part_target, part, rules, carry)
        body_return = _return(positions.exit_price, part.open)
        account, earned_in_gap, earned_in_bar = _account(
            positions, gap_return, body_return, part.traded, rules, capital
        )
        bars = np.where(newest_row > 0, newest_row + first - 1, carry.close_row)
        trades.record(positions, earned_in_gap, earned_in_bar, part, newest_close[:-1], bars, rules, first)
        accounts.append(account)
        capital = float(account.equity[-1])
        carry = CarryState(
            positions.target, positions.after[-1], positions.entry, newest_close[-1], bars[-1],
            positions.session, positions.growth, positions.halted,
        )  # fmt: skip
    return _result(accounts, trades.round_trips(carry), rules)


def _result(accounts: list[Account], trades: RoundTrips, rules: Rules) -> SimulationResult:
    """The accounts of all stretches, joined by bar and summed by instrument."""
    by_bar = ("net", "gross", "turnover", "exposure", "equity")
    by_instrument = ("instrument_net", "instrument_gross", "instrument_turnover")
    return SimulationResult(
        **{name: np.concatenate([getattr(account, name) for account in accounts]) for name in by_bar},
        **{name: np.sum([getattr(account, name) for account in accounts], axis=0) for name in by_instrument},
        trades=trades,
        rate=rules.rate,
    )


def _account(
    positions: Positions,
    gap_return: Array,
    body_return: Array,
    traded: NDArray[np.bool_],
    rules: Rules,
    capital: float,
) -> tuple[Account, Array, Array]:
    """The account of a stretch, and [bars, instruments] in shares of the starting capital: what was earned by the positions
    through the gap, their exit paid, and by those from the open on, their entry paid."""
    gap, bar, after, rate = positions.gap, positions.bar, positions.after, rules.rate
    factors = growth_factors(gap, bar, after, gap_return, body_return, rate)
    growth = factors.prod(axis=0)
    equity = capital * np.cumprod(growth)
    capital_before = np.concatenate([[capital], equity[:-1]]) * np.concatenate(
        [np.ones((1, len(growth))), factors[:-1]]
    ).cumprod(axis=0)
    at_gap, at_open, at_body, at_exit = capital_before[..., None]
    reduced, added = _reduced_and_added(gap, bar)
    exited = np.abs(bar - after)
    gap_gross, bar_gross, turnover = gap * gap_return, bar * body_return, reduced + added + exited
    earned_in_gap = at_gap * gap_gross - at_open * rate * reduced
    earned_in_bar = at_body * bar_gross - rate * (at_open * added + at_exit * exited)
    account = Account(
        net=growth - 1,
        gross=(gap_gross + bar_gross).sum(axis=1),
        turnover=turnover.sum(axis=1),
        exposure=(np.abs(bar) * (traded | (rules.exit == "next_decision"))).sum(axis=1),
        equity=equity,
        instrument_net=(earned_in_gap + earned_in_bar).sum(axis=0),
        instrument_gross=(gap_gross + bar_gross).sum(axis=0),
        instrument_turnover=turnover.sum(axis=0),
    )
    return account, earned_in_gap, earned_in_bar


def _return(to: Array, since: Array) -> Array:
    """Simple return, 0 where either price is missing."""
    moved = to / since - 1
    return np.where(np.isnan(moved), 0.0, moved)


def _reduced_and_added(before: Array, position: Array) -> tuple[Array, Array]:
    """How much of a change reduces the position before, and how much is added: to turn is to close all and open anew."""
    unchanged = np.where(before * position > 0, np.minimum(np.abs(before), np.abs(position)), 0.0)
    return np.abs(before) - unchanged, np.abs(position) - unchanged


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
