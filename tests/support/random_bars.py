"""Small random markets for tests: bars on a real calendar, with half-days; holes and silent bars as asked."""

from __future__ import annotations

import numpy as np

from market_master.domain.bars import Bars
from market_master.domain.calendar import Timetable
from market_master.domain.clock import DAY
from market_master.leakage.perturb import changed, scaled, shaken

__all__ = ["changed", "random_bars", "scaled", "shaken"]
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
