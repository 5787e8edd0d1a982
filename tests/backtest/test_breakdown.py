"""What is left after costs and against what: cost table, dealings, benchmarks, cuts, and the choice of a threshold."""

from __future__ import annotations

import numpy as np
import pytest

from market_master.backtest import breakdown, threshold
from market_master.backtest.engine import simulate
from market_master.backtest.panel import Panel
from market_master.backtest.statistics import daily_returns
from market_master.backtest.trading_rules import Rules
from market_master.domain.errors import ConfigError
from market_master.labels import LabelWindow
from tests.support.random_bars import random_bars


@pytest.fixture(scope="module")
def bars():
    """Four instruments."""
    return random_bars(8, symbols=4, sessions=60)


@pytest.fixture(scope="module")
def panel(bars):
    """The same on one clock."""
    return Panel.of(bars)


@pytest.fixture(scope="module")
def coin(panel):
    """Random targets, a quarter of the capital each."""
    return np.random.default_rng(1).choice([-0.25, 0.0, 0.25], panel.open.shape)


def test_the_cost_table_falls_by_turnover(panel, coin) -> None:
    """0x is gross; each multiple takes rate x turnover a session more, to the second order."""
    free, once, twice = breakdown.cost_table(coin, panel, Rules())
    path = simulate(coin, panel)
    sessions = len(np.unique(panel.session))
    assert (free.rate, once.rate, twice.rate) == (0.0, pytest.approx(2e-4), pytest.approx(4e-4))
    paid = path.cost.sum() / sessions
    assert free.net - once.net == pytest.approx(paid, rel=0.01)
    assert once.net - twice.net == pytest.approx(paid, rel=0.01)
    assert once.measures.values["total"] == pytest.approx(path.equity[-1] - 1)
    assert once.measures.intervals["mean"][0] < once.net < once.measures.intervals["mean"][1]


def test_at_the_break_even_cost_nothing_is_left(bars, panel) -> None:
    """With foresight there is a gross; charged the break-even rate, the sum of gross less costs is 0."""
    ahead = np.nan_to_num(panel.matrix(bars.code, bars.bar_end, LabelWindow().returns(bars)))
    target = 0.25 * np.sign(ahead)
    rate = simulate(target, panel).break_even
    path = simulate(target, panel, Rules(cost=rate, slippage=0.0))
    assert (path.gross - path.cost).sum() == pytest.approx(0, abs=1e-12)
    assert breakdown.trade_statistics(path, panel).cost_share == pytest.approx(1.0)


def test_dealings_are_those_of_the_round_trips(panel, coin) -> None:
    """Won and lost trips add up to the change of equity; hit rate counts the won ones."""
    path = simulate(coin, panel)
    statistics = breakdown.trade_statistics(path, panel)
    won = round(statistics.hit_rate * statistics.trades)
    lost = int((path.trades.net < 0).sum())
    assert won * statistics.average_win + lost * statistics.average_loss == pytest.approx(path.equity[-1] - 1)
    assert statistics.turnover * len(np.unique(panel.session)) == pytest.approx(path.turnover.sum())
    still = breakdown.trade_statistics(simulate(np.zeros(panel.open.shape), panel, Rules()), panel)
    assert (still.trades, still.turnover, still.hit_rate, still.break_even) == (0, 0.0, None, None)


def test_buying_and_holding_trades_once(panel) -> None:
    """All capital, bought at the first open that can be, at cost, and never again."""
    path = breakdown.buy_and_hold(panel, Rules(stop_loss=0.001, flat_by_close=True))
    assert path.turnover.sum() == pytest.approx(1.0)
    assert path.exposure[1:] == pytest.approx(1.0)


def test_foresight_lies_beyond_the_band_and_a_coin_within(bars, panel, coin) -> None:
    """The band is of the same positions on other days: knowing the sign beats all of it."""
    ahead = np.nan_to_num(panel.matrix(bars.code, bars.bar_end, LabelWindow().returns(bars)))
    knows = _band(0.25 * np.sign(ahead), panel, paths=40)
    assert knows.beaten == 1.0
    assert knows.low < knows.median < knows.high
    luck = [_band(np.roll(coin, by, axis=0), panel, paths=20).beaten for by in (0, 50, 100, 150, 200)]
    assert sum(beaten >= 0.95 for beaten in luck) <= 2
    assert _band(coin, panel, paths=5) == _band(coin, panel, paths=5)


def test_cuts_add_up(panel, coin) -> None:
    """Slots add up to the path's bars, symbols to the change of equity."""
    path = simulate(coin, panel)
    slots = breakdown.breakdown_by_bar(path, panel, panel.slot)
    assert [cut.name for cut in slots] == [str(slot) for slot in range(7)]
    for name in ("gross", "cost", "net", "turnover"):
        assert sum(getattr(cut, name) for cut in slots) == pytest.approx(getattr(path, name).sum())
    symbols = breakdown.breakdown_by_symbol(path, panel)
    assert [cut.name for cut in symbols] == list(panel.symbols)
    assert sum(cut.net for cut in symbols) == pytest.approx(path.equity[-1] - 1)
    assert sum(cut.gross for cut in symbols) == pytest.approx(path.gross.sum())


def test_noise_is_traded_at_the_largest_threshold(panel) -> None:
    """On signal-free scores nothing is one standard error worse than the best: the largest threshold stands."""
    score = np.random.default_rng(4).standard_normal(panel.open.shape)
    grid = np.linspace(0.2, 3.8, 10)
    tuned = threshold.search_threshold(
        lambda value: 0.25 * np.sign(score) * (np.abs(score) >= value), grid, panel, Rules()
    )
    assert tuned.trials == len(tuned.net) == 10
    assert tuned.threshold == grid[-1]
    assert tuned.threshold >= tuned.best


def test_a_threshold_that_pays_is_found(bars, panel) -> None:
    """Where only strong scores tell the truth, the choice is the best or larger, by the rule of one standard error."""
    random = np.random.default_rng(5)
    ahead = np.nan_to_num(panel.matrix(bars.code, bars.bar_end, LabelWindow().returns(bars)))
    score = random.standard_normal(ahead.shape)
    score = np.where(np.abs(score) > 1.5, np.abs(score) * np.sign(ahead), score)
    grid = np.arange(0.5, 3.0, 0.25)

    def targets(value: float) -> np.ndarray:
        return 0.25 * np.sign(score) * (np.abs(score) >= value)

    tuned = threshold.search_threshold(targets, grid, panel, Rules(cost=0.0005))
    assert 1.25 <= tuned.best <= 1.75
    short = max(tuned.net) - tuned.net[list(grid).index(tuned.threshold)]
    assert 0 <= short <= tuned.shortfall_se[list(grid).index(tuned.threshold)]
    assert tuned.best <= tuned.threshold < 2.5
    daily_net = daily_returns(simulate(targets(1.5), panel, Rules(cost=0.0005)).net, panel.session)[1].mean()
    assert tuned.net[4] == pytest.approx(daily_net)


def test_thresholds_that_do_not_increase_are_refused(panel) -> None:
    """The rule toward the larger one needs an order."""
    with pytest.raises(ConfigError, match=r"1, 0\.5"):
        threshold.search_threshold(lambda value: np.zeros(panel.open.shape) + value, [1.0, 0.5], panel, Rules())


def _band(target, panel, *, paths):
    daily_net = daily_returns(simulate(target, panel, Rules()).net, panel.session)[1]
    return breakdown.random_band(daily_net, breakdown.random_paths(target, panel, Rules(), paths=paths))
