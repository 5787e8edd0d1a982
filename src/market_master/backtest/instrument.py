"""Instrument traded on the index's signal: the index's own bars, else the weighted basket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.config.settings import Universe
from market_master.decision.wss import weighted_by_bar
from market_master.domain import DAY, Array, Bars, Ints, MissingWeight
from market_master.market_data.weights import index_weights

BASKET = "BASKET"
BASE_LEVEL = 100.0
"""level of a basket before its first bar"""


@dataclass(frozen=True, eq=False)
class Instrument:
    """The bars of one instrument, and its description."""

    bars: Bars
    description: str
    intrabar: bool
    """its highs and lows are real ones: a stop inside the bar can be seen"""


def traded_instrument(bars: Bars, universe: Universe) -> Instrument:
    """The benchmark's own bars, or, without a benchmark, the constituents' basket at each bar's own weights."""
    name = universe.benchmark
    if name in bars.symbols:
        return Instrument(bars.select([name]), f"{name}, the index's own bars", True)
    description = f"the weighted basket of {len(bars.symbols)} symbols: there are no bars of the index itself"
    return Instrument(weighted_basket(bars, universe), description, False)


def weighted_basket(bars: Bars, universe: Universe) -> Bars:
    """Bars of the basket that holds every constituent with a bar at its weight, rebalanced at each bar.

    Its move over the gap and within the bar are the weighted means of its constituents'; of its high and low only open and
    close are known. A constituent counts from its second bar on.
    """
    instants, bar_of_row = np.unique(bars.bar_end, return_inverse=True)
    weight = _weights(bars, universe, instants)[bar_of_row, bars.code]
    rows = np.flatnonzero((weight > 0) & (bars.age > 0))
    by_bar = weighted_by_bar(
        bars.bar_end[rows],
        weight[rows],
        bars.open[rows] / bars.close[rows - 1] - 1,
        bars.close[rows] / bars.open[rows] - 1,
    )
    gap, within = by_bar.means
    close = BASE_LEVEL * np.cumprod((1 + gap) * (1 + within))
    opened = close / (1 + within)
    columns = {
        "bar_end": by_bar.bar_end,
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": np.ones(len(close)),
    }
    return Bars.of(bars.timetable, {BASKET: columns})


def _weights(bars: Bars, universe: Universe, instants: Ints) -> Array:
    """[instants, symbols]: weights in force, looked up once a day; 0 for what is no constituent."""
    weights = np.zeros((len(instants), len(bars.symbols)))
    codes = {symbol: code for code, symbol in enumerate(bars.symbols)}
    days, first = np.unique(instants // DAY, return_index=True)
    for day, start in zip(days.tolist(), first.tolist(), strict=True):
        try:
            table = index_weights(universe, int(instants[start]), bars.symbols)
        except MissingWeight:
            continue
        rows = instants // DAY == day
        for symbol, weight in table.by_symbol.items():
            weights[rows, codes[symbol]] = weight
    return weights
