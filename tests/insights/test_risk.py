"""Risk of a symbol: by hand, in any unit, and never by what comes later."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import talib

import market_master.insights.risk
from market_master.domain.bars import Bars
from market_master.domain.errors import TooFewBars, UnknownSymbol
from market_master.domain.records import as_json
from market_master.insights import MarketView, insights_of
from market_master.insights.risk import (
    NEEDED,
    Risk,
    average_true_range,
    illiquidity,
    position_size,
    position_sizes,
    risk_scores,
    rolling_beta,
    rolling_drawdown,
)
from tests.support.random_bars import random_bars, scaled


@functools.cache
def market() -> Bars:
    """Three symbols, 560 bars each."""
    return random_bars(5, symbols=3, sessions=100).tail(560)


def risk(bars: Bars, symbol: str) -> Risk:
    """Of bars alone."""
    return market_master.insights.risk.risk(MarketView.of(bars), symbol)


def test_stops_and_targets_are_ranges_away() -> None:
    """Two average ranges to the stop, three to the target; a short is a long's mirror."""
    found = risk(market(), "S1")
    assert found.long.stop < found.price < found.long.target
    assert found.short.target < found.price < found.short.stop
    assert found.price - found.long.stop == pytest.approx(2 * found.average_true_range)
    assert found.long.target - found.price == pytest.approx(3 * found.average_true_range)
    assert found.short.stop - found.price == pytest.approx(2 * found.average_true_range)


def test_the_average_range_is_wilders() -> None:
    """As TA-Lib has it."""
    rows = market().rows("S1")
    high, low, close = (getattr(market(), name)[rows] for name in ("high", "low", "close"))
    assert average_true_range(high, low, close) == pytest.approx(talib.ATR(high, low, close, 14)[-1], rel=1e-12)


def test_twice_the_volatility_is_half_the_position() -> None:
    """Moves of twice the size put the stop twice as far away, in units of the price to a hundredth, and halve the size."""
    calm, wild = (random_bars(5, symbols=1, sessions=100, volatility=v).tail(560) for v in (0.0005, 0.001))
    one, two = risk(calm, "S1"), risk(wild, "S1")
    ratio = (two.average_true_range / two.price) / (one.average_true_range / one.price)
    assert ratio == pytest.approx(2.0, rel=0.01)
    sizes = [position_sizes(found, 100_000.0, 0.0001) for found in (one, two)]
    assert sizes[0].long * one.price / (sizes[1].long * two.price) == pytest.approx(ratio)


def test_position_sizes_keep_their_limits() -> None:
    """By the stop, by the equity, by the volume traded."""
    assert position_size(100_000, 0.01, 100.0, 98.0) == pytest.approx(500.0)
    assert position_size(100_000, 0.01, 100.0, 99.9) == pytest.approx(1_000.0)
    assert position_size(100_000, 0.01, 100.0, 98.0, daily_volume=20_000) == pytest.approx(200.0)
    assert position_size(100_000, 0.01, 100.0, 100.0) == pytest.approx(1_000.0)


def test_units_do_not_matter() -> None:
    """Prices times ten and volumes times a thousand: the same shares, ranks and betas; prices are ten times higher."""
    one, ten = as_json(risk(market(), "S3")), as_json(risk(scaled(market(), 10.0, 1e3), "S3"))
    for name in ("score", "drawdown", "beta", "volatility"):
        assert ten[name] == pytest.approx(one[name], rel=1e-9)
    for name in ("price", "average_true_range", "long", "short"):
        scale = one[name] if isinstance(one[name], dict) else {name: one[name]}
        found = ten[name] if isinstance(ten[name], dict) else {name: ten[name]}
        assert found == pytest.approx({key: 10 * value for key, value in scale.items()}, rel=1e-9)


def test_parts_are_what_they_say() -> None:
    """Drawdown from the highest of 250 closes, beta as the slope by least squares, cost by Amihud; the market's beta is 1."""
    rows = market().rows("S2")
    close = market().close[rows]
    assert rolling_drawdown(close)[-1] == pytest.approx(1 - close[-1] / close[-250:].max())
    own, all_ = np.diff(np.log(close)), MarketView.of(market()).market_returns[rows][1:]
    slope = np.polyfit(all_[-250:], own[-250:], 1)[0]
    assert rolling_beta(own, all_)[-1] == pytest.approx(slope)
    assert rolling_beta(all_, all_) == pytest.approx(np.ones(len(all_) - 249))
    money = close[1:] * market().volume[rows][1:]
    assert illiquidity(own, money)[-1] == pytest.approx((np.abs(own) / money)[-20:].mean())


def test_the_score_is_the_mean_of_its_parts() -> None:
    """Each from 0 to 100, ranked among the same bars."""
    score = as_json(risk(market(), "S1").score)
    among = score.pop("ranked_among")
    total = score.pop("score")
    assert total == pytest.approx(np.mean(list(score.values())))
    assert all(0 <= part <= 100 for part in score.values())
    assert among >= 60


def test_too_little_is_refused_with_the_numbers() -> None:
    """And so is a symbol without bars; one bar more is enough."""
    with pytest.raises(TooFewBars, match=f"needs {NEEDED} bars of 'S1', there are {NEEDED - 1}"):
        risk(market().tail(NEEDED - 1), "S1")
    assert risk(market().tail(NEEDED), "S1").score.ranked_among >= 60
    with pytest.raises(UnknownSymbol, match="'S9'"):
        insights_of(MarketView.of(market()), "S9")


def test_a_symbol_that_never_moves_nor_trades_is_assessed() -> None:
    """With finite numbers: no risk there is to be seen, no position by volume."""
    bars = market()
    still = {name: np.full(560, 7.0) for name in ("open", "high", "low", "close")}
    columns = still | {"volume": np.zeros(560), "bar_end": bars.bar_end[bars.rows("S1")]}
    found = risk(bars.with_series({"S1": columns}), "S1")
    assert found.average_true_range == found.drawdown == found.beta == 0.0
    assert all(np.isfinite(value) for value in as_json(found.score).values())
    assert position_sizes(found, 1e5, 0.01).long == 0.0


def test_all_scores_at_once_are_those_one_by_one() -> None:
    """Also of symbols with fewer bars; one with too few has none."""
    bars = market()
    series = {
        "S2": {k: v[-400:] for k, v in bars.series("S2").items()},
        "S4": {k: v[-100:] for k, v in bars.series("S1").items()},
    }
    view = MarketView.of(bars.with_series(series))
    scores = risk_scores(view)
    assert set(scores) == {"S1", "S2", "S3"}
    for symbol, score in scores.items():
        assert score == pytest.approx(market_master.insights.risk.risk(view, symbol).score.score)
