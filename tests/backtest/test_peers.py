"""The engine beside vectorbt: equal equity where both can say the same thing, to 1e-9 at every bar."""

from __future__ import annotations

import numpy as np
import pytest

from market_master.backtest.engine import simulate
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array
from tests.support.random_bars import random_bars

pytestmark = pytest.mark.long
CASH = 1e6
"""vectorbt leaves orders out that are smaller than its own rounding, in units"""


def vectorbt_long_or_flat(wanted: Array, panel: Panel, *, rate: float) -> Array:
    """Equity [bars, instruments] of vectorbt, each instrument with capital of its own, all in or all out at the next open.

    Who buys with all of the capital pays the fee out of it: `rate` of the capital is rate / (1 - rate) of what is bought.
    """
    import vectorbt

    held = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
    before = np.vstack([np.zeros((1, wanted.shape[1])), held[:-1]])
    orders = np.where(held != before, held, np.nan)
    fees = np.where(held > before, rate / (1 - rate), rate)
    folio = vectorbt.Portfolio.from_orders(
        panel.close, size=orders, size_type="targetpercent", price=panel.open, fees=fees, init_cash=CASH, freq="1h"
    )
    return np.asarray(folio.value()) / CASH


def test_long_or_flat_at_cost_is_vectorbts_equity():
    """Fees on, fractional size, each instrument alone: the same equity at every bar."""
    panel = Panel.of(random_bars(21, symbols=4, sessions=80))
    wanted = np.random.default_rng(2).choice([0.0, 1.0], panel.open.shape, p=[0.6, 0.4])
    theirs = vectorbt_long_or_flat(wanted, panel, rate=0.0012)
    for number, symbol in enumerate(panel.symbols):
        alone = Panel.of(random_bars(21, symbols=4, sessions=80).select([symbol]))
        ours = simulate(wanted[:, [number]], alone, Rules(cost=0.001, slippage=0.0002))
        assert np.abs(ours.equity - theirs[:, number]).max() < 1e-9


def test_long_and_short_shares_of_one_capital_are_vectorbts_equity():
    """Positions of either side on one capital, set anew at each open and each close, at no cost: the same equity."""
    import vectorbt

    panel = Panel.of(random_bars(22, symbols=4, sessions=60))
    wanted = np.random.default_rng(3).uniform(-0.25, 0.25, panel.open.shape)
    held = np.vstack([np.zeros((1, 4)), wanted[:-1]])
    marks = np.stack([panel.open, panel.close], axis=1).reshape(-1, 4)
    folio = vectorbt.Portfolio.from_orders(
        marks, size=np.repeat(held, 2, axis=0), size_type="targetpercent", price=marks, init_cash=CASH, freq="1h",
        group_by=True, cash_sharing=True, call_seq="auto",
    )  # fmt: skip
    ours = simulate(wanted, panel, Rules(cost=0.0, slippage=0.0))
    assert np.abs(ours.equity - np.asarray(folio.value())[1::2] / CASH).max() < 1e-9
