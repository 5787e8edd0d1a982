"""Volume in its textbook forms: on-balance volume, volume-weighted price."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature
from market_master.features.engine import windows

BARS = 20
_TIME = np.arange(BARS) - (BARS - 1) / 2
SLOPE = np.cumsum(_TIME[::-1])[:-1] / (_TIME @ _TIME)
"""weights on steps, newest first, that give the least squares slope of the path of 20 points they make"""


@feature(warmup=BARS - 1, unit="share")
def obv_slope(close_return: Array, volume: Array) -> Array:
    """Least squares slope of the last 20 on-balance volumes (Granville), in mean volumes a bar; 0 when nothing traded."""
    steps = windows.direction(close_return) * volume
    return windows.ratio(windows.weighted(steps, SLOPE), windows.mean(volume, BARS), neutral=0.0, minimum=0.0)


@feature(warmup=BARS - 1, unit="ln")
def vwap_distance(log_close: Array, typical: Array, volume: Array) -> Array:
    """Log price above the volume-weighted mean of typical prices of 20 bars; 0 when nothing traded."""
    share = windows.mean(typical * volume, BARS)
    level = windows.ratio(share, windows.mean(volume, BARS), neutral=0.0, minimum=0.0)
    return np.where(windows.mean(volume, BARS) > 0.0, log_close - level, 0.0)
