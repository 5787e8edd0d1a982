"""Parts of a candle: colour, body and wicks, and what is usual of them.

A flag is 1 or 0, so a product of flags is their "and".
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import series
from market_master.features.engine import windows

USUAL, CLOSE_BY = 10, 5
"""bars before a candle that its body and wicks are compared with, and that nearness is measured by"""


def above(value: Array, other: Array | float) -> Array:
    """1 where a log price, or a length of one, is above another, else 0."""
    return (value - other > windows.STILL).astype(float)


def at_most(value: Array, other: Array | float) -> Array:
    """1 where a log price, or a length of one, is not above another, else 0."""
    return (value - other <= windows.STILL).astype(float)


def remainder(part: Array, whole: Array) -> Array:
    """The share of a length that a part leaves over: 1 for no part, 0 for a part as long or longer."""
    return np.maximum(1.0 - windows.ratio(part, whole, neutral=0.0), 0.0)


@series(warmup=0)
def white(body: Array) -> Array:
    """1 for a candle that closed at its open or above, else 0."""
    return at_most(-body, 0.0)


@series(warmup=0)
def black(white: Array) -> Array:
    """1 for a candle that closed below its open, else 0."""
    return 1.0 - white


@series(warmup=0)
def body_length(body: Array) -> Array:
    """Distance of open and close."""
    return np.abs(body)


@series(warmup=0)
def body_top(log_open: Array, log_close: Array) -> Array:
    """The higher of open and close."""
    return np.maximum(log_open, log_close)


@series(warmup=0)
def body_bottom(log_open: Array, log_close: Array) -> Array:
    """The lower of open and close."""
    return np.minimum(log_open, log_close)


@series(warmup=0)
def upper_wick(log_high: Array, body_top: Array) -> Array:
    """Length above the body."""
    return log_high - body_top


@series(warmup=0)
def lower_wick(log_low: Array, body_bottom: Array) -> Array:
    """Length below the body."""
    return body_bottom - log_low


@series(warmup=USUAL)
def usual_range(bar_range: Array) -> Array:
    """Mean range of the 10 candles before."""
    return windows.lag(windows.mean(bar_range, USUAL), 1)


@series(warmup=CLOSE_BY)
def recent_range(bar_range: Array) -> Array:
    """Mean range of the 5 candles before."""
    return windows.lag(windows.mean(bar_range, CLOSE_BY), 1)


@series(warmup=USUAL)
def long_body(body_length: Array) -> Array:
    """1 for a body longer than the mean of the 10 before, else 0."""
    return above(body_length, windows.lag(windows.mean(body_length, USUAL), 1))


@series(warmup=USUAL)
def short_body(long_body: Array) -> Array:
    """1 for a body that is not long."""
    return 1.0 - long_body


@series(warmup=USUAL)
def no_upper_wick(upper_wick: Array, usual_range: Array) -> Array:
    """1 for an upper wick under a tenth of the usual range, else 0."""
    return above(0.1 * usual_range, upper_wick)


@series(warmup=USUAL)
def no_lower_wick(lower_wick: Array, usual_range: Array) -> Array:
    """1 for a lower wick under a tenth of the usual range, else 0."""
    return above(0.1 * usual_range, lower_wick)
