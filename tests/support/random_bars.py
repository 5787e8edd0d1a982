"""Small random markets for tests: bars on a real calendar, with half-days; holes and silent bars as asked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from market_master.domain.calendar import Timetable
from market_master.domain.clock import DAY
from market_master.domain.fundamentals import Fundamentals
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
    """Random walks S1, S2, ... with nights, a busy open and close, a common part, and three reports of each company.

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
    reports = {symbol: random_reports(number, columns) for number, (symbol, columns) in enumerate(series.items())}
    return Bars.of(timetable, series, Fundamentals(reports))


def random_reports(seed: int, columns: Mapping[str, Array]) -> dict[str, Array]:
    """Figures by share, known a fifth, a half and four fifths of the way through some bars; the second has no growth."""
    random, price = np.random.default_rng(seed), float(columns["close"][0])
    ends = columns["bar_end"]
    return {
        "known_at": ends[[len(ends) // 5, len(ends) // 2, 4 * len(ends) // 5]],
        "earnings_per_share": price * random.normal(0.05, 0.05, 3),
        "book_per_share": price * random.uniform(0.1, 0.6, 3),
        "sales_per_share": price * random.uniform(0.2, 1.0, 3),
        "shares": np.exp(random.normal(20.0, 1.0, 3)),
        "sales_growth": np.where([True, False, True], random.normal(0.1, 0.1, 3), np.nan),
    }
