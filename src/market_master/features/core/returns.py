"""Returns in units of the symbol's own recent volatility.

And the shape of their distribution.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature
from market_master.features.engine import windows

WINDOW = 20


@feature(warmup=20, unit="sd")
def body_return(body: Array, volatility: Array) -> Array:
    """Return from open to close of the newest bar."""
    return body / volatility


@feature(warmup=20, unit="sd")
def return_lag_1(body: Array, volatility: Array) -> Array:
    """Return from open to close one bar ago."""
    return windows.lag(body, 1) / volatility


@feature(warmup=20, unit="sd")
def return_lag_2(body: Array, volatility: Array) -> Array:
    """Return from open to close two bars ago."""
    return windows.lag(body, 2) / volatility


@feature(warmup=20, unit="sd")
def return_lag_3(body: Array, volatility: Array) -> Array:
    """Return from open to close three bars ago."""
    return windows.lag(body, 3) / volatility


@feature(warmup=20, unit="sd")
def return_lag_4(body: Array, volatility: Array) -> Array:
    """Return from open to close four bars ago."""
    return windows.lag(body, 4) / volatility


@feature(warmup=20, unit="sd")
def return_lag_5(body: Array, volatility: Array) -> Array:
    """Return from open to close five bars ago."""
    return windows.lag(body, 5) / volatility


@feature(warmup=20, unit="sd")
def opening_gap(gap: Array, volatility: Array) -> Array:
    """Jump from the previous close to this bar's open; large at a session's first bar, near 0 inside it."""
    return gap / volatility


@feature(warmup=20, unit="sd")
def overnight_drift(overnight: Array, volatility: Array) -> Array:
    """What the nights between the last 20 bars added up to."""
    return windows.mean(overnight, WINDOW) * np.sqrt(WINDOW) / volatility


@feature(warmup=20, unit="sd")
def momentum_5(move: Array, volatility: Array) -> Array:
    """What the last 5 bars earned inside sessions, as a random walk of 5 steps would spread."""
    return windows.mean(move, 5) * np.sqrt(5) / volatility


@feature(warmup=20, unit="sd")
def momentum_20(move: Array, volatility: Array) -> Array:
    """What the last 20 bars earned inside sessions, as a random walk of 20 steps would spread."""
    return windows.mean(move, WINDOW) * np.sqrt(WINDOW) / volatility


@feature(warmup=20, unit="ratio")
def return_skew(move: Array, power: Array) -> Array:
    """Do the last 20 moves lean to rare rises (above 0) or rare falls? Skewness about 0; 0 when nothing moved."""
    cubes = windows.mean(move * move * move, WINDOW)
    return windows.ratio(cubes, power * np.sqrt(power), neutral=0.0, minimum=windows.STILL**3)


@feature(warmup=21, unit="correlation")
def autocorrelation(move: Array, power: Array) -> Array:
    """Did moves follow each other (above 0) or reverse over the last 20 bars? 0 when nothing moved."""
    before = windows.lag(move, 1)
    smoothed = 0.5 * (power + windows.lag(power, 1))
    return windows.ratio(windows.mean(move * before, WINDOW), smoothed, neutral=0.0, minimum=windows.STILL**2)
