"""Textbook indicators: what TA-Lib gives on log prices, once its recursions have forgotten where they began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import talib

from market_master import features
from market_master.domain.arrays import Array
from market_master.features.engine.windows import BOUND
from tests.support.random_bars import random_bars

FORGOTTEN = 1500
"""bars after which a recursion over 50 bars remembers less than 1e-25 of its start"""
LIFT = 10.0
"""added to log prices, so that TA-Lib sees positive prices"""


@dataclass(frozen=True)
class Columns:
    """One symbol's log prices, lifted, and its volume."""

    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    price: Array
    """typical price: the geometric mean of high, low and close"""
    session: Array


def _money_flow_index(of: Columns) -> Array:
    same = of.price
    return talib.MFI(same, same, same, of.volume, 14) / 100


def _skew(of: Columns) -> Array:
    moves = np.diff(of.close)
    return np.array([np.nan] * 60 + [_moment(moves[at - 60 : at], 3) for at in range(60, len(of.close))])


def _kurtosis(of: Columns) -> Array:
    moves = np.diff(of.close)
    return np.array([np.nan] * 60 + [_moment(moves[at - 60 : at], 4) - 3 for at in range(60, len(of.close))])


def _moment(values: Array, order: int) -> float:
    apart = values - values.mean()
    return float((apart**order).mean() / (apart**2).mean() ** (order / 2))


def _keltner(of: Columns) -> Array:
    return (of.close - talib.EMA(of.close, 20)) / (2 * talib.ATR(of.high, of.low, of.close, 10))


def _breakout(of: Columns) -> Array:
    top, bottom = (np.roll(line, 1) for line in (talib.MAX(of.high, 20), talib.MIN(of.low, 20)))
    return (of.close - bottom) / (top - bottom)


def _middle(of: Columns, bars: int, back: int = 0) -> Array:
    return np.roll(talib.MIDPRICE(of.high, of.low, bars), back)


def _vwap(of: Columns) -> Array:
    typical = (of.high + of.low + of.close) / 3
    return of.close - talib.SUM(typical * of.volume, 20) / talib.SUM(of.volume, 20)


def _session_vwap(of: Columns) -> Array:
    typical, level = (of.high + of.low + of.close) / 3, np.empty(len(of.close))
    for at, day in enumerate(of.session):
        so_far = slice(int(np.searchsorted(of.session, day)), at + 1)
        level[at] = np.average(typical[so_far], weights=of.volume[so_far])
    return of.close - level


def _trix(of: Columns) -> Array:
    return 100 * talib.MOM(talib.EMA(talib.EMA(talib.EMA(of.close, 15), 15), 15), 1)


REFERENCES: dict[str, Callable[[Columns], Array]] = {
    **{f"sma_distance_{n}": lambda of, n=n: of.close - talib.SMA(of.close, n) for n in (5, 10, 20, 50, 100, 200)},
    **{f"ema_distance_{n}": lambda of, n=n: of.close - talib.EMA(of.close, n) for n in (5, 10, 20, 50)},
    "macd_line": lambda of: talib.MACD(of.close)[0],
    "macd_signal": lambda of: talib.MACD(of.close)[1],
    "macd_divergence": lambda of: talib.MACD(of.close)[2],
    "trix": _trix,
    "rsi_wilder": lambda of: talib.RSI(of.close, 14) / 100,
    "williams_r": lambda of: talib.WILLR(of.high, of.low, of.close, 14) / 100,
    "cci": lambda of: talib.CCI(of.high, of.low, of.close, 20) / 100,
    **{f"roc_{n}": lambda of, n=n: talib.MOM(of.close, n) for n in (5, 10, 20)},
    **{f"close_return_lag_{n}": lambda of, n=n: np.roll(talib.MOM(of.close, 1), n) for n in (1, 2, 3, 5, 10)},
    "mfi": _money_flow_index,
    "di_plus_wilder": lambda of: talib.PLUS_DI(of.high, of.low, of.close, 14) / 100,
    "di_minus_wilder": lambda of: talib.MINUS_DI(of.high, of.low, of.close, 14) / 100,
    "keltner_position": _keltner,
    "donchian_breakout": _breakout,
    "donchian_position": lambda of: 1 + talib.WILLR(of.high, of.low, of.close, 55) / 100,
    "ichimoku_conversion": lambda of: of.close - _middle(of, 9),
    "ichimoku_base": lambda of: of.close - _middle(of, 26),
    "ichimoku_span_a": lambda of: of.close - (_middle(of, 9, 26) + _middle(of, 26, 26)) / 2,
    "ichimoku_span_b": lambda of: of.close - _middle(of, 52, 26),
    "rolling_skew": _skew,
    "rolling_kurtosis": _kurtosis,
    "obv_slope": lambda of: talib.LINEARREG_SLOPE(talib.OBV(of.close, of.volume), 20) / talib.SMA(of.volume, 20),
    "vwap_distance": _vwap,
    "session_vwap_distance": _session_vwap,
}
CLASSIC = features.select(["classic"], "1h")


def test_every_indicator_has_its_reference() -> None:
    """None is left without."""
    assert set(REFERENCES) == set(CLASSIC)


@pytest.mark.parametrize("name", CLASSIC)
def test_an_indicator_is_the_textbooks(name: str) -> None:
    """To 1e-9, up to the bound of features."""
    bars = random_bars(3, symbols=1, sessions=600)
    logs = {column: LIFT + np.log(getattr(bars, column)) for column in ("open", "high", "low", "close")}
    price = (bars.high * bars.low * bars.close) ** (1 / 3)
    expected = REFERENCES[name](Columns(**logs, volume=bars.volume, price=price, session=bars.session))
    computed = features.compute(bars, (name,))[:, 0]
    assert np.abs(computed - expected.clip(-BOUND, BOUND))[FORGOTTEN:].max() < 1e-9
    assert np.isfinite(computed[FORGOTTEN:]).all()
