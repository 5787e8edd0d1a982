"""States of the members' basket: its volatility's rank, its trend, and the regime.

The rule of `stats.regimes` with its 20, 50 and 252 sessions taken as bars, and no memory: where no state has stood for two
bars in a row it is none of them, while the rule goes on with the last that had. On shorter bars than days it is a quicker one.
"""

from __future__ import annotations

import functools
import operator

import numpy as np

from market_master.domain import Array, Mask
from market_master.features import panel_feature, panel_series, series
from market_master.features.engine import windows
from market_master.features.engine.panel import across

GROUP = "market"

MONTH_BARS, QUARTER_BARS, YEAR_BARS = 20, 50, 252
"""the sessions of `stats.regimes`"""
VOLATILE_ABOVE = 0.80
EVERY = 6
"""bars between the volatilities that the newest is ranked among"""
TREND = windows.above_mean(QUARTER_BARS, QUARTER_BARS - 1)
WARMUP = MONTH_BARS + YEAR_BARS


@panel_feature(warmup=WARMUP, unit="share")
def regime_volatility_rank(basket_rank: Array) -> Array:
    """Share of the last 252 bars' volatilities, every sixth, that lie below the newest."""
    return basket_rank


@panel_feature(warmup=QUARTER_BARS - 1, unit="sd")
def regime_trend(basket_trend: Array, basket_return: Array) -> Array:
    """How far the basket stands above its mean of 50 bars, as a random walk of so many would spread."""
    return basket_trend / np.maximum(windows.rms(basket_return, MONTH_BARS) * np.sqrt(QUARTER_BARS), windows.STILL)


@panel_feature(warmup=WARMUP + 1, unit="flag")
def regime_volatile(basket_rank: Array) -> Array:
    """1 when the volatility lies above the 80 % quantile of its year, at two bars in a row."""
    return _confirmed(_volatile(basket_rank))


@panel_feature(warmup=WARMUP + 1, unit="flag")
def regime_bull(basket_rank: Array, basket_trend: Array, basket_return: Array) -> Array:
    """1 when the basket is calm, above its mean of 50 bars and higher than 20 bars ago, at two bars in a row."""
    return _confirmed(
        (1.0 - _volatile(basket_rank)) * _above(basket_trend) * _above(windows.mean(basket_return, MONTH_BARS))
    )


@panel_feature(warmup=WARMUP + 1, unit="flag")
def regime_bear(basket_rank: Array, basket_trend: Array, basket_return: Array) -> Array:
    """1 when the basket is calm, below its mean of 50 bars and lower than 20 bars ago, at two bars in a row."""
    return _confirmed(
        (1.0 - _volatile(basket_rank)) * _above(-basket_trend) * _above(-windows.mean(basket_return, MONTH_BARS))
    )


@series(warmup=1)
def night_and_move(log_close: Array) -> Array:
    """Log return from close to close, nights and all."""
    return log_close - windows.lag(log_close, 1)


@panel_series
def basket_return(night_and_move: Array, members: Mask) -> Array:
    """Mean log return of the members that have a bar; one column."""
    return across(night_and_move, members)


@panel_series
def basket_trend(basket_return: Array) -> Array:
    """How far the log level of the basket stands above its mean of 50 bars."""
    return windows.weighted(basket_return, TREND)


@panel_series
def basket_rank(basket_return: Array) -> Array:
    """Rank of the 20-bar volatility among those of a year of bars, 0 to 1."""
    volatility = windows.rms(basket_return, MONTH_BARS)
    earlier = (windows.lag(volatility, back) for back in range(EVERY, YEAR_BARS + 1, EVERY))
    lower = functools.reduce(operator.add, ((values < volatility).astype(float) for values in earlier))
    return lower * (EVERY / YEAR_BARS)


def _volatile(basket_rank: Array) -> Array:
    return (basket_rank > VOLATILE_ABOVE).astype(float)


def _above(values: Array) -> Array:
    return (values > 0.0).astype(float)


def _confirmed(state: Array) -> Array:
    return np.minimum(state, windows.lag(state, 1))
