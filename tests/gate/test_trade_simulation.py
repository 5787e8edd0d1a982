"""What actions earn: the label's own return, less the cost of every change, against the same positions on other days."""

from __future__ import annotations

import numpy as np
import pytest

from market_master.backtest.engine import simulate
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain.actions import SCORES
from market_master.gate.trade_simulation import trade
from market_master.labels import LabelWindow
from tests.support.random_bars import random_bars


@pytest.fixture(scope="module")
def world():
    """Rows with a known next return, and the columns that trading asks for."""
    bars = random_bars(31, symbols=4, sessions=60)
    ahead = LabelWindow().returns(bars)
    rows = np.flatnonzero(np.isfinite(ahead))
    columns = [getattr(bars, name)[rows] for name in ("code", "bar_end", "session", "slot")]
    return ahead[rows], columns


def test_holding_earns_nothing_and_costs_nothing(world) -> None:
    """All hold: no turnover, no drawdown."""
    ahead, columns = world
    flat = trade(np.full(len(ahead), 2), ahead, *columns, cost=0.01)
    assert (flat.net, flat.turnover, flat.drawdown) == (0.0, 0.0, 0.0)


def test_always_long_is_the_basket_without_cost(world) -> None:
    """strong_buy everywhere earns the mean simple return of each instant, summed by session; selling is its mirror."""
    ahead, (code, bar_end, session, slot) = world
    long = trade(np.full(len(ahead), 4), ahead, code, bar_end, session, slot, cost=0.0)
    _, at = np.unique(bar_end, return_inverse=True)
    each = np.bincount(at, weights=np.expm1(ahead)) / np.bincount(at)
    assert long.gross == pytest.approx(each.sum() / len(np.unique(session)))
    short = trade(np.full(len(ahead), 0), ahead, code, bar_end, session, slot, cost=0.0)
    assert short.net == pytest.approx(-long.net)


def test_only_changes_cost(world) -> None:
    """Always long trades once a symbol; changing sides at each bar trades twice the capital a bar."""
    ahead, (code, bar_end, session, slot) = world
    days = len(np.unique(session))
    still = trade(np.full(len(ahead), 4), ahead, code, bar_end, session, slot, cost=0.001)
    assert still.turnover * days == pytest.approx(1.0, abs=0.1)
    assert still.gross - still.net == pytest.approx(0.001 * still.turnover)
    turns = np.where(np.arange(len(ahead)) % 2 == 0, 4, 0)
    assert trade(turns, ahead, code, bar_end, session, slot, cost=0.001).turnover > 10


def test_foresight_beats_the_same_positions_on_other_days(world) -> None:
    """Who knows the sign earns the mean size of a move, beyond all random paths; a coin does not."""
    ahead, columns = world
    knows = trade(np.where(ahead > 0, 4, 0), ahead, *columns, cost=0.0)
    assert knows.net > 5 * knows.random_95
    coin = np.random.default_rng(1).choice([0, 4], len(ahead))
    lucky = [trade(np.roll(coin, shift), ahead, *columns, cost=0.0) for shift in range(0, 2000, 200)]
    assert sum(one.net > one.random_95 for one in lucky) <= 3


def test_the_order_of_rows_does_not_matter(world) -> None:
    """Rows in any order are the same trades."""
    ahead, columns = world
    actions = np.random.default_rng(2).integers(0, 5, len(ahead))
    order = np.random.default_rng(3).permutation(len(ahead))
    one = trade(actions, ahead, *columns, cost=0.001)
    other = trade(actions[order], ahead[order], *(column[order] for column in columns), cost=0.001)
    assert one.net == pytest.approx(other.net)
    assert one.drawdown == pytest.approx(other.drawdown)


def test_the_engine_of_backtests_agrees() -> None:
    """The same actions on the same whole bars: the gross and the turnover of both are equal."""
    bars = random_bars(31, symbols=4, sessions=60)
    ahead = LabelWindow().returns(bars)
    actions = np.random.default_rng(4).integers(0, 5, len(bars))
    rows = np.flatnonzero(np.isfinite(ahead))
    columns = [getattr(bars, name)[rows] for name in ("code", "bar_end", "session", "slot")]
    quick = trade(actions[rows], ahead[rows], *columns, cost=0.001)
    panel = Panel.of(bars)
    target = panel.matrix(bars.code, bars.bar_end, SCORES[actions] / 2 / len(bars.symbols))
    path = simulate(target, panel, Rules(cost=0.001, slippage=0.0, exit="bar_close"))
    days = len(np.unique(columns[2]))
    assert quick.gross * days == pytest.approx(path.gross.sum(), abs=1e-12)
    assert quick.turnover * days == pytest.approx(path.turnover.sum(), abs=1e-12)
