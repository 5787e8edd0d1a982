"""Components of volatility: short, middle and long memory, jumps, and its own unrest."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature
from market_master.features.classic.recursive import exponential, reach
from market_master.features.engine import windows
from market_master.features.volatility.range_estimators import level

GROUP = "volatility"

BLOCK, HAR_WEEK, HAR_MONTH = 20, 100, 440
"""bars: a block, five and 22 of them, as a day, a week and a month are to each other"""
RISK_METRICS = exponential(1.0 / 0.03 - 1.0)
"""weights with a decay of 0.94 (RiskMetrics 1996)"""


@feature(warmup=HAR_WEEK, unit="ln")
def har_week(move: Array) -> Array:
    """ln of the volatility of 100 bars in per cent: the middle component of HAR (Corsi 2009)."""
    return level(windows.mean(move * move, HAR_WEEK))


@feature(warmup=HAR_MONTH, unit="ln")
def har_month(move: Array) -> Array:
    """ln of the volatility of 440 bars in per cent: the long component of HAR (Corsi 2009)."""
    return level(windows.mean(move * move, HAR_MONTH))


@feature(warmup=reach(RISK_METRICS) + 1, unit="ln")
def ewma_volatility(move: Array) -> Array:
    """ln of the exponentially weighted volatility in per cent, decay 0.94 (RiskMetrics 1996)."""
    return level(windows.weighted(move * move, RISK_METRICS))


@feature(warmup=BLOCK, unit="share")
def jump_share(move: Array, power: Array) -> Array:
    """Share of the variance of 20 bars beyond bipower variation, which no single jump moves; 0 when nothing moved.

    Barndorff-Nielsen and Shephard 2004.
    """
    size = np.abs(move)
    smoothly = np.pi / 2.0 * windows.mean(size * windows.lag(size, 1), BLOCK - 1)
    return np.maximum(1.0 - windows.ratio(smoothly, power, neutral=1.0, minimum=windows.STILL**2), 0.0)


@feature(warmup=HAR_WEEK - 1, unit="ratio")
def volatility_unrest(bar_range: Array) -> Array:
    """Standard deviation of the range over its mean, 100 bars; 0 when nothing moved."""
    centre = windows.mean(bar_range, HAR_WEEK)
    spread = np.sqrt(np.maximum(windows.mean(bar_range * bar_range, HAR_WEEK) - centre * centre, 0.0))
    return windows.ratio(spread, centre, neutral=0.0)
