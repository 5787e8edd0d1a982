"""The time of the session, and what the same slot brought on earlier sessions, as far as 60 bars reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_master.domain.bars import Array
from market_master.domain.sessions import DAY, Ints
from market_master.features import feature, rolling, series
from market_master.features.marks import REACH


@feature(set="core", warmup=0, unit="days")
def time_of_session(elapsed: Array) -> Array:
    """Time from the session's open to this bar's start, as a share of a day; 0 for daily bars."""
    return elapsed / DAY


@feature(set="core", warmup=0, slots="intraday")
def clock_sin(elapsed: Array) -> Array:
    """The same time on a circle of a day: the sine."""
    return np.sin(elapsed * (2 * np.pi / DAY))


@feature(set="core", warmup=0, slots="intraday")
def clock_cos(elapsed: Array) -> Array:
    """The same time on a circle of a day: the cosine. With the sine it can draw a day that is busy at both ends."""
    return np.cos(elapsed * (2 * np.pi / DAY))


@feature(set="core", warmup=0, slots="intraday")
def opening(slot: Ints) -> Array:
    """1 for the first bar of a session, else 0."""
    return (slot == 0).astype(float)


@feature(set="core", warmup=59, unit="sd", slots="same_slot")
def slot_return(body: Array, same_slot: Ints, volatility: Array) -> Array:
    """Mean return of this slot on earlier sessions; 0 when 60 bars hold none."""
    return rolling.bounded(usual(body, same_slot, neutral=0.0) / volatility)


@feature(set="core", warmup=59, unit="sd", slots="same_slot")
def next_slot_return(body: Array, next_slot_before: Ints, volatility: Array) -> Array:
    """Mean return, on earlier sessions, of the slot that comes next by the calendar; 0 when 60 bars hold none."""
    return rolling.bounded(usual(body, next_slot_before, neutral=0.0) / volatility)


@feature(set="core", warmup=59, unit="ratio", slots="same_slot")
def slot_range_ratio(bar_range: Array, same_slot: Ints) -> Array:
    """Range of this bar over its mean in the same slot of earlier sessions; 1 when 60 bars hold none that moved."""
    return rolling.bounded(rolling.ratio(bar_range, usual(bar_range, same_slot, neutral=0.0), neutral=1.0))


@feature(set="core", warmup=59, unit="ln", slots="same_slot")
def slot_volume_surprise(log_volume: Array, traded: Array, same_slot: Ints) -> Array:
    """ln of the volume over its geometric mean in this slot of earlier sessions; 0 where there is none."""
    known = usual(traded, same_slot, neutral=0.0)
    before = rolling.ratio(usual(log_volume, same_slot, neutral=0.0), known, neutral=0.0, least=0.0)
    return np.where((traded > 0) & (known > 0), rolling.bounded(log_volume - before), 0.0)


@series(warmup=0)
def same_slot(slot: Ints, age: Ints) -> Ints:
    """For each bar, the earlier bars (at most 59 back) in its own slot: indices, -1 where there are no more."""
    return _earlier(slot, slot, age)


@series(warmup=0)
def next_slot_before(slot: Ints, next_slot: Ints, age: Ints) -> Ints:
    """For each bar, the earlier bars (at most 59 back) in the slot that the calendar has next."""
    return _earlier(slot, next_slot, age)


def usual(values: Array, earlier: NDArray[np.int64], neutral: float) -> Array:
    """Mean of the values at earlier bars."""
    found = earlier >= 0
    total = np.where(found, values[earlier], 0.0).sum(axis=1)
    return rolling.ratio(total, found.sum(axis=1), neutral=neutral, least=0.0)


def _earlier(slot: Ints, wanted: Ints, age: Ints) -> Ints:
    """Indices of the symbol's bars up to 59 back whose slot is the wanted one, newest first; -1 where there are no more."""
    here = np.arange(len(slot))
    order = np.argsort(slot, kind="stable")
    sorted_slot = slot[order]
    apart = np.diff(order)[np.diff(sorted_slot) == 0]
    most = REACH // int(apart.min(initial=REACH)) + 1
    place = np.searchsorted(sorted_slot * len(slot) + order, wanted * len(slot) + here)
    at = place[:, None] - np.arange(1, most + 1)
    bar = order[np.maximum(at, 0)]
    back = here[:, None] - bar
    found = (at >= 0) & (slot[bar] == wanted[:, None]) & (back <= np.minimum(age, REACH)[:, None])
    return np.where(found, bar, -1)
