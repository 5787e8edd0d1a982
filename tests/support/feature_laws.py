"""The four laws of a feature, each a function that says which columns break it.

`compute` maps bars to a matrix [bars, columns]; so the same laws judge the registered features and a planted leak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from tests.support.random_bars import shaken

Compute = Callable[[Bars], Array]
Columns = NDArray[np.bool_]
EXACT = 1e-9


def differ(one: Array, other: Array, least: float = EXACT) -> Columns:
    """Columns in which two matrices are not the same to 1e-9, or to what is given; NaN equals NaN only."""
    same = np.isclose(one, other, rtol=0.0, atol=least, equal_nan=True)
    return ~same.all(axis=0)


def looks_ahead(compute: Compute, bars: Bars, instants: Iterable[int]) -> Columns:
    """Columns that change at or before an instant when later bars are cut off, or replaced by others."""
    whole = compute(bars)
    broken = np.zeros(whole.shape[1], dtype=bool)
    for instant in instants:
        before = bars.bar_end <= instant
        broken |= differ(compute(bars.until(instant)), whole[before])
        broken |= differ(compute(shaken(bars, ~before))[before], whole[before])
    return broken


def breaks_warmup(
    compute: Compute, bars: Bars, warmup: NDArray[np.int64], axis: NDArray[np.int64] | None = None
) -> Columns:
    """Columns with a value before their warm-up, or with none after it.

    `axis` counts the times of the market before each bar; without it only the symbol's own bars count.
    """
    values = compute(bars)
    behind = np.arange(len(bars)) - bars.offsets[bars.code]
    behind = behind if axis is None else np.minimum(behind, axis)
    ready = behind[:, None] >= warmup[None, :]
    return (np.isfinite(values) != ready).any(axis=0)


def needs_more_history(compute: Compute, bars: Bars, count: int, instants: Iterable[int]) -> Columns:
    """Columns whose newest value differs when each symbol has its last `count` bars only."""
    whole = compute(bars)
    broken = np.zeros(whole.shape[1], dtype=bool)
    for instant in instants:
        short = bars.until(instant).tail(count)
        broken |= differ(compute(short)[short.bar_end == instant], whole[bars.bar_end == instant])
    return broken


def feels_others(compute: Compute, bars: Bars) -> Columns:
    """Columns that change when a symbol is alone, or when all other symbols' bars are replaced."""
    whole = compute(bars)
    broken = np.zeros(whole.shape[1], dtype=bool)
    for symbol, rows in bars:
        broken |= differ(compute(bars.select([symbol])), whole[rows])
        others = bars.code != bars.symbols.index(symbol)
        broken |= differ(compute(shaken(bars, others))[rows], whole[rows])
    return broken


def feels_bar(compute: Compute, bars: Bars, back: int, instants: Iterable[int]) -> Columns:
    """Columns that change at some instant, however little, when the bars `back` times earlier are replaced."""
    whole = compute(bars)
    times = np.unique(bars.bar_end)
    felt = np.zeros(whole.shape[1], dtype=bool)
    for instant in instants:
        earlier = times[np.searchsorted(times, instant) - back]
        here = bars.bar_end == instant
        felt |= differ(compute(shaken(bars, bars.bar_end == earlier))[here], whole[here], least=0.0)
    return felt
