"""Volume in its textbook forms: on-balance volume, volume-weighted price."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Ints
from market_master.features import feature
from market_master.features.engine import windows

BARS = 20
_TIME = np.arange(BARS) - (BARS - 1) / 2
SLOPE = np.cumsum(_TIME[::-1])[:-1] / (_TIME @ _TIME)
"""weights on steps, newest first, that give the least squares slope of the path of 20 points they make"""
DOUBLINGS = 7
SESSION_BARS = 2**DOUBLINGS


@feature(warmup=BARS - 1, unit="share")
def obv_slope(close_return: Array, volume: Array) -> Array:
    """Least squares slope of the last 20 on-balance volumes (Granville), in mean volumes a bar; 0 when nothing traded."""
    steps = windows.direction(close_return) * volume
    return windows.ratio(windows.weighted(steps, SLOPE), windows.mean(volume, BARS), neutral=0.0, minimum=0.0)


@feature(warmup=SESSION_BARS - 1, unit="ln", slots="intraday")
def session_vwap_distance(log_close: Array, typical: Array, volume: Array, session: Ints) -> Array:
    """Log price above the volume-weighted mean of typical prices since the session's open; 0 when nothing traded.

    Of longer sessions than 128 bars, the last 128.
    """
    traded = _since_open(volume, session)
    level = windows.ratio(_since_open(typical * volume, session), traded, neutral=0.0, minimum=0.0)
    return np.where(traded > 0.0, log_close - level, 0.0)


@feature(warmup=BARS - 1, unit="ln")
def vwap_distance(log_close: Array, typical: Array, volume: Array) -> Array:
    """Log price above the volume-weighted mean of typical prices of 20 bars; 0 when nothing traded."""
    share = windows.mean(typical * volume, BARS)
    level = windows.ratio(share, windows.mean(volume, BARS), neutral=0.0, minimum=0.0)
    return np.where(windows.mean(volume, BARS) > 0.0, log_close - level, 0.0)


def _since_open(values: Array, session: Ints) -> Array:
    """Sum over the session so far, by doubling: of 1, 2, 4 ... 128 bars, as far as they belong to the session."""
    total = values
    for doubling in range(DOUBLINGS):
        back = 2**doubling
        total = total + (session == windows.lag(session, back)).astype(float) * windows.lag(total, back)
    return total
