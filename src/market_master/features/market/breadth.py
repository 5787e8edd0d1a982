"""Breadth: an equal-weight index of the members, and a symbol's rank in it.

All at the same bar.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Mask
from market_master.features import panel_feature, panel_series
from market_master.features.engine import windows
from market_master.features.engine.panel import across, rank

GROUP = "market"

BETA = 40


@panel_feature(warmup=20, unit="sd")
def market_return(index_move: Array, index_volatility: Array) -> Array:
    """Return of the equal-weight index over the newest bar."""
    return index_move / index_volatility


@panel_feature(warmup=20, unit="sd")
def market_return_lag_1(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index one bar ago."""
    return windows.lag(index_move, 1) / index_volatility


@panel_feature(warmup=20, unit="sd")
def market_return_lag_2(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index two bars ago."""
    return windows.lag(index_move, 2) / index_volatility


@panel_feature(warmup=20, unit="sd")
def market_return_lag_3(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index three bars ago."""
    return windows.lag(index_move, 3) / index_volatility


@panel_feature(warmup=50, unit="ratio")
def market_volatility_ratio(index_move: Array) -> Array:
    """Volatility of the index over the last 5 bars to that of the last 50; 1 when it stood still."""
    return windows.ratio(windows.rms(index_move, 5), windows.rms(index_move, 50), neutral=1.0)


@panel_feature(warmup=1, unit="share")
def breadth(advance: Array) -> Array:
    """Share of members that rose less the share that fell; 0 when none moved."""
    return advance


@panel_feature(warmup=2, unit="share")
def breadth_lag_1(advance: Array) -> Array:
    """Breadth one bar ago."""
    return windows.lag(advance, 1)


@panel_feature(warmup=20, unit="sd")
def relative_return(move: Array, index_move: Array, volatility: Array) -> Array:
    """Return of the symbol less that of the index, in units of the symbol's volatility."""
    return (move - index_move) / volatility


@panel_feature(warmup=41, unit="sd")
def beta_residual(move: Array, index_move: Array, volatility: Array) -> Array:
    """Return that the symbol's beta of the 40 bars before does not explain, in units of its volatility.

    Beta is 1 where the index stood still, or the symbol had no bars beside it.
    """
    known = np.isfinite(move)
    shared = windows.mean(np.where(known, move * index_move, 0.0), BETA)
    index_variance = windows.mean(np.where(known, index_move**2, 0.0), BETA)
    beta = windows.bounded(windows.lag(windows.ratio(shared, index_variance, neutral=1.0, minimum=windows.STILL**2), 1))
    return (move - beta * index_move) / volatility


@panel_feature(warmup=20, unit="rank")
def rank_return(body_return: Array, members: Mask) -> Array:
    """Rank of the newest bar's return among the members: -0.5 lowest to 0.5 highest."""
    return rank(body_return, members)


@panel_feature(warmup=20, unit="rank")
def rank_momentum(momentum_5: Array, members: Mask) -> Array:
    """Rank of the 5-bar return among the members."""
    return rank(momentum_5, members)


@panel_feature(warmup=20, unit="rank")
def rank_volume(volume_surprise: Array, members: Mask) -> Array:
    """Rank of the volume surprise among the members."""
    return rank(volume_surprise, members)


@panel_feature(warmup=20, unit="rank")
def rank_volatility(volatility: Array, members: Mask) -> Array:
    """Rank of the 20-bar volatility among the members."""
    return rank(volatility, members)


@panel_feature(warmup=20, unit="ratio")
def dispersion(move: Array, index_move: Array, members: Mask) -> Array:
    """Spread of the members' returns over its mean of 20 bars; 1 when all moved as one."""
    spread = np.sqrt(across((move - index_move) ** 2, members))
    return windows.ratio(spread, windows.mean(spread, 20), neutral=1.0)


@panel_feature(warmup=20, unit="ln")
def market_volume(volume_surprise: Array, members: Mask) -> Array:
    """Mean volume surprise of the members: is the whole market busy?"""
    return across(volume_surprise, members)


@panel_feature(warmup=59, unit="ln", slots="same_slot")
def market_slot_volume(slot_volume_surprise: Array, members: Mask) -> Array:
    """Mean volume surprise of the members against the same slot on earlier sessions: busy for this time of day?"""
    return across(slot_volume_surprise, members)


@panel_feature(warmup=20, unit="ln")
def relative_volume(volume_surprise: Array, members: Mask) -> Array:
    """Volume surprise less the market's: what the time of day does to all symbols alike drops out."""
    return volume_surprise - across(volume_surprise, members)


@panel_series
def index_move(move: Array, members: Mask) -> Array:
    """Mean move of the members that have one at the bar; one column."""
    return across(move, members)


@panel_series
def index_volatility(index_move: Array) -> Array:
    """Size of the index's moves over the last 20 bars."""
    return np.maximum(np.sqrt(windows.mean(index_move**2, 20)), windows.STILL)


@panel_series
def advance(move: Array, members: Mask) -> Array:
    """Mean direction of the members' moves."""
    return across(np.where(np.isfinite(move), windows.direction(move), move), members)
