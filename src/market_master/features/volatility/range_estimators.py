"""Volatility of 20 bars from open, high, low and close, as ln of per cent a bar."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.core.volatility import PER_CENT
from market_master.features.engine import windows

GROUP = "volatility"

BARS = 20
YANG_ZHANG = 0.34 / (1.34 + (BARS + 1) / (BARS - 1))
"""weight of the open-to-close variance, which makes the estimate's own variance least"""


@feature(warmup=BARS - 1, unit="ln")
def parkinson(bar_range: Array) -> Array:
    """From high and low alone (Parkinson 1980)."""
    return level(windows.mean(bar_range * bar_range, BARS) / (4.0 * np.log(2.0)))


@feature(warmup=BARS - 1, unit="ln")
def garman_klass(bar_range: Array, body: Array) -> Array:
    """From range and body (Garman and Klass 1980)."""
    variance = 0.5 * bar_range * bar_range - (2.0 * np.log(2.0) - 1.0) * body * body
    return level(windows.mean(variance, BARS))


@feature(warmup=BARS - 1, unit="ln")
def rogers_satchell(within_bar: Array) -> Array:
    """From high and low beside open and close: no drift disturbs it (Rogers and Satchell 1991)."""
    return level(within_bar)


@feature(warmup=BARS, unit="ln")
def yang_zhang(gap: Array, body: Array, within_bar: Array) -> Array:
    """From gaps, bodies and what lies within bars: neither drift nor gaps disturb it (Yang and Zhang 2000)."""
    of_gaps, of_bodies = (_variance(values) for values in (gap, body))
    return level(of_gaps + YANG_ZHANG * of_bodies + (1.0 - YANG_ZHANG) * within_bar)


@series(warmup=BARS - 1)
def within_bar(log_open: Array, log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Rogers and Satchell's variance of a bar, mean of 20 bars."""
    above = (log_high - log_close) * (log_high - log_open)
    below = (log_low - log_close) * (log_low - log_open)
    return windows.mean(above + below, BARS)


def _variance(values: Array) -> Array:
    """Unbiased variance of the last 20 values."""
    centre = windows.mean(values, BARS)
    return (windows.mean(values * values, BARS) - centre * centre) * (BARS / (BARS - 1))


def level(variance: Array) -> Array:
    """ln of the volatility in per cent; a variance under 0, which rounding may leave, counts as none."""
    return np.log(np.maximum(np.sqrt(np.maximum(variance, 0.0)), windows.STILL) / PER_CENT)
