"""Volume, against what is usual.

A volume of 0 is unknown (indices, thin feeds): neutral, never extreme.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows


@feature(warmup=20, unit="ln")
def volume_surprise(log_volume: Array, traded: Array) -> Array:
    """ln of the volume over its geometric mean of the 20 bars before; 0 where this bar, or those, had none."""
    known = windows.lag(windows.mean(traded, 20), 1)
    usual = windows.ratio(windows.lag(windows.mean(log_volume, 20), 1), known, neutral=0.0, minimum=0.0)
    return np.where((traded > 0) & (known > 0), log_volume - usual, 0.0)


@feature(warmup=49, unit="ln")
def volume_trend(log_volume: Array, traded: Array) -> Array:
    """ln of the mean volume (geometric) of 5 bars over that of 50; 0 where the 5 bars traded nothing."""
    recent, usual = windows.mean(traded, 5), windows.mean(traded, 50)
    now = windows.ratio(windows.mean(log_volume, 5), recent, neutral=0.0, minimum=0.0)
    before = windows.ratio(windows.mean(log_volume, 50), usual, neutral=0.0, minimum=0.0)
    return np.where(recent > 0, now - before, 0.0)


@feature(warmup=20, unit="share")
def signed_volume(move: Array, volume: Array) -> Array:
    """Volume of rising bars less that of falling ones, over all volume of 20 bars; 0 when nothing traded."""
    return windows.ratio(
        windows.mean(windows.direction(move) * volume, 20), windows.mean(volume, 20), neutral=0.0, minimum=0.0
    )


@feature(warmup=20, unit="sd")
def volume_return(body_return: Array, volume_surprise: Array) -> Array:
    """Return of the newest bar times its volume surprise: a move with volume behind it against one without."""
    return body_return * volume_surprise


@series(warmup=0)
def traded(volume: Array) -> Array:
    """1 where there is a volume, else 0."""
    return (volume > 0).astype(float)


@series(warmup=0)
def log_volume(volume: Array) -> Array:
    """ln of the volume; 0 (and not counted) where there is none."""
    return np.log(np.where(volume > 0, volume, 1.0))
