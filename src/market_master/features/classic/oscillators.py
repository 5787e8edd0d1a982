"""Oscillators in their textbook forms: RSI, Williams %R, CCI, rate of change, money flow."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.classic.recursive import reach, wilder
from market_master.features.engine import windows

GROUP = "trend"

WILDER_14 = wilder(14)
CCI, MONEY = 20, 14
LARGEST = 1e300
"""money flow; beyond it sums would overflow"""


@feature(warmup=reach(WILDER_14) + 1, unit="share")
def rsi_wilder(close_return: Array) -> Array:
    """Rises' share of all movement in Wilder's means of 14 bars; 0.5 when nothing moved."""
    rises, moves = (
        windows.weighted(values, WILDER_14) for values in (np.maximum(close_return, 0.0), np.abs(close_return))
    )
    return windows.ratio(rises, moves, neutral=0.5)


@feature(warmup=13, unit="share")
def williams_r(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """How far the close is below the highest high of 14 bars: 0 at it, -1 at the lowest low; -0.5 when they are one."""
    return windows.position_in_range(log_close, log_high, log_low, 14) - 1.0


@feature(warmup=CCI - 1, unit="ratio")
def cci(typical: Array) -> Array:
    """Commodity channel index of 20 bars over 100 (Lambert): distance from the mean in 1.5 mean absolute deviations."""
    level = windows.mean(typical, CCI)
    distances = [np.abs(typical - level), *(np.abs(windows.lag(typical, back) - level) for back in range(1, CCI))]
    deviation = sum(distances[1:], start=distances[0]) / CCI
    return windows.ratio(typical - level, 1.5 * deviation, neutral=0.0)


@feature(warmup=5, unit="ln")
def roc_5(log_close: Array) -> Array:
    """Log return of the last 5 bars, nights included."""
    return log_close - windows.lag(log_close, 5)


@feature(warmup=10, unit="ln")
def roc_10(log_close: Array) -> Array:
    """Log return of the last 10 bars, nights included."""
    return log_close - windows.lag(log_close, 10)


@feature(warmup=20, unit="ln")
def roc_20(log_close: Array) -> Array:
    """Log return of the last 20 bars, nights included."""
    return log_close - windows.lag(log_close, 20)


@feature(warmup=MONEY, unit="share")
def mfi(typical: Array, money: Array) -> Array:
    """Money flow index of 14 bars: share of the money of bars whose typical price rose; 0.5 where none changed hands."""
    change = windows.direction(typical - windows.lag(typical, 1))
    risen, moved = (windows.mean(flow * money, MONEY) for flow in (np.maximum(change, 0.0), np.abs(change)))
    return windows.ratio(risen, moved, neutral=0.5, minimum=0.0)


@series(warmup=0)
def typical(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Typical price: the mean of high, low and close, each as a log."""
    return (log_high + log_low + log_close) / 3.0


@series(warmup=0)
def money(typical: Array, volume: Array) -> Array:
    """Typical price times volume."""
    return np.minimum(np.exp(typical) * volume, LARGEST)


@series(warmup=1)
def close_return(log_close: Array) -> Array:
    """Log return from close to close, the night included."""
    return log_close - windows.lag(log_close, 1)
