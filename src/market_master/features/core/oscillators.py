"""Oscillators: where the price stands in its recent range.

In the classic forms, each with a finite memory.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows

GROUP = "trend"

BOLLINGER = 20
STOCHASTIC = 14
ABOVE_MEAN_20 = windows.above_mean(BOLLINGER, BOLLINGER - 1)


@feature(warmup=14, unit="share")
def rsi(move: Array) -> Array:
    """Cutler's RSI: rises' share of all movement of the last 14 bars, by simple means; 0.5 when nothing moved."""
    return _rises(move, 14)


@feature(warmup=5, unit="share")
def rsi_short(move: Array) -> Array:
    """Rises' share of all movement of the last 5 bars; 0.5 when nothing moved."""
    return _rises(move, 5)


@feature(warmup=13, unit="share")
def stochastic_k(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """%K: where the close lies between lowest low (0) and highest high (1) of 14 bars; 0.5 when they are one."""
    return windows.position_in_range(log_close, log_high, log_low, STOCHASTIC)


@feature(warmup=15, unit="share")
def stochastic_d(stochastic_k: Array) -> Array:
    """%D: mean of the last three %K."""
    return windows.mean(stochastic_k, 3)


@feature(warmup=19, unit="sd")
def bollinger_position(move: Array, path_spread: Array) -> Array:
    """How far the price is above its 20-bar mean, in standard deviations of that band; 0 when nothing moved.

    The price is the one without nights, so that a gap does not widen the band for 20 bars.
    """
    return windows.ratio(windows.weighted(move, ABOVE_MEAN_20), path_spread, neutral=0.0)


@feature(warmup=20, unit="ratio")
def bollinger_width(path_spread: Array, volatility: Array) -> Array:
    """Half-width of the 20-bar band over one bar's volatility: wide when moves add up, narrow when they cancel."""
    return path_spread / volatility


@series(warmup=19)
def path_spread(move: Array) -> Array:
    """Standard deviation of the last 20 points of the log price without nights."""
    return windows.path_deviation(move, BOLLINGER)


def _rises(move: Array, window: int) -> Array:
    rises = windows.mean(np.maximum(move, 0.0), window)
    return windows.ratio(rises, windows.mean(np.abs(move), window), neutral=0.5)
