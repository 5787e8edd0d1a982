"""Perturbations of bars: what a law changes in order to see what feels it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market_master.domain import OHLCV, Bars, Fundamentals


def changed(bars: Bars, rows: NDArray, **columns: NDArray | float) -> Bars:
    """The same bars with some columns of some rows (a mask or indices) put to other values."""
    series = {symbol: bars.series(symbol) for symbol in bars.symbols}
    for name, values in columns.items():
        column = getattr(bars, name).copy()
        column[rows] = values
        for symbol, span in bars:
            series[symbol][name] = column[span]
    return Bars.of(bars.timetable, series, bars.fundamentals)


def shaken(bars: Bars, rows: NDArray, seed: int = 0) -> Bars:
    """The same bars with some rows replaced: other prices, of another level and range, and other volumes."""
    random = np.random.default_rng(seed)
    count = len(bars.close[rows])
    level = np.exp(0.05 * random.standard_normal(count))
    prices = np.sort(np.exp(0.01 * random.standard_normal((4, count))), axis=0) * bars.close[rows] * level
    flipped = random.random(count) < 0.5
    return changed(
        bars,
        rows,
        low=prices[0],
        open=np.where(flipped, prices[1], prices[2]),
        close=np.where(flipped, prices[2], prices[1]),
        high=prices[3],
        volume=(bars.volume[rows] + 1.0) * np.exp(random.standard_normal(count)),
    )


def scaled(bars: Bars, price: float, volume: float = 1.0) -> Bars:
    """The same bars in another unit of price and of volume, and their companies' figures too."""
    other = changed(
        bars,
        np.ones(len(bars), dtype=bool),
        **{name: getattr(bars, name) * (volume if name == "volume" else price) for name in OHLCV},
    )
    return replace(other, fundamentals=bars.fundamentals and _in_unit(bars.fundamentals, price))


def _in_unit(fundamentals: Fundamentals, price: float) -> Fundamentals:
    return Fundamentals(
        {
            symbol: {name: values * (price if name.endswith("_per_share") else 1) for name, values in report.items()}
            for symbol, report in fundamentals.reports.items()
        }
    )


def reordered(bars: Bars) -> Bars:
    """The same bars handed over in another order of symbols."""
    series = {symbol: bars.series(symbol) for symbol in reversed(bars.symbols)}
    return Bars.of(bars.timetable, series, bars.fundamentals)


def with_stranger(bars: Bars) -> Bars:
    """The bars and those of one more symbol, which sorts last: the first symbol's, shaken."""
    first = bars.select([bars.symbols[0]])
    stranger = shaken(first, np.ones(len(first), dtype=bool), seed=3)
    return bars.with_series({"~stranger": stranger.series(first.symbols[0])})
