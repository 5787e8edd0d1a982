"""The engine beside vectorbt: equal equity where both can say the same thing, to 1e-9 at every bar.

CI compares with what vectorbt answered once, in recorded/vectorbt.npz; the nightly run asks vectorbt itself, whose compiler
takes a minute, and holds the record against it. `python -m tests.backtest.test_peers` records anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from market_master.backtest.engine import simulate
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array
from tests.support.random_bars import random_bars

RECORD = Path(__file__).parent / "recorded" / "vectorbt.npz"
CASH = 1e6
"""vectorbt leaves orders out that are smaller than its own rounding, in units"""


def alone() -> tuple[Array, Panel]:
    """Long or flat, each of four instruments with capital of its own."""
    panel = Panel.of(random_bars(21, symbols=4, sessions=80))
    return np.random.default_rng(2).choice([0.0, 1.0], panel.open.shape, p=[0.6, 0.4]), panel


def together() -> tuple[Array, Panel]:
    """Long and short shares of one capital."""
    panel = Panel.of(random_bars(22, symbols=4, sessions=60))
    return np.random.default_rng(3).uniform(-0.25, 0.25, panel.open.shape), panel


def vectorbt_alone(rate: float) -> Array:
    """Equity [bars, instruments] of vectorbt, each instrument all in or all out at the next open.

    Who buys with all of the capital pays the fee out of it: `rate` of the capital is rate / (1 - rate) of what is bought.
    """
    import vectorbt

    positions, panel = alone()
    filled = np.vstack([np.zeros((1, positions.shape[1])), positions[:-1]])
    before = np.vstack([np.zeros((1, positions.shape[1])), filled[:-1]])
    orders = np.where(filled != before, filled, np.nan)
    fees = np.where(filled > before, rate / (1 - rate), rate)
    folio = vectorbt.Portfolio.from_orders(
        panel.close, size=orders, size_type="targetpercent", price=panel.open, fees=fees, init_cash=CASH, freq="1h"
    )
    return np.asarray(folio.value()) / CASH


def vectorbt_together() -> Array:
    """Equity [bars] of vectorbt, positions set anew at each open and each close, at no cost."""
    import vectorbt

    positions, panel = together()
    filled = np.vstack([np.zeros((1, 4)), positions[:-1]])
    marks = np.stack([panel.open, panel.close], axis=1).reshape(-1, 4)
    folio = vectorbt.Portfolio.from_orders(
        marks, size=np.repeat(filled, 2, axis=0), size_type="targetpercent", price=marks, init_cash=CASH, freq="1h",
        group_by=True, cash_sharing=True, call_seq="auto",
    )  # fmt: skip
    return np.asarray(folio.value())[1::2] / CASH


def test_long_or_flat_at_cost_is_vectorbts_equity() -> None:
    """Fees on, fractional size, each instrument alone: the same equity at every bar."""
    positions, panel = alone()
    recorded = np.load(RECORD)["alone"]
    for number, symbol in enumerate(panel.symbols):
        bars = random_bars(21, symbols=4, sessions=80).select([symbol])
        equity = simulate(positions[:, [number]], Panel.of(bars), Rules(cost=0.001, slippage=0.0002)).equity
        assert np.abs(equity - recorded[:, number]).max() < 1e-9


def test_long_and_short_shares_of_one_capital_are_vectorbts_equity() -> None:
    """Positions of either side on one capital, set anew at each open and each close, at no cost: the same equity."""
    equity = simulate(*together(), Rules(cost=0.0, slippage=0.0)).equity
    assert np.abs(equity - np.load(RECORD)["together"]).max() < 1e-9


@pytest.mark.nightly
def test_the_record_is_what_vectorbt_answers_today() -> None:
    """The installed vectorbt gives the recorded equity, of both kinds."""
    recorded = np.load(RECORD)
    assert np.abs(vectorbt_alone(0.0012) - recorded["alone"]).max() < 1e-9
    assert np.abs(vectorbt_together() - recorded["together"]).max() < 1e-9


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    np.savez_compressed(RECORD, alone=vectorbt_alone(0.0012), together=vectorbt_together())
