"""The engine of backtests: what targets earn, what changes cost, what stops do, and that nothing looks ahead."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from market_master.backtest.engine import STRETCH, SimulationResult, simulate
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array
from market_master.domain.bars import PRICES
from market_master.domain.errors import BadTargets, ConfigError
from market_master.labels import LabelWindow
from tests.support.random_bars import random_bars, shaken

FREE = Rules(cost=0.0, slippage=0.0)
EVERY = [
    Rules(),
    Rules(exit="bar_close"),
    Rules(flat_by_close=True),
    Rules(stop_loss=0.01, take_profit=0.015),
    Rules(stop_loss=0.01, exit="bar_close"),
    Rules(daily_loss_stop=0.005, flat_by_close=True),
    Rules(symbol_cap=0.2, gross_cap=0.4),
]


def beyond_default(rules: Rules) -> str:
    """A rule's name: what it says beyond the defaults."""
    return (
        " ".join(f"{name}={value}" for name, value in vars(rules).items() if value != getattr(Rules(), name)) or "plain"
    )


@pytest.fixture(scope="module")
def bars():
    """Five instruments with holes, over a half-day and a clock change."""
    return random_bars(5, symbols=5, sessions=40, missing=0.05)


@pytest.fixture(scope="module")
def panel(bars):
    """The same on one clock."""
    return Panel.of(bars)


def coin(panel: Panel, seed: int = 1, share: float = 0.2, undecided: float = 0.0) -> Array:
    """Random targets of -share, 0 or share; some undecided."""
    random = np.random.default_rng(seed)
    target = random.choice([-share, 0.0, share], panel.open.shape)
    return np.where(random.random(target.shape) < undecided, np.nan, target)


def one_instrument(prices: list[tuple[float, float, float, float]], sessions: list[int] | None = None) -> Panel:
    """A panel of one instrument from (open, high, low, close); one session unless they are given."""
    o, h, low, c = (np.array(column, dtype=float)[:, None] for column in zip(*prices, strict=True))
    session = np.array(sessions or [0] * len(prices))
    last = np.append(session[1:] != session[:-1], False)
    slot = np.arange(len(prices))
    return Panel(("A",), 3600 * (1 + slot), session, slot, last, o, h, low, c)


def column(*values: float) -> Array:
    """Targets of one instrument."""
    return np.array(values, dtype=float)[:, None]


def equal_until(first: SimulationResult, second: SimulationResult, bars: int) -> bool:
    """Paths that agree, to the last bit, up to a bar."""
    names = ("net", "gross", "turnover", "exposure", "equity")
    return all(np.array_equal(getattr(first, name)[:bars], getattr(second, name)[:bars]) for name in names)


def test_a_panel_is_the_bars_on_one_clock(bars, panel) -> None:
    """Each bar stands at its instant and instrument; elsewhere there is NaN; the calendar says where sessions end."""
    assert panel.traded.sum() == len(bars)
    at = np.searchsorted(panel.bar_end, bars.bar_end)
    for name in PRICES:
        assert np.array_equal(getattr(panel, name)[at, bars.code], getattr(bars, name))
    ends = np.append(panel.session[1:] != panel.session[:-1], panel.ends_session[-1])
    assert np.array_equal(panel.ends_session, ends)
    assert len(np.unique(np.bincount(np.unique(panel.session, return_inverse=True)[1]))) == 2, (
        "a half-day is among them"
    )


def test_flat_targets_do_nothing(panel) -> None:
    """Equity stays 1 to the last bit, without a trade or a cost; NaN throughout is no decision, and nothing either."""
    for target in (np.zeros(panel.open.shape), np.full(panel.open.shape, np.nan)):
        path = simulate(target, panel)
        assert (path.equity == 1.0).all()
        assert path.turnover.sum() == len(path.trades) == 0
        assert path.break_even is None


def test_always_long_without_cost_is_buy_and_hold() -> None:
    """One instrument, held with all capital from the first open after the decision: the ratio of prices, at every bar."""
    panel = Panel.of(random_bars(6, symbols=1, sessions=30))
    path = simulate(np.ones(panel.open.shape), panel, FREE)
    assert path.equity == pytest.approx(np.append(1.0, panel.close[1:, 0] / panel.open[1, 0]), rel=1e-12)
    assert len(path.trades) == 1
    assert path.trades.still_open.all()


@pytest.mark.parametrize("rules", EVERY[:3], ids=beyond_default)
def test_the_mirror_loses_what_the_position_earns(panel, rules) -> None:
    """At zero cost P&L(-position) = -P&L(position) in every bar (without stops: a short's lies elsewhere)."""
    free = replace(rules, cost=0.0, slippage=0.0)
    target = coin(panel, undecided=0.3)
    long, short = simulate(target, panel, free), simulate(-target, panel, free)
    assert np.array_equal(long.gross, -short.gross)
    assert long.instrument_gross == pytest.approx(-short.instrument_gross, abs=1e-15)


@pytest.mark.parametrize("rules", EVERY, ids=beyond_default)
def test_trades_and_instruments_add_up_to_the_change_of_equity(panel, rules) -> None:
    """Every cent belongs to a round trip and to an instrument, under every rule; turnover x rate is the cost."""
    path = simulate(coin(panel, undecided=0.3), panel, rules)
    earned = path.equity[-1] - 1
    assert path.trades.net.sum() == pytest.approx(earned, abs=1e-12)
    assert path.instrument_net.sum() == pytest.approx(earned, abs=1e-12)
    assert path.instrument_turnover.sum() == pytest.approx(path.turnover.sum())
    assert np.cumprod(1 + path.net) == pytest.approx(path.equity)
    assert (path.trades.exit_bar >= path.trades.entry_bar).all()


@pytest.mark.parametrize("rules", EVERY, ids=beyond_default)
def test_a_dearer_trade_leaves_less(panel, rules) -> None:
    """Equity falls with the cost at every bar where positions do not depend on it."""
    target = coin(panel, undecided=0.3)
    costs = [0.0, 0.0001, 0.001] if rules.daily_loss_stop is None else [0.0, 0.001]
    paths = [simulate(target, panel, replace(rules, cost=cost)).equity for cost in costs]
    for cheap, dear in pairwise(paths):
        assert dear[-1] < cheap[-1]
        if rules.daily_loss_stop is None:
            assert (dear <= cheap).all()


@pytest.mark.parametrize("rules", EVERY, ids=beyond_default)
def test_the_future_changes_nothing_before_it(bars, panel, rules) -> None:
    """Other bars and other targets after an instant leave every number up to it as it was, to the last bit."""
    target = coin(panel, undecided=0.3)
    path = simulate(target, panel, rules)
    for cut in (17, 100, 201):
        other_panel = Panel.of(shaken(bars, bars.bar_end > panel.bar_end[cut], seed=3))
        later = target.copy()
        later[cut + 1 :] = coin(panel, seed=9)[cut + 1 :]
        assert equal_until(path, simulate(later, other_panel, rules), cut + 1)
        assert equal_until(path, simulate(target[: cut + 1], panel.part(slice(cut + 1)), rules), cut + 1)


def test_targets_known_after_their_bar_are_refused(panel) -> None:
    """Targets shifted by one bar change the result; where they say when they were known, they are refused."""
    target = coin(panel)
    early = np.vstack([target[1:], target[-1:]])
    assert simulate(early, panel).equity[-1] != simulate(target, panel).equity[-1]
    assert equal_until(simulate(target, panel, known=panel.bar_end), simulate(target, panel), len(panel))
    with pytest.raises(BadTargets, match=f"{len(panel) - 1} of {len(panel)} rows"):
        simulate(early, panel, known=np.append(panel.bar_end[1:], panel.bar_end[-1]))


def test_targets_that_cannot_be_traded_are_refused(panel) -> None:
    """Another shape, or more than all capital."""
    with pytest.raises(BadTargets, match="one a bar and instrument"):
        simulate(np.zeros((3, 2)), panel)
    target = np.zeros(panel.open.shape)
    target[3, 1] = -1.5
    with pytest.raises(BadTargets, match=rf"1 of {target.size} targets lie beyond 1"):
        simulate(target, panel)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cost", -0.1),
        ("slippage", 1.0),
        ("stop_loss", 0.0),
        ("take_profit", -1.0),
        ("daily_loss_stop", 1.0),
        ("exit", "never"),
    ],
)
def test_rules_that_cannot_be_are_refused(setting, value) -> None:
    """Each names the setting and the value."""
    with pytest.raises(ConfigError, match=f"{setting}.*{value}"):
        Rules(**{setting: value})


def test_left_at_the_bars_close_is_the_labels_return(bars, panel) -> None:
    """With `exit: bar_close`, position x expm1(label's return), summed, is the gross, to 1e-12 (method 1.1)."""
    ahead = LabelWindow().returns(bars)
    rows = np.flatnonzero(np.isfinite(ahead))
    at = panel.matrix(bars.code[rows], bars.bar_end[rows], np.expm1(ahead[rows]))
    target = np.where(np.isfinite(at), coin(panel), 0.0)
    path = simulate(target, panel, Rules(exit="bar_close"))
    assert path.gross.sum() == pytest.approx(np.nansum(target * at), abs=1e-12)
    again = simulate(np.where(np.isfinite(at), 0.2, 0.0), panel, Rules(exit="bar_close"))
    assert again.turnover.sum() < 0.5 * 0.2 * np.isfinite(at).sum(), "re-entry on the same side is free"


def test_perfect_foresight_earns_the_size_of_every_move(bars, panel) -> None:
    """Who knows the sign of each bar's return earns the sum of |r|."""
    ahead = LabelWindow().returns(bars)
    at = panel.matrix(bars.code, bars.bar_end, np.expm1(ahead))
    target = np.nan_to_num(np.sign(at)) * 0.2
    path = simulate(target, panel, replace(FREE, exit="bar_close"))
    assert path.gross.sum() == pytest.approx(0.2 * np.nansum(np.abs(at)), abs=1e-12)


def test_random_targets_lose_their_costs() -> None:
    """On a random walk the mean of net + cost over sessions is 0 within three standard errors; net alone is far below."""
    panel = Panel.of(random_bars(12, symbols=10, sessions=250, volatility=0.002))
    path = simulate(coin(panel, share=0.1), panel, Rules(cost=0.0005, slippage=0.0005))
    _, day = np.unique(panel.session, return_inverse=True)
    net, cost = (np.bincount(day, values) for values in (path.net, path.cost))
    se = (net + cost).std(ddof=1) / np.sqrt(len(net))
    assert abs((net + cost).mean()) < 3 * se
    assert net.mean() < -10 * se


def test_no_decision_keeps_and_the_next_bar_fills() -> None:
    """A decision waits for its instrument's next bar; NaN keeps; the last bar opens nothing."""
    panel = one_instrument([(10, 10, 10, 10), (np.nan,) * 4, (11, 11, 11, 11), (11, 12, 11, 12), (12, 12, 12, 12)])
    path = simulate(column(1, np.nan, np.nan, 0, 1), panel, FREE)
    assert path.exposure.tolist() == [0, 0, 1, 1, 0]
    assert path.trades.entry_bar.tolist() == [2]
    assert path.trades.exit_bar.tolist() == [4]
    assert path.equity[-1] == pytest.approx(12 / 11)


def test_caps_scale_targets() -> None:
    """No instrument beyond its cap, all together within the gross cap, in proportion."""
    panel = Panel.of(random_bars(5, symbols=5, sessions=10))
    path = simulate(np.ones(panel.open.shape), panel, Rules())
    assert path.exposure[1:] == pytest.approx(1.0)
    path = simulate(np.ones(panel.open.shape), panel, Rules(symbol_cap=0.1))
    assert path.exposure[1:] == pytest.approx(0.5)
    path = simulate(np.tile([1.0, -0.5, 0, 0, 0], (len(panel), 1)), panel, replace(FREE, gross_cap=0.75))
    alone = simulate(np.tile([0.5, -0.25, 0, 0, 0], (len(panel), 1)), panel, FREE)
    assert path.equity == pytest.approx(alone.equity)


@pytest.mark.parametrize(
    ("bar", "exit_price"),
    [
        ((100, 104, 98.5, 103), 99.0),  # the stop alone
        ((100, 103, 99.5, 101), 102.0),  # the profit alone
        ((100, 104, 98, 101), 99.0),  # both in one bar: the stop first
        ((97, 104, 96, 101), 97.0),  # opened beyond the stop: at the open
        ((105, 106, 97, 98), 105.0),  # opened beyond the profit: at the open
        ((100, 101, 99.5, 100.5), None),
    ],
)
def test_stops_fill_where_a_trader_would(bar, exit_price) -> None:
    """Long from 100, stop 1 %, profit 2 %; the short of the mirrored bar does the same; slippage is taken off the exit."""
    prices = [(100, 100, 100, 100), (100, 100.5, 99.5, 100), bar, (101, 101, 101, 101)]
    mirrored = [(200 - o, 200 - low, 200 - h, 200 - c) for o, h, low, c in prices]
    rules = Rules(cost=0.0, slippage=0.0005, stop_loss=0.01, take_profit=0.02)
    for side, panel in ((1, one_instrument(prices)), (-1, one_instrument(mirrored))):
        trades = simulate(column(side, np.nan, np.nan, np.nan), panel, rules).trades
        assert len(trades) == 1
        assert trades.still_open[0] == (exit_price is None)
        if exit_price is not None:
            exit_price = exit_price if side > 0 else 200 - exit_price
            assert trades.exit_bar[0] == 2
            assert trades.exit_price[0] == pytest.approx(exit_price * (1 - side * 0.0005))
            moved = side * (trades.exit_price[0] / trades.entry_price[0] - 1)
            assert trades.net[0] == pytest.approx(moved, abs=3e-4 if side < 0 else 1e-5)


def test_the_bar_of_entry_can_stop() -> None:
    """Filled at its open, a position can be stopped in that very bar, and a new decision takes it again."""
    panel = one_instrument([(100, 100, 100, 100), (100, 100, 98, 99), (99, 99, 99, 99), (99, 99, 99, 99)])
    rules = Rules(cost=0.0, slippage=0.0, stop_loss=0.01)
    once = simulate(column(1, np.nan, np.nan, np.nan), panel, rules)
    assert once.equity.tolist() == pytest.approx([1, 0.99, 0.99, 0.99])
    again = simulate(column(1, 1, np.nan, np.nan), panel, rules)
    assert again.trades.entry_bar.tolist() == [1, 2]


def test_stops_out_of_reach_change_nothing(panel) -> None:
    """Walking bar by bar gives what all bars at once give: two ways to the same path."""
    target = coin(panel, undecided=0.3)
    for rules in (Rules(), Rules(exit="bar_close"), Rules(flat_by_close=True)):
        out_of_reach = replace(rules, stop_loss=0.99, take_profit=100.0, daily_loss_stop=0.9)
        assert equal_until(simulate(target, panel, rules), simulate(target, panel, out_of_reach), len(panel))


def test_flat_by_close_holds_nothing_over_night() -> None:
    """Left at the close of the session's last bar, half-days too, and paid for; the gap earns nothing."""
    panel = Panel.of(random_bars(5, symbols=1, sessions=30))
    path = simulate(np.ones(panel.open.shape), panel, replace(FREE, flat_by_close=True))
    first = np.append(True, panel.session[1:] != panel.session[:-1])
    within = np.where(
        first, panel.close[:, 0] / panel.open[:, 0], np.append(1, panel.close[1:, 0] / panel.close[:-1, 0])
    )
    within[0], within[1] = 1.0, panel.close[1, 0] / panel.open[1, 0]
    assert path.equity == pytest.approx(np.cumprod(within))
    assert path.turnover[panel.ends_session] == pytest.approx(1.0)
    nights = simulate(np.ones(panel.open.shape), panel, FREE)
    assert nights.turnover.sum() == 1.0


def test_the_daily_loss_stop_leaves_until_the_next_session() -> None:
    """At -2 % at a bar's close all is left at the next open; the next session trades again."""
    falls = [(100, 100, 100, 100), (100, 100, 97, 97), (97, 97, 90, 90), (90, 90, 80, 80)]
    panel = one_instrument([*falls, (80, 88, 80, 88), (88, 88, 88, 88)], [0, 0, 0, 0, 1, 1])
    path = simulate(np.ones((6, 1)), panel, replace(FREE, daily_loss_stop=0.02))
    assert path.equity.tolist() == pytest.approx([1, 0.97, 0.97, 0.97, 0.97 * 1.1, 0.97 * 1.1])
    assert simulate(np.ones((6, 1)), panel, FREE).equity[-1] == pytest.approx(0.88)


@pytest.mark.parametrize("rules", EVERY, ids=beyond_default)
def test_the_stretch_of_bars_does_not_matter(monkeypatch, panel, rules) -> None:
    """Time is worked through in stretches; any length of them gives the same path and the same trades."""
    target = coin(panel, undecided=0.3)
    assert len(panel) < STRETCH
    undivided = simulate(target, panel, rules)
    for length in (1, 37):
        monkeypatch.setattr("market_master.backtest.engine.STRETCH", length)
        parts = simulate(target, panel, rules)
        assert parts.equity == pytest.approx(undivided.equity, rel=1e-12)
        for name in ("instrument", "side", "entry_bar", "exit_bar", "entry_price", "exit_price", "still_open"):
            assert np.array_equal(getattr(parts.trades, name), getattr(undivided.trades, name)), name
        assert parts.trades.net == pytest.approx(undivided.trades.net, abs=1e-12)


def test_who_has_lost_everything_trades_no_more() -> None:
    """A short of a price that more than doubles ends at 0 and stays there."""
    panel = one_instrument([(10, 10, 10, 10), (10, 25, 10, 25), (25, 25, 5, 5), (5, 5, 5, 5)])
    path = simulate(-np.ones((4, 1)), panel, FREE)
    assert path.equity.tolist() == [1, 0, 0, 0]
