"""Weights of recursive means with an end, exponential and Wilder's, for `windows.weighted`."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array

REST = 1e-11
"""of the weight, which lies on bars that are left out; a feature is off by less than 1e-9 for it"""


def exponential(period: float, rest: float = REST) -> Array:
    """Weights of an exponential mean with alpha = 2 / (period + 1), newest first, of sum 1."""
    return _weights(2.0 / (period + 1.0), rest)


def wilder(period: int) -> Array:
    """Weights of Wilder's mean, alpha = 1 / period (New Concepts in Technical Trading Systems, 1978)."""
    return _weights(1.0 / period, REST)


def repeated(*weights: Array) -> Array:
    """Weights of a mean of a mean and so on, of sum 1, cut off where less than the rest is left."""
    joint = weights[0]
    for more in weights[1:]:
        joint = np.convolve(joint, more)
    left = np.cumsum(joint[::-1])[::-1]
    joint = joint[left > REST]
    return joint / joint.sum()


def difference(fast: Array, slow: Array) -> Array:
    """Weights of one mean less another."""
    length = max(len(fast), len(slow))
    return np.pad(fast, (0, length - len(fast))) - np.pad(slow, (0, length - len(slow)))


def reach(weights: Array) -> int:
    """Earlier bars that a weighted sum looks at."""
    return len(weights) - 1


def _weights(alpha: float, rest: float) -> Array:
    count = int(np.ceil(np.log(rest) / np.log1p(-alpha)))
    weights = alpha * (1.0 - alpha) ** np.arange(count)
    return weights / weights.sum()
