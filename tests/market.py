"""Small random markets for tests: bars on a real calendar, with half-days; holes and silent bars as asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_master.domain.bars import OHLCV, Bars
from market_master.domain.sessions import DAY, Timetable

FIRST_INSTANT = 1_698_796_800
"""2023-11-01: the weeks after it hold the half-day of 24 November and a clock change"""


def random_bars(
    seed: int,
    symbols: int = 3,
    sessions: int = 30,
    calendar: str = "XNYS",
    interval: str = "1h",
    *,
    missing: float = 0.0,
    silent: float = 0.0,
    volatility: float = 0.004,
) -> Bars:
    """Random walks S1, S2, ... with nights, a busy open and close, and a common part.

    `missing` is the share of bars left out of each symbol, `silent` the share without volume.
    """
    random = np.random.default_rng(seed)
    timetable = Timetable(calendar, interval)
    schedule = timetable.between(FIRST_INSTANT, FIRST_INSTANT + 2 * sessions * DAY)
    first = int(np.searchsorted(schedule.start, FIRST_INSTANT))
    days = np.unique(schedule.session[first:])[:sessions]
    stop = int(np.searchsorted(schedule.session, days[-1], "right"))
    ends, slot = schedule.end[first:stop], schedule.slot[first:stop]
    count = len(ends)
    busy = 1.0 + 0.8 * np.abs(np.linspace(-1, 1, slot.max() + 1))[slot]
    common = random.standard_normal(count)
    series = {}
    for number in range(symbols):
        body = volatility * busy * (0.5 * common + random.standard_normal(count))
        gap = np.where(slot == 0, 3 * volatility, 0.1 * volatility) * random.standard_normal(count)
        close = 100.0 * (1 + number) * np.exp(np.cumsum(body + gap))
        open_ = close * np.exp(-body)
        reach = volatility * np.abs(random.standard_normal((2, count)))
        volume = np.round(np.exp(10 + np.log(busy) + 0.5 * random.standard_normal(count)))
        columns = {
            "bar_end": ends,
            "open": open_,
            "high": np.maximum(open_, close) * np.exp(reach[0]),
            "low": np.minimum(open_, close) * np.exp(-reach[1]),
            "close": close,
            "volume": np.where(random.random(count) < silent, 0.0, volume),
        }
        kept = random.random(count) >= missing
        series[f"S{number + 1}"] = {name: values[kept] for name, values in columns.items()}
    return Bars.of(timetable, series)


def changed(bars: Bars, rows: NDArray, **columns: NDArray | float) -> Bars:
    """The same bars with some columns of some rows (a mask or indices) put to other values."""
    series = {symbol: bars.series(symbol) for symbol in bars.symbols}
    for name, values in columns.items():
        whole = getattr(bars, name).copy()
        whole[rows] = values
        for symbol, span in bars:
            series[symbol][name] = whole[span]
    return Bars.of(bars.timetable, series)


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
    """The same bars in another unit of price and of volume."""
    return changed(
        bars,
        np.ones(len(bars), dtype=bool),
        **{name: getattr(bars, name) * (volume if name == "volume" else price) for name in OHLCV},
    )
