"""The shared series of one symbol: how its price moved inside bars and sessions, and between them."""

from __future__ import annotations

import numpy as np

from market_master.domain.bars import Array
from market_master.domain.sessions import Ints
from market_master.features import rolling, series

VOLATILITY, LONG = 20, 59
"""bars"""


@series(warmup=0)
def body(open: Array, close: Array) -> Array:
    """ln(close / open): what a trade inside the bar would have earned."""
    return rolling.log_ratio(close, open)


@series(warmup=1)
def gap(open: Array, close: Array) -> Array:
    """ln(open / previous close)."""
    return rolling.log_ratio(open, rolling.lag(close, 1))


@series(warmup=1)
def opens(session: Ints) -> Array:
    """1 where a bar is the first its symbol has in a session, else 0."""
    first = np.empty(len(session))
    first[1:] = session[1:] != session[:-1]
    return first


@series(warmup=1)
def overnight(gap: Array, opens: Array) -> Array:
    """The gap between two sessions at a session's first bar, else 0: kept apart, for a night is no hour."""
    return gap * opens


@series(warmup=1)
def move(close: Array, body: Array, opens: Array) -> Array:
    """Log return since the session's last close; at its first bar the body alone."""
    since = rolling.log_ratio(close, rolling.lag(close, 1))
    return np.where(opens == 1.0, body, since)


@series(warmup=20)
def power(move: Array) -> Array:
    """Mean square of the last 20 moves."""
    return rolling.mean(move * move, VOLATILITY)


@series(warmup=59)
def power_long(move: Array) -> Array:
    """Mean square of the last 59 moves."""
    return rolling.mean(move * move, LONG)


@series(warmup=20)
def volatility(power: Array) -> Array:
    """Size of a move over the last 20 bars, the newest included: so a shock is never more than 4.5 of them."""
    return np.maximum(np.sqrt(power), rolling.STILL)


@series(warmup=0)
def bar_range(high: Array, low: Array) -> Array:
    """ln(high / low)."""
    return rolling.log_ratio(high, low)


@series(warmup=1)
def true_range(high: Array, low: Array, close: Array, opens: Array) -> Array:
    """Log range of the bar, stretched to the last close of the same session."""
    before = rolling.lag(close, 1)
    same = opens == 0.0
    top = np.where(same, np.maximum(high, before), high)
    bottom = np.where(same, np.minimum(low, before), low)
    return rolling.log_ratio(top, bottom)


@series(warmup=14)
def average_range(true_range: Array) -> Array:
    """Mean true range of the last 14 bars."""
    return rolling.mean(true_range, 14)
