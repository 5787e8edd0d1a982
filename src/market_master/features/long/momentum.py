"""Momentum over a week and a month, and distances from long highs and lows."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature
from market_master.features.engine import windows
from market_master.features.long.volatility import MONTH, WEEK

GROUP = "trend"

SESSIONS_WEEK = 35
"""bars: five sessions of seven hours"""
ABOVE_MEAN_WEEK = windows.unit_variance(windows.above_mean(WEEK, WEEK - 1))


@feature(warmup=SESSIONS_WEEK, unit="sd")
def momentum_35(move: Array, volatility: Array) -> Array:
    """What the last 35 bars earned inside sessions, as a random walk of 35 steps would spread."""
    return windows.mean(move, SESSIONS_WEEK) * np.sqrt(SESSIONS_WEEK) / volatility


@feature(warmup=WEEK, unit="sd")
def momentum_week(move: Array, volatility_week: Array) -> Array:
    """What the last 168 bars earned inside sessions, in units of their own volatility."""
    return windows.mean(move, WEEK) * np.sqrt(WEEK) / volatility_week


@feature(warmup=MONTH, unit="sd")
def momentum_month(move: Array, volatility_month: Array) -> Array:
    """What the last 480 bars earned inside sessions, in units of their own volatility."""
    return windows.mean(move, MONTH) * np.sqrt(MONTH) / volatility_month


@feature(warmup=WEEK, unit="sd")
def above_mean_week(move: Array, volatility_week: Array) -> Array:
    """Distance of the price from its 168-bar mean, as a random walk would spread (nights left out)."""
    return windows.weighted(move, ABOVE_MEAN_WEEK) / volatility_week


@feature(warmup=WEEK, unit="sd")
def drawdown_week(log_close: Array, log_high: Array, volatility_week: Array) -> Array:
    """How far below the high of the last 168 bars the close is (0 or less), in units of 168 bars' volatility."""
    return (log_close - windows.highest(log_high, WEEK)) / (volatility_week * np.sqrt(WEEK))


@feature(warmup=MONTH, unit="sd")
def drawdown_month(log_close: Array, log_high: Array, volatility_month: Array) -> Array:
    """How far below the high of the last 480 bars the close is (0 or less), in units of 480 bars' volatility."""
    return (log_close - windows.highest(log_high, MONTH)) / (volatility_month * np.sqrt(MONTH))


@feature(warmup=WEEK, unit="sd")
def rebound_week(log_close: Array, log_low: Array, volatility_week: Array) -> Array:
    """How far above the low of the last 168 bars the close is (0 or more), in units of 168 bars' volatility."""
    return (log_close - windows.lowest(log_low, WEEK)) / (volatility_week * np.sqrt(WEEK))


@feature(warmup=MONTH, unit="sd")
def rebound_month(log_close: Array, log_low: Array, volatility_month: Array) -> Array:
    """How far above the low of the last 480 bars the close is (0 or more), in units of 480 bars' volatility."""
    return (log_close - windows.lowest(log_low, MONTH)) / (volatility_month * np.sqrt(MONTH))


@feature(warmup=WEEK - 1, unit="share")
def channel_position_week(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Where the close lies between the lowest low (0) and the highest high (1) of 168 bars; 0.5 when they are one."""
    return windows.position_in_range(log_close, log_high, log_low, WEEK)


@feature(warmup=MONTH - 1, unit="share")
def channel_position_month(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Where the close lies between the lowest low (0) and the highest high (1) of 480 bars; 0.5 when they are one."""
    return windows.position_in_range(log_close, log_high, log_low, MONTH)
