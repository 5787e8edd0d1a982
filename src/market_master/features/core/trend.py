"""Trend: distances to moving averages, directional movement, new highs and lows."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows

DIRECTION = 14
SWING = 20
ABOVE_MEAN_10 = windows.unit_variance(windows.above_mean(10, 9))
ABOVE_MEAN_50 = windows.unit_variance(windows.above_mean(50, 49))
FAST_OVER_SLOW = windows.above_mean(26, 25) - windows.above_mean(12, 25)
MACD = windows.unit_variance(FAST_OVER_SLOW)
HISTOGRAM = windows.unit_variance(
    np.append(FAST_OVER_SLOW, np.zeros(8)) - np.convolve(FAST_OVER_SLOW, np.full(9, 1 / 9))
)


@feature(warmup=20, unit="sd")
def above_mean_10(move: Array, volatility: Array) -> Array:
    """Distance of the price from its 10-bar mean, as a random walk would spread (nights left out)."""
    return _scaled(move, ABOVE_MEAN_10, volatility)


@feature(warmup=49, unit="sd")
def above_mean_50(move: Array, volatility: Array) -> Array:
    """Distance of the price from its 50-bar mean, as a random walk would spread (nights left out)."""
    return _scaled(move, ABOVE_MEAN_50, volatility)


@feature(warmup=25, unit="sd")
def macd(move: Array, volatility: Array) -> Array:
    """12-bar mean above the 26-bar mean, by simple means, as a random walk would spread (nights left out)."""
    return _scaled(move, MACD, volatility)


@feature(warmup=33, unit="sd")
def macd_histogram(move: Array, volatility: Array) -> Array:
    """MACD above its own mean of 9 bars: is the trend gaining or tiring?"""
    return _scaled(move, HISTOGRAM, volatility)


@feature(warmup=14, unit="share")
def di_plus(climb: Array, drop: Array, average_range: Array) -> Array:
    """Upward directional movement over true range, 14 bars, simple means; 0 when nothing moved."""
    rises = np.where((climb > drop) & (climb > 0), climb, 0.0)
    return windows.ratio(windows.mean(rises, DIRECTION), average_range, neutral=0.0)


@feature(warmup=14, unit="share")
def di_minus(climb: Array, drop: Array, average_range: Array) -> Array:
    """Downward directional movement over true range, 14 bars, simple means; 0 when nothing moved."""
    falls = np.where((drop > climb) & (drop > 0), drop, 0.0)
    return windows.ratio(windows.mean(falls, DIRECTION), average_range, neutral=0.0)


@feature(warmup=14, unit="share")
def dx(di_plus: Array, di_minus: Array) -> Array:
    """Strength of the direction, whichever it is: 0 none, 1 all movement one way; 0 when nothing moved."""
    return windows.ratio(np.abs(di_plus - di_minus), di_plus + di_minus, neutral=0.0)


@feature(warmup=25, unit="share")
def aroon(high: Array, low: Array) -> Array:
    """Is the highest high (1) or the lowest low (-1) of the last 26 bars the more recent?"""
    return windows.newer_extreme(high, low, 25)


@feature(warmup=20, unit="sd")
def drawdown(log_close: Array, log_high: Array, volatility: Array) -> Array:
    """How far below the high of the last 20 bars the close is (0 or less), in units of 20 bars' volatility."""
    fall = log_close - windows.highest(log_high, SWING)
    return fall / (volatility * np.sqrt(SWING))


@feature(warmup=20, unit="sd")
def rebound(log_close: Array, log_low: Array, volatility: Array) -> Array:
    """How far above the low of the last 20 bars the close is (0 or more), in units of 20 bars' volatility."""
    rise = log_close - windows.lowest(log_low, SWING)
    return rise / (volatility * np.sqrt(SWING))


@feature(warmup=49, unit="share")
def channel_position(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Where the close lies between the lowest low (0) and the highest high (1) of 50 bars; 0.5 when they are one."""
    return windows.position_in_range(log_close, log_high, log_low, 50)


@series(warmup=1)
def climb(log_high: Array, overnight: Array) -> Array:
    """How far the high went above the previous high, the night taken out."""
    return log_high - windows.lag(log_high, 1) - overnight


@series(warmup=1)
def drop(log_low: Array, overnight: Array) -> Array:
    """How far the low went below the previous low, the night taken out."""
    return windows.lag(log_low, 1) - log_low + overnight


def _scaled(move: Array, weights: Array, volatility: Array) -> Array:
    return windows.weighted(move, weights) / volatility
