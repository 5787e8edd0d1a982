"""Windows over a series, each value by its own window alone.

To the last bit, however long the history.

Sums are taken window by window (a running sum would carry the rounding of a flash crash for ever), and a NaN spoils the
windows it lies in, no others.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import talib
from numpy.typing import ArrayLike

from market_master.domain import Array

STILL = 1e-6
"""log price; what moves less than a hundredth of a basis point stands still, and nothing is divided by less"""
BOUND = 8.0
"""standard deviations; beyond it a feature says no more, so that one flash crash does not steer a linear model"""


def lag(values: Array, bars: int) -> Array:
    """The values some bars earlier; NaN where there are none."""
    earlier = np.empty_like(values)
    earlier[:bars] = np.nan
    earlier[bars:] = values[:-bars]
    return earlier


def weighted(values: Array, weights: Array) -> Array:
    """Weighted sum over the window that ends at each value; the first weight is the newest value's."""
    return np.convolve(values, weights)[: len(values)]


def mean(values: Array, window: int) -> Array:
    """Simple mean of the last `window` values."""
    return weighted(values, _even(window))


def rms(values: Array, window: int) -> Array:
    """Root of the mean square of the last `window` values: volatility, when they are returns."""
    return np.sqrt(mean(values * values, window))


def highest(values: Array, window: int) -> Array:
    """Largest of the last `window` values (no NaN may enter)."""
    return talib.MAX(values, window)


def lowest(values: Array, window: int) -> Array:
    """Smallest of the last `window` values (no NaN may enter)."""
    return talib.MIN(values, window)


def position_in_range(close: Array, high: Array, low: Array, window: int) -> Array:
    """Where a log price stands between the lowest low (0) and the highest high (1) of a window; 0.5 when they are one."""
    bottom = lowest(low, window)
    return ratio(close - bottom, highest(high, window) - bottom, neutral=0.5)


def ratio(numerator: Array, denominator: Array, neutral: float, minimum: float = STILL) -> Array:
    """part / whole; `neutral` where the whole is not above `least`."""
    return np.where(denominator > minimum, numerator / denominator, neutral)


def bounded(values: Array) -> Array:
    """The values, cut off at the bound on both sides."""
    return np.minimum(np.maximum(values, -BOUND), BOUND)


def above_mean(points: int, length: int) -> Array:
    """Weights on the last `length` moves that give how far a path stands above the mean of its last `points` points."""
    weights = np.zeros(length)
    weights[: points - 1] = np.arange(points - 1, 0, -1) / points
    return weights


def unit_variance(weights: ArrayLike) -> Array:
    """Weights scaled so that moves of a random walk, each of size 1, sum to something of size 1."""
    return np.asarray(weights, float) / np.linalg.norm(weights)


@cache
def _even(window: int) -> Array:
    return np.full(window, 1.0 / window)
