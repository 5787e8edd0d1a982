"""Windows over a series, each value by its own window alone.

To the last bit, however long the history.

Sums are taken window by window (a running sum would carry the rounding of a flash crash for ever), and a NaN spoils the
windows it lies in, no others. Time runs along the first axis: a series of one symbol, or a matrix [times, symbols]. The
primitives are generic functions, so that a series that records what is done to it (`traced`) can pass through them.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import talib
from numpy.typing import ArrayLike

from market_master.domain import Array, Ints

STILL = 1e-6
"""log price; what moves less than a hundredth of a basis point stands still, and nothing is divided by less"""
BOUND = 8.0
"""standard deviations; beyond it a feature says no more, so that one flash crash does not steer a linear model"""


@singledispatch
def lag(values: Array | Ints, bars: int) -> Array:
    """The values some bars earlier; NaN where there are none."""
    earlier = np.empty(values.shape)
    earlier[:bars] = np.nan
    earlier[bars:] = values[:-bars]
    return earlier


@singledispatch
def weighted(values: Array, weights: Array) -> Array:
    """Weighted sum over the window that ends at each value; the first weight is the newest value's."""
    if values.ndim > 1:
        return np.stack([weighted(column, weights) for column in values.T], axis=1)
    return np.convolve(values, weights)[: len(values)]


@singledispatch
def mean(values: Array, window: int) -> Array:
    """Simple mean of the last `window` values, added up in pairs, pairs of pairs and so on; 0 stands before the first."""
    newest = values * (1.0 / window)
    total, size, covered = newest, 1, 0
    while True:
        if window & size:
            total = newest if not covered else _add_earlier(total, newest, covered, total)
            covered += size
        if covered == window:
            return total
        newest = _add_earlier(newest, newest, size, np.empty_like(newest))
        size *= 2


def rms(values: Array, window: int) -> Array:
    """Root of the mean square of the last `window` values: volatility, when they are returns."""
    return np.sqrt(mean(values * values, window))


@singledispatch
def highest(values: Array, window: int) -> Array:
    """Largest of the last `window` values (no NaN may enter)."""
    return talib.MAX(values, window)


@singledispatch
def lowest(values: Array, window: int) -> Array:
    """Smallest of the last `window` values (no NaN may enter)."""
    return talib.MIN(values, window)


@singledispatch
def newer_extreme(high: Array, low: Array, back: int) -> Array:
    """By how many of `back` bars the highest high is newer than the lowest low, as a share: 1 to -1; of equals the newest."""
    return talib.AROONOSC(high, low, back) / 100.0


@singledispatch
def path_deviation(moves: Array, points: int) -> Array:
    """Standard deviation of the last `points` points of the path that the moves make."""
    spread = np.full(len(moves), np.nan)
    back, total, squares, square = np.zeros((4, max(len(moves) - points + 1, 0)))
    for newest in range(len(moves), len(moves) - points + 1, -1):
        back += moves[newest - len(back) : newest]
        total += back
        squares += np.multiply(back, back, out=square)
    level = total / points
    spread[points - 1 :] = np.sqrt(np.maximum(squares / points - level * level, 0.0))
    return spread


def position_in_range(close: Array, high: Array, low: Array, window: int) -> Array:
    """Where a log price stands between the lowest low (0) and the highest high (1) of a window; 0.5 when they are one."""
    bottom = lowest(low, window)
    return ratio(close - bottom, highest(high, window) - bottom, neutral=0.5)


@singledispatch
def ratio(numerator: Array, denominator: Array, neutral: float, minimum: float = STILL) -> Array:
    """The quotient; `neutral` where the denominator is not above `minimum`."""
    quotient = numerator / denominator
    np.copyto(quotient, neutral, where=~(denominator > minimum))
    return quotient


def direction(moves: Array) -> Array:
    """1 for a rise, -1 for a fall, 0 for what stands still: logarithms of equal prices may differ in their last bit."""
    return (moves > STILL).astype(float) - (moves < -STILL).astype(float)


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


def _add_earlier(values: Array, earlier: Array, bars: int, out: Array) -> Array:
    """The values plus what stood some bars earlier in a series, where there is any, put into `out`."""
    out[:bars] = values[:bars]
    np.add(values[bars:], earlier[:-bars], out=out[bars:])
    return out
