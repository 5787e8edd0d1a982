"""The shape of the newest bar, as shares of its range."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature
from market_master.features.engine import windows

GROUP = "returns"


@feature(warmup=0, unit="share")
def candle_body(body: Array, bar_range: Array) -> Array:
    """Open-to-close over high-to-low: 1 rose all the way, -1 fell all the way; 0 for a bar without range."""
    return windows.ratio(body, bar_range, neutral=0.0)


@feature(warmup=0, unit="share")
def upper_shadow(log_open: Array, log_high: Array, log_close: Array, bar_range: Array) -> Array:
    """Range above the body; 0 for a bar without range."""
    return windows.ratio(log_high - np.maximum(log_open, log_close), bar_range, neutral=0.0)


@feature(warmup=0, unit="share")
def lower_shadow(log_open: Array, log_low: Array, log_close: Array, bar_range: Array) -> Array:
    """Range below the body; 0 for a bar without range."""
    return windows.ratio(np.minimum(log_open, log_close) - log_low, bar_range, neutral=0.0)


@feature(warmup=0, unit="share")
def close_position(log_low: Array, log_close: Array, bar_range: Array) -> Array:
    """Where in its range the bar closed: 0 at the low, 1 at the high; 0.5 for a bar without range."""
    return windows.ratio(log_close - log_low, bar_range, neutral=0.5)
