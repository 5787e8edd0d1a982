"""The same slot of up to twenty earlier sessions.

As far as 480 bars reach.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Ints
from market_master.features import feature, series
from market_master.features.engine import windows
from market_master.features.engine.slots import earlier_bars, total, usual
from market_master.features.long.volatility import MONTH


@feature(warmup=MONTH, unit="sd", slots="same_slot")
def slot_return_month(body: Array, same_slot_month: Ints, volatility_month: Array) -> Array:
    """Mean return of this slot on earlier sessions: half-hours repeat (Heston et al. 2010)."""
    return usual(body, same_slot_month) / volatility_month


@feature(warmup=MONTH, unit="sd", slots="same_slot")
def next_slot_return_month(body: Array, next_slot_month: Ints, volatility_month: Array) -> Array:
    """Mean return, on earlier sessions, of the slot that comes next by the calendar."""
    return usual(body, next_slot_month) / volatility_month


@feature(warmup=MONTH, unit="ratio", slots="same_slot")
def slot_range_month(bar_range: Array, same_slot_month: Ints) -> Array:
    """Range of this bar over its mean in the same slot of earlier sessions; 1 where none moved."""
    return windows.ratio(bar_range, usual(bar_range, same_slot_month), neutral=1.0)


@feature(warmup=MONTH, unit="ratio", slots="same_slot")
def next_slot_range_month(bar_range: Array, next_slot_month: Ints) -> Array:
    """Mean range of the slot that comes next, on earlier sessions, to the mean range of 480 bars; 1 when nothing moved."""
    return windows.ratio(usual(bar_range, next_slot_month), windows.mean(bar_range, MONTH), neutral=1.0)


@feature(warmup=MONTH, unit="ln", slots="same_slot")
def slot_volume_month(log_volume: Array, traded: Array, same_slot_month: Ints) -> Array:
    """ln of the volume over its geometric mean in this slot of earlier sessions; 0 where there is none."""
    known = total(traded, same_slot_month)
    before = windows.ratio(total(log_volume, same_slot_month), known, neutral=0.0, minimum=0.0)
    return np.where((traded > 0) & (known > 0), log_volume - before, 0.0)


@series(warmup=0)
def same_slot_month(slot: Ints, age: Ints) -> Ints:
    """Earlier bars (at most 480 back) in each bar's own slot, as `earlier_bars` gives them."""
    return earlier_bars(slot, slot, age, MONTH)


@series(warmup=0)
def next_slot_month(slot: Ints, next_slot: Ints, age: Ints) -> Ints:
    """Earlier bars (at most 480 back) in the slot that the calendar has next after each bar."""
    return earlier_bars(slot, next_slot, age, MONTH)
