"""Cross-sections of the market: means and ranks of all members at the same bar.

Matrices are [times, symbols]; `members` is a mask of the symbols.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from market_master.domain import Array, Mask
from market_master.features.engine import windows

TIE = 9
"""decimals; values that differ less are ranked the same, for rounding must not order symbols"""


@singledispatch
def across(values: Array, members: Mask) -> Array:
    """Mean over the members that have a value, at each time: one column; 0 where none has."""
    inside = values[:, members]
    known = np.isfinite(inside)
    total = np.where(known, inside, 0.0).sum(axis=1, keepdims=True)
    return windows.ratio(total, known.sum(axis=1, keepdims=True), neutral=0.0, minimum=0.0)


@singledispatch
def rank(values: Array, members: Mask) -> Array:
    """Share of the members below each value, ties counted half, less one half; 0 where there are no members."""
    rounded = np.round(values, TIE)
    order = np.argsort(rounded, axis=1, kind="stable")
    ordered = np.take_along_axis(rounded, order, axis=1)
    counted = (members[order] & np.isfinite(ordered)).astype(float)
    through = np.cumsum(counted, axis=1)
    changes = ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(values), 1), dtype=bool)
    column = np.arange(values.shape[1])
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), column, 0), axis=1)
    last = np.where(np.hstack([changes, edge]), column, column[-1])
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    below: Array = np.take_along_axis(through - counted, first, axis=1)
    not_above: Array = np.take_along_axis(through, last, axis=1)
    ranks = np.empty_like(rounded)
    share = windows.ratio((below + not_above) / 2, through[:, -1:], neutral=0.5, minimum=0.0) - 0.5
    np.put_along_axis(ranks, order, share, axis=1)
    return ranks
