"""Volatility, against its own past."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature
from market_master.features.engine import windows

PER_CENT = 0.01


@feature(warmup=50, unit="ratio")
def volatility_ratio(move: Array) -> Array:
    """Volatility of the last 5 bars over that of the last 50; 1 when nothing moved."""
    return windows.ratio(windows.rms(move, 5), windows.rms(move, 50), neutral=1.0)


@feature(warmup=59, unit="ratio")
def volatility_trend(power: Array, power_long: Array) -> Array:
    """Volatility of the last 20 bars over that of the last 59; 1 when nothing moved."""
    return windows.ratio(np.sqrt(power), np.sqrt(power_long), neutral=1.0)


@feature(warmup=19, unit="ratio")
def range_ratio(bar_range: Array) -> Array:
    """High-low range of the newest bar over the mean of the last 20; 1 when nothing moved."""
    return windows.ratio(bar_range, windows.mean(bar_range, 20), neutral=1.0)


@feature(warmup=50, unit="ratio")
def true_range_ratio(true_range: Array, average_range: Array) -> Array:
    """Average true range (simple mean) of 14 bars over that of 50; 1 when nothing moved."""
    return windows.ratio(average_range, windows.mean(true_range, 50), neutral=1.0)


@feature(warmup=20, unit="ratio")
def range_volatility(bar_range: Array, power: Array) -> Array:
    """Parkinson's volatility from ranges over that from moves, 20 bars: above 1 the price came back inside bars.

    1 when nothing moved.
    """
    parkinson = windows.rms(bar_range, 20) / np.sqrt(4 * np.log(2))
    return windows.ratio(parkinson, np.sqrt(power), neutral=1.0)


@feature(warmup=20, unit="share")
def downside_share(move: Array, power: Array) -> Array:
    """Falls' share of the variance of the last 20 bars; 0.5 when nothing moved."""
    falls = np.minimum(move, 0.0)
    return windows.ratio(windows.mean(falls * falls, 20), power, neutral=0.5, minimum=windows.STILL**2)


@feature(warmup=20, unit="ratio")
def evenness(move: Array, power: Array) -> Array:
    """Mean size of the last 20 moves over their root mean square: near 1 steady, low when one jump made it all.

    1 when nothing moved.
    """
    return windows.ratio(windows.mean(np.abs(move), 20), np.sqrt(power), neutral=1.0)


@feature(warmup=20, unit="ln")
def volatility_level(volatility: Array) -> Array:
    """ln of the 20-bar volatility in per cent: after wild times the label's own memory of them fades."""
    return np.log(volatility / PER_CENT)


@feature(warmup=59, unit="ln")
def volatility_level_long(power_long: Array) -> Array:
    """ln of the 59-bar volatility in per cent."""
    return np.log(np.maximum(np.sqrt(power_long), windows.STILL) / PER_CENT)
