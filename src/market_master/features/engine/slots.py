"""Earlier bars in the same slot of the session: which, how many, and sums over them."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from market_master.domain import Array, Ints


@singledispatch
def earlier_bars(slot: Ints, target: Ints, age: Ints, reach: int) -> Ints:
    """Indices of the symbol's bars up to `reach` back whose slot is the target: [most, bars], newest first, then -1."""
    here = np.arange(len(slot))
    key = slot * len(slot) + here
    order = np.argsort(key)
    key, now = key[order], target * len(slot) + here
    end = np.searchsorted(key, now)
    count = end - np.searchsorted(key, now - np.minimum(age, reach))
    back = np.arange(1, count.max() + 1)[:, None]
    return np.where(back <= count, order[end - back], -1)


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
