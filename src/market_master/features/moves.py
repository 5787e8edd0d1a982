"""The shared series of one symbol: how its price moved inside bars and sessions, and between them."""

from __future__ import annotations

import numpy as np

from market_master.domain.bars import Array
from market_master.domain.sessions import Ints
from market_master.features import rolling, series

VOLATILITY = 20


@series
def body(open: Array, close: Array) -> Array:
    """ln(close / open): what a trade inside the bar would have earned."""
    return rolling.log_ratio(close, open)


@series
def gap(open: Array, close: Array) -> Array:
    """ln(open / previous close)."""
    return rolling.log_ratio(open, rolling.lag(close, 1))


@series
def opens(session: Ints) -> Array:
    """1 where a bar is the first its symbol has in a session, NaN at the very first bar, else 0."""
    first = np.empty(len(session))
    first[:1] = np.nan
    first[1:] = session[1:] != session[:-1]
    return first


@series
def overnight(gap: Array, opens: Array) -> Array:
    """The gap between two sessions at a session's first bar, else 0: kept apart, for a night is no hour."""
    return gap * opens


@series
def move(close: Array, body: Array, opens: Array) -> Array:
    """Log return since the session's last close; at its first bar the body alone. NaN at the very first bar."""
    since = rolling.log_ratio(close, rolling.lag(close, 1))
    return np.where(opens == 1.0, body, since)


@series
def volatility(move: Array) -> Array:
    """Size of a move over the last 20 bars, the newest included: so a shock is never more than 4.5 of them."""
    return np.maximum(rolling.rms(move, VOLATILITY), rolling.STILL)


@series
def bar_range(high: Array, low: Array) -> Array:
    """ln(high / low)."""
    return rolling.log_ratio(high, low)


@series
def true_range(high: Array, low: Array, close: Array, opens: Array) -> Array:
    """Log range of the bar, stretched to the last close of the same session."""
    before = rolling.lag(close, 1)
    same = opens == 0.0
    top = np.where(same, np.maximum(high, before), high)
    bottom = np.where(same, np.minimum(low, before), low)
    stretched = rolling.log_ratio(top, bottom)
    stretched[:1] = np.nan
    return stretched
