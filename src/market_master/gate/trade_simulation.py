"""Trade simulation: equal-weight positions of score / 2 in every symbol, costs on changes.

A guard rail beside the scores, never the selector: its sampling error is larger than any edge (method 2.4).

It works on labelled rows, not on bars: the label's own returns, summed by session, the capital dealt evenly over the rows that
each instant has. The backtest room trades bars on one compounding capital, with caps, nights and stops. Where every instant
has every symbol, its engine with `exit: bar_close` has the same gross and the same turnover (tests/test_trading.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.domain import SCORES, Array, Ints, Trades
from market_master.stats.bootstrap import RANDOM_PATHS, SEED, permute_days
from market_master.stats.daily import newey_west_se


def trade(
    decided: NDArray[np.integer],
    forward_return: Array,
    code: Ints,
    bar_end: Ints,
    session: Ints,
    slot: Ints,
    *,
    cost: float,
    horizon: int = 1,
) -> Trades:
    """Trade the actions of some rows at the next open, out at that bar's close; `cost` is one way, a share of the trade.

    A label of `horizon` bars is traded in as many equal parts, of which each bar renews one. Positions are carried from a
    symbol's row to its next, so only changes cost. Random paths deal whole days of positions out anew.
    """
    order = np.lexsort((bar_end, code))
    position = SCORES[decided[order]] / (2 * horizon)
    rows = _Rows(code[order], bar_end[order], session[order], np.expm1(forward_return[order]), cost)
    gross, net, turnover = rows.daily(position)
    wealth = np.concatenate([[1.0], np.cumprod(1 + net)])
    random = np.random.default_rng(SEED)
    permuted = [position[permute_days(rows.code, slot[order], rows.session, random)] for _ in range(RANDOM_PATHS)]
    return Trades(
        net=float(net.mean()),
        net_se=newey_west_se(net),
        gross=float(gross.mean()),
        turnover=float(turnover.mean()),
        drawdown=float((1 - wealth / np.maximum.accumulate(wealth)).max()),
        random_95=float(np.quantile([rows.daily(path)[1].mean() for path in permuted], 0.95)),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows by symbol and time, with what each earns when held long."""

    code: Ints
    bar_end: Ints
    session: Ints
    earns: Array
    cost: float

    def daily(self, position: Array) -> tuple[Array, Array, Array]:
        """Gross and net return and turnover of each session."""
        previous = np.concatenate([[0.0], position[:-1]])
        previous[np.concatenate([[True], self.code[1:] != self.code[:-1]])] = 0.0
        _, instant = np.unique(self.bar_end, return_inverse=True)
        share = 1.0 / np.bincount(instant)[instant]
        _, day = np.unique(self.session, return_inverse=True)
        gross = np.bincount(day, weights=share * position * self.earns).astype(float)
        turnover = np.bincount(day, weights=share * np.abs(position - previous)).astype(float)
        return gross, gross - self.cost * turnover, turnover
