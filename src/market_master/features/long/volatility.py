"""Volatility over 168 and 480 bars: its level, and today's against it."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.core.volatility import PER_CENT
from market_master.features.engine import windows

DAY, WEEK, MONTH = 24, 168, 480
"""bars; of hours around the clock they are a day, a week and 20 days"""


@feature(warmup=WEEK, unit="ratio")
def volatility_day_to_week(power_day: Array, power_week: Array) -> Array:
    """Volatility of the last 24 bars over that of the last 168; 1 when nothing moved."""
    return windows.ratio(np.sqrt(power_day), np.sqrt(power_week), neutral=1.0)


@feature(warmup=MONTH, unit="ratio")
def volatility_week_to_month(power_week: Array, power_month: Array) -> Array:
    """Volatility of the last 168 bars over that of the last 480; 1 when nothing moved."""
    return windows.ratio(np.sqrt(power_week), np.sqrt(power_month), neutral=1.0)


@feature(warmup=MONTH, unit="ratio")
def volatility_to_month(power: Array, power_month: Array) -> Array:
    """Volatility of the last 20 bars over that of the last 480; 1 when nothing moved."""
    return windows.ratio(np.sqrt(power), np.sqrt(power_month), neutral=1.0)


@feature(warmup=WEEK, unit="ln")
def volatility_level_week(volatility_week: Array) -> Array:
    """ln of the 168-bar volatility in per cent."""
    return np.log(volatility_week / PER_CENT)


@feature(warmup=MONTH, unit="ln")
def volatility_level_month(volatility_month: Array) -> Array:
    """ln of the 480-bar volatility in per cent."""
    return np.log(volatility_month / PER_CENT)


@feature(warmup=WEEK - 1, unit="ratio")
def range_to_week(bar_range: Array) -> Array:
    """High-low range of the newest bar over the mean of the last 168; 1 when nothing moved."""
    return windows.ratio(bar_range, windows.mean(bar_range, WEEK), neutral=1.0)


@feature(warmup=WEEK, unit="share")
def downside_share_week(move: Array, power_week: Array) -> Array:
    """Falls' share of the variance of the last 168 bars; 0.5 when nothing moved."""
    falls = np.minimum(move, 0.0)
    return windows.ratio(windows.mean(falls * falls, WEEK), power_week, neutral=0.5, minimum=windows.STILL**2)


@series(warmup=DAY)
def power_day(move: Array) -> Array:
    """Mean square of the last 24 moves."""
    return windows.mean(move * move, DAY)


@series(warmup=WEEK)
def power_week(move: Array) -> Array:
    """Mean square of the last 168 moves."""
    return windows.mean(move * move, WEEK)


@series(warmup=MONTH)
def power_month(move: Array) -> Array:
    """Mean square of the last 480 moves."""
    return windows.mean(move * move, MONTH)


@series(warmup=WEEK)
def volatility_week(power_week: Array) -> Array:
    """Size of a move over the last 168 bars."""
    return np.maximum(np.sqrt(power_week), windows.STILL)


@series(warmup=MONTH)
def volatility_month(power_month: Array) -> Array:
    """Size of a move over the last 480 bars."""
    return np.maximum(np.sqrt(power_month), windows.STILL)
