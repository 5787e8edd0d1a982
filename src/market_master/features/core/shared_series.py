"""Shared series of one symbol: moves inside bars and sessions, and between them."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Ints
from market_master.features import series
from market_master.features.engine import windows

VOLATILITY, LONG = 20, 59
"""bars"""


@series(warmup=0)
def log_open(open: Array) -> Array:
    """ln(open)."""
    return np.log(open)


@series(warmup=0)
def log_high(high: Array) -> Array:
    """ln(high)."""
    return np.log(high)


@series(warmup=0)
def log_low(low: Array) -> Array:
    """ln(low)."""
    return np.log(low)


@series(warmup=0)
def log_close(close: Array) -> Array:
    """ln(close)."""
    return np.log(close)


@series(warmup=0)
def body(log_open: Array, log_close: Array) -> Array:
    """ln(close / open): what a trade inside the bar would have earned."""
    return log_close - log_open


@series(warmup=1)
def gap(log_open: Array, log_close: Array) -> Array:
    """ln(open / previous close)."""
    return log_open - windows.lag(log_close, 1)


@series(warmup=1)
def opens(session: Ints) -> Array:
    """1 where a bar is the first its symbol has in a session, else 0."""
    return (session != windows.lag(session, 1)).astype(float)


@series(warmup=1)
def overnight(gap: Array, opens: Array) -> Array:
    """The gap between two sessions at a session's first bar, else 0: kept apart, for a night is no hour."""
    return gap * opens


@series(warmup=1)
def base(log_open: Array, log_close: Array, opens: Array) -> Array:
    """The log price a bar's move begins at: the last close of the same session; at its first bar the open."""
    return np.where(opens == 1.0, log_open, windows.lag(log_close, 1))


@series(warmup=1)
def move(log_close: Array, base: Array) -> Array:
    """Log return since the session's last close; at its first bar the body alone."""
    return log_close - base


@series(warmup=20)
def power(move: Array) -> Array:
    """Mean square of the last 20 moves."""
    return windows.mean(move * move, VOLATILITY)


@series(warmup=59)
def power_long(move: Array) -> Array:
    """Mean square of the last 59 moves."""
    return windows.mean(move * move, LONG)


@series(warmup=20)
def volatility(power: Array) -> Array:
    """Size of a move over the last 20 bars, the newest included: so a shock is never more than 4.5 of them."""
    return np.maximum(np.sqrt(power), windows.STILL)


@series(warmup=0)
def bar_range(log_high: Array, log_low: Array) -> Array:
    """ln(high / low)."""
    return log_high - log_low


@series(warmup=1)
def true_range(log_high: Array, log_low: Array, base: Array) -> Array:
    """Log range of the bar, stretched to the last close of the same session."""
    return np.maximum(log_high, base) - np.minimum(log_low, base)


@series(warmup=14)
def average_range(true_range: Array) -> Array:
    """Mean true range of the last 14 bars."""
    return windows.mean(true_range, 14)
