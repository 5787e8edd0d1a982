"""Returns from close to close, some bars ago, and the shape of their distribution."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows

SHAPE = 60


@feature(warmup=2, unit="ln")
def close_return_lag_1(close_return: Array) -> Array:
    """Log return from close to close one bar ago."""
    return windows.lag(close_return, 1)


@feature(warmup=3, unit="ln")
def close_return_lag_2(close_return: Array) -> Array:
    """Log return from close to close two bars ago."""
    return windows.lag(close_return, 2)


@feature(warmup=4, unit="ln")
def close_return_lag_3(close_return: Array) -> Array:
    """Log return from close to close three bars ago."""
    return windows.lag(close_return, 3)


@feature(warmup=6, unit="ln")
def close_return_lag_5(close_return: Array) -> Array:
    """Log return from close to close five bars ago."""
    return windows.lag(close_return, 5)


@feature(warmup=11, unit="ln")
def close_return_lag_10(close_return: Array) -> Array:
    """Log return from close to close ten bars ago."""
    return windows.lag(close_return, 10)


@feature(warmup=SHAPE, unit="ratio")
def rolling_skew(second_moment: Array, third_moment: Array, centre: Array, spread: Array) -> Array:
    """Skewness of the last 60 returns from close to close; 0 when nothing moved."""
    third = third_moment - centre * (3.0 * second_moment - 2.0 * centre**2)
    return windows.ratio(third, spread * spread**2, neutral=0.0, minimum=windows.STILL**3)


@feature(warmup=SHAPE, unit="ratio")
def rolling_kurtosis(
    close_return: Array, second_moment: Array, third_moment: Array, centre: Array, spread: Array
) -> Array:
    """Excess kurtosis of the last 60 returns from close to close; 0 when nothing moved."""
    fourth = windows.mean(close_return**2 * close_return**2, SHAPE)
    central = fourth - centre * (4.0 * third_moment - centre * (6.0 * second_moment - 3.0 * centre**2))
    return windows.ratio(central, spread**2 * spread**2, neutral=3.0, minimum=windows.STILL**4) - 3.0


@series(warmup=SHAPE)
def centre(close_return: Array) -> Array:
    """Mean of the last 60 returns."""
    return windows.mean(close_return, SHAPE)


@series(warmup=SHAPE)
def second_moment(close_return: Array) -> Array:
    """Mean square of the last 60 returns."""
    return windows.mean(close_return**2, SHAPE)


@series(warmup=SHAPE)
def third_moment(close_return: Array) -> Array:
    """Mean cube of the last 60 returns."""
    return windows.mean(close_return * close_return**2, SHAPE)


@series(warmup=SHAPE)
def spread(second_moment: Array, centre: Array) -> Array:
    """Standard deviation of the last 60 returns."""
    return np.sqrt(np.maximum(second_moment - centre**2, 0.0))
