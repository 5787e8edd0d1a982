"""Earlier bars in the same slot of the session: which, how many, and sums over them."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from market_master.domain import Array, Ints


@singledispatch
def earlier_bars(slot: Ints, target: Ints, age: Ints, reach: int) -> Ints:
    """Indices of the symbol's bars up to `reach` back whose slot is the target: [most, bars], newest first, then -1."""
    here = np.arange(len(slot))
    by_slot = asked = _order(slot)
    key = slot[by_slot] * len(slot) + by_slot
    now, end = key, here
    if target is not slot:
        asked = _order(target)
        now = target[asked] * len(slot) + asked
        end = np.searchsorted(key, now)
    first, oldest = now - asked, now - np.minimum(np.minimum(age, here), reach)[asked]
    rows: list[Ints] = []
    while True:
        earlier = key[end - len(rows) - 1]
        known = (earlier >= oldest) & (end > len(rows))
        if not known.any():
            return np.array(rows, dtype=np.int64).reshape(-1, len(slot))
        rows.append(np.empty_like(here))
        rows[-1][asked] = np.where(known, earlier - first, -1)


@singledispatch
def total(values: Array, earlier: Ints) -> Array:
    """Sum of the values at earlier bars, the newest first, so that what is not there changes no bit."""
    return np.concatenate((values, [0.0]))[earlier].sum(axis=0)


@singledispatch
def count(earlier: Ints) -> Array:
    """How many earlier bars there are."""
    return (earlier >= 0).sum(axis=0).astype(float)


def usual(values: Array, earlier: Ints) -> Array:
    """Mean of the values at earlier bars; 0 where there is none."""
    return total(values, earlier) / np.maximum(count(earlier), 1.0)


def _order(slots: Ints) -> Ints:
    """By slot and, in a slot, by time; a radix sort, for slots are few."""
    return np.argsort(slots.astype(np.int16), kind="stable")
