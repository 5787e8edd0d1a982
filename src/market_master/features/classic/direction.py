"""Directional movement in Wilder's recursive means.

ADX is not here: a recursive mean of quotients of recursive means remembers more than 500 bars. `dx` is in core.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.classic.recursive import reach, smooth, wilder
from market_master.features.engine import windows

GROUP = "trend"

WILDER_14 = wilder(14)


@feature(warmup=reach(WILDER_14) + 1, unit="share")
def di_plus_wilder(up_move: Array, whole_range: Array) -> Array:
    """+DI of 14 bars: upward directional movement over true range, in Wilder's means; 0 when nothing moved."""
    return windows.ratio(smooth(up_move, WILDER_14), smooth(whole_range, WILDER_14), neutral=0.0)


@feature(warmup=reach(WILDER_14) + 1, unit="share")
def di_minus_wilder(down_move: Array, whole_range: Array) -> Array:
    """-DI of 14 bars: downward directional movement over true range, in Wilder's means; 0 when nothing moved."""
    return windows.ratio(smooth(down_move, WILDER_14), smooth(whole_range, WILDER_14), neutral=0.0)


@series(warmup=1)
def up_move(log_high: Array, log_low: Array) -> Array:
    """How far the high rose, where that is more than the low fell; else 0."""
    rise, fall = log_high - windows.lag(log_high, 1), windows.lag(log_low, 1) - log_low
    return np.where((rise - fall > windows.STILL) & (rise > 0.0), rise, 0.0)


@series(warmup=1)
def down_move(log_high: Array, log_low: Array) -> Array:
    """How far the low fell, where that is more than the high rose; else 0."""
    rise, fall = log_high - windows.lag(log_high, 1), windows.lag(log_low, 1) - log_low
    return np.where((fall - rise > windows.STILL) & (fall > 0.0), fall, 0.0)


@series(warmup=1)
def whole_range(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Log range of the bar, stretched to the close before, the night included (Wilder's true range)."""
    before = windows.lag(log_close, 1)
    return np.maximum(log_high, before) - np.minimum(log_low, before)
