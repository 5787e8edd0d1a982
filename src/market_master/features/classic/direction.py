"""Directional movement in Wilder's recursive means.

ADX is not here: a recursive mean of quotients of recursive means remembers more than 500 bars; `dx` is in core. Nor is
Supertrend: its band goes back to the last time the trend turned, however long ago.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.classic.recursive import reach, wilder
from market_master.features.engine import windows

GROUP = "trend"

WILDER_14 = wilder(14)


@feature(warmup=reach(WILDER_14) + 1, unit="share")
def di_plus_wilder(up_move: Array, whole_range: Array) -> Array:
    """+DI of 14 bars: upward directional movement over true range, in Wilder's means; 0 when nothing moved."""
    return windows.ratio(windows.weighted(up_move, WILDER_14), windows.weighted(whole_range, WILDER_14), neutral=0.0)


@feature(warmup=reach(WILDER_14) + 1, unit="share")
def di_minus_wilder(down_move: Array, whole_range: Array) -> Array:
    """-DI of 14 bars: downward directional movement over true range, in Wilder's means; 0 when nothing moved."""
    return windows.ratio(windows.weighted(down_move, WILDER_14), windows.weighted(whole_range, WILDER_14), neutral=0.0)


@series(warmup=1)
def rise_of_high(log_high: Array) -> Array:
    """How far the high is above the high before."""
    return log_high - windows.lag(log_high, 1)


@series(warmup=1)
def fall_of_low(log_low: Array) -> Array:
    """How far the low is below the low before."""
    return windows.lag(log_low, 1) - log_low


@series(warmup=1)
def up_move(rise_of_high: Array, fall_of_low: Array) -> Array:
    """How far the high rose, where that is more than the low fell; else 0."""
    return _if_larger(rise_of_high, fall_of_low)


@series(warmup=1)
def down_move(rise_of_high: Array, fall_of_low: Array) -> Array:
    """How far the low fell, where that is more than the high rose; else 0."""
    return _if_larger(fall_of_low, rise_of_high)


@series(warmup=1)
def whole_range(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Log range of the bar, stretched to the close before, the night included (Wilder's true range)."""
    before = windows.lag(log_close, 1)
    return np.maximum(log_high, before) - np.minimum(log_low, before)


def _if_larger(move: Array, other: Array) -> Array:
    return np.where((move - other > windows.STILL) & (move > 0.0), move, 0.0)
