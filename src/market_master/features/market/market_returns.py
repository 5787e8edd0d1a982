"""Returns of the market: longer moves, the hours of yesterday, ranges and volume."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Ints, Mask
from market_master.features import panel_feature, panel_series, series
from market_master.features.core.volatility import PER_CENT
from market_master.features.engine import windows
from market_master.features.engine.panel import across
from market_master.features.engine.slots import count, usual

GROUP = "market"


@panel_feature(warmup=20, unit="sd")
def market_momentum_3(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index over 3 bars, as a random walk of 3 steps would spread."""
    return _path(index_move, index_volatility, 3)


@panel_feature(warmup=20, unit="sd")
def market_momentum_6(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index over 6 bars."""
    return _path(index_move, index_volatility, 6)


@panel_feature(warmup=20, unit="sd")
def market_momentum_12(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index over 12 bars."""
    return _path(index_move, index_volatility, 12)


@panel_feature(warmup=24, unit="sd")
def market_momentum_24(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index over 24 bars."""
    return _path(index_move, index_volatility, 24)


@panel_feature(warmup=48, unit="sd")
def market_momentum_48(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index over 48 bars."""
    return _path(index_move, index_volatility, 48)


@panel_feature(warmup=20, unit="sd")
def market_return_lag_4(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index four bars ago."""
    return windows.lag(index_move, 4) / index_volatility


@panel_feature(warmup=20, unit="sd")
def market_return_lag_5(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index five bars ago."""
    return windows.lag(index_move, 5) / index_volatility


@panel_feature(warmup=20, unit="sd")
def relative_momentum_3(ahead_of_index: Array, volatility: Array) -> Array:
    """Return of the symbol less that of the index over 3 bars."""
    return _path(ahead_of_index, volatility, 3)


@panel_feature(warmup=20, unit="sd")
def relative_momentum_12(ahead_of_index: Array, volatility: Array) -> Array:
    """Return of the symbol less that of the index over 12 bars."""
    return _path(ahead_of_index, volatility, 12)


@panel_feature(warmup=48, unit="sd")
def relative_momentum_48(ahead_of_index: Array, volatility: Array) -> Array:
    """Return of the symbol less that of the index over 48 bars."""
    return _path(ahead_of_index, volatility, 48)


@panel_feature(warmup=59, unit="sd", slots="same_slot")
def market_slot_return(slot_body: Array, index_volatility: Array, members: Mask) -> Array:
    """Mean return of the members in this slot of earlier sessions: half-hours repeat (Heston et al. 2010)."""
    return across(slot_body, members) / index_volatility


@panel_feature(warmup=59, unit="sd", slots="same_slot")
def market_next_slot_return(next_slot_body: Array, index_volatility: Array, members: Mask) -> Array:
    """Mean return of the members, on earlier sessions, in the slot that comes next by the calendar."""
    return across(next_slot_body, members) / index_volatility


@panel_feature(warmup=59, unit="ratio", slots="same_slot")
def market_next_slot_range(next_slot_range: Array, members: Mask) -> Array:
    """Mean over the members of the next slot's usual range to that of all slots: is a busy hour coming?"""
    return across(next_slot_range, members)


@panel_feature(warmup=50, unit="ratio")
def members_volatility_ratio(volatility_ratio: Array, members: Mask) -> Array:
    """Mean over the members of 5-bar to 50-bar volatility."""
    return across(volatility_ratio, members)


@panel_feature(warmup=59, unit="ratio")
def members_volatility_trend(volatility_trend: Array, members: Mask) -> Array:
    """Mean over the members of 20-bar to 59-bar volatility."""
    return across(volatility_trend, members)


@panel_feature(warmup=20, unit="ln")
def market_volatility_level(index_volatility: Array) -> Array:
    """ln of the index's 20-bar volatility in per cent."""
    return np.log(index_volatility / PER_CENT)


@panel_feature(warmup=20, unit="ln")
def relative_volatility_level(volatility: Array, index_volatility: Array) -> Array:
    """ln of the symbol's 20-bar volatility over the index's."""
    return np.log(volatility / index_volatility)


@panel_feature(warmup=19, unit="ratio")
def market_range(range_ratio: Array, members: Mask) -> Array:
    """Mean over the members of the newest bar's range to its mean of 20 bars."""
    return across(range_ratio, members)


@panel_feature(warmup=20, unit="share")
def market_signed_volume(signed_volume: Array, members: Mask) -> Array:
    """Mean over the members of rising less falling volume of 20 bars."""
    return across(signed_volume, members)


@panel_feature(warmup=20, unit="sd")
def market_volume_return(volume_return: Array, members: Mask) -> Array:
    """Mean over the members of the newest return times its volume surprise."""
    return across(volume_return, members)


@panel_feature(warmup=0, unit="share")
def market_close_position(close_position: Array, members: Mask) -> Array:
    """Mean over the members of where in its range the newest bar closed."""
    return across(close_position, members)


@panel_feature(warmup=20, unit="sd")
def market_return_squeezed(index_move: Array, index_volatility: Array) -> Array:
    """Return of the index over the newest bar, small moves spread out and large ones alike: small ones reverse more."""
    return np.tanh(2.0 * index_move / index_volatility)


@panel_feature(warmup=20, unit="sd")
def relative_return_squeezed(move: Array, index_move: Array, volatility: Array) -> Array:
    """Return of the symbol less that of the index, small moves spread out and large ones alike."""
    return np.tanh(2.0 * (move - index_move) / volatility)


@panel_series
def ahead_of_index(move: Array, index_move: Array) -> Array:
    """Return of each symbol less that of the index; 0 where it has no bar."""
    return np.where(np.isfinite(move), move - index_move, 0.0)


@series(warmup=47)
def next_slot_range(bar_range: Array, next_slot_before: Ints) -> Array:
    """Mean range of the slot that comes next, on earlier sessions, to the mean range of 48 bars; 1 where there is none."""
    coming = usual(bar_range, next_slot_before)
    against = windows.bounded(windows.ratio(coming, windows.mean(bar_range, 48), neutral=1.0))
    return np.where(count(next_slot_before) > 0, against, 1.0)


def _path(moves: Array, volatility: Array, bars: int) -> Array:
    return windows.mean(moves, bars) * np.sqrt(bars) / volatility
