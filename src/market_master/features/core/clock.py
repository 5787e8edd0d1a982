"""Time of the session, and the same slot of earlier sessions.

As far as 60 bars reach.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import DAY, Array, Ints
from market_master.features import feature, series
from market_master.features.engine import windows
from market_master.features.engine.slots import earlier_bars, total, usual

BACK = 59
"""bars"""


@feature(warmup=0, unit="days")
def time_of_session(elapsed: Array) -> Array:
    """Time from the session's open to this bar's start, as a share of a day; 0 for daily bars."""
    return elapsed / DAY


@feature(warmup=0, slots="intraday")
def clock_sin(elapsed: Array) -> Array:
    """The same time on a circle of a day: the sine."""
    return np.sin(elapsed * (2 * np.pi / DAY))


@feature(warmup=0, slots="intraday")
def clock_cos(elapsed: Array) -> Array:
    """The same time on a circle of a day: the cosine. With the sine it can draw a day that is busy at both ends."""
    return np.cos(elapsed * (2 * np.pi / DAY))


@feature(warmup=0, slots="intraday")
def opening(slot: Ints) -> Array:
    """1 for the first bar of a session, else 0."""
    return (slot == 0).astype(float)


@feature(warmup=59, unit="sd", slots="same_slot")
def slot_return(slot_body: Array, volatility: Array) -> Array:
    """Mean return of this slot on earlier sessions; 0 when 60 bars hold none."""
    return slot_body / volatility


@feature(warmup=59, unit="sd", slots="same_slot")
def next_slot_return(next_slot_body: Array, volatility: Array) -> Array:
    """Mean return, on earlier sessions, of the slot that comes next by the calendar; 0 when 60 bars hold none."""
    return next_slot_body / volatility


@feature(warmup=59, unit="ratio", slots="same_slot")
def slot_range_ratio(bar_range: Array, same_slot: Ints) -> Array:
    """Range of this bar over its mean in the same slot of earlier sessions; 1 when 60 bars hold none that moved."""
    return windows.ratio(bar_range, usual(bar_range, same_slot), neutral=1.0)


@feature(warmup=59, unit="ln", slots="same_slot")
def slot_volume_surprise(log_volume: Array, traded: Array, same_slot: Ints) -> Array:
    """ln of the volume over its geometric mean in this slot of earlier sessions; 0 where there is none."""
    known = total(traded, same_slot)
    before = windows.ratio(total(log_volume, same_slot), known, neutral=0.0, minimum=0.0)
    return np.where((traded > 0) & (known > 0), log_volume - before, 0.0)


@series(warmup=0)
def same_slot(slot: Ints, age: Ints) -> Ints:
    """Earlier bars (at most 59 back) in each bar's own slot: indices [most, bars], newest first, then -1."""
    return earlier_bars(slot, slot, age, BACK)


@series(warmup=0)
def next_slot_before(slot: Ints, next_slot: Ints, age: Ints) -> Ints:
    """Earlier bars (at most 59 back) in the slot that the calendar has next after each bar, in the same form."""
    return earlier_bars(slot, next_slot, age, BACK)


@series(warmup=0)
def slot_body(body: Array, same_slot: Ints) -> Array:
    """Mean return in this slot of earlier sessions; 0 where 60 bars hold none."""
    return usual(body, same_slot)


@series(warmup=0)
def next_slot_body(body: Array, next_slot_before: Ints) -> Array:
    """Mean return, on earlier sessions, in the slot that comes next; 0 where 60 bars hold none."""
    return usual(body, next_slot_before)
