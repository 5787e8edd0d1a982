"""Beta over a week: how much of a symbol is the market's."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import panel_feature, panel_series
from market_master.features.engine import windows
from market_master.features.long.volatility import WEEK

GROUP = "market"


@panel_feature(warmup=WEEK, unit="beta")
def beta_week(long_beta: Array) -> Array:
    """Slope of the symbol's moves on the index's over the last 168 bars; 1 where the index stood still."""
    return long_beta


@panel_feature(warmup=WEEK + 1, unit="sd")
def beta_residual_week(move: Array, index_move: Array, long_beta: Array, volatility: Array) -> Array:
    """Return that the symbol's beta of the 168 bars before does not explain, in units of its volatility."""
    return (move - windows.lag(long_beta, 1) * index_move) / volatility


@panel_series
def long_beta(move: Array, index_move: Array) -> Array:
    """Beta of the last 168 bars, of those at which the symbol has a move; cut off at the bound of features."""
    known = np.isfinite(move)
    shared = windows.mean(np.where(known, move * index_move, 0.0), WEEK)
    variance = windows.mean(np.where(known, index_move**2, 0.0), WEEK)
    return windows.bounded(windows.ratio(shared, variance, neutral=1.0, minimum=windows.STILL**2))
