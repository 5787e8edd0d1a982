"""Features of whole panels: 14 factors of 800 symbols by 3,400 daily bars, and all of core beside a bare loop of TA-Lib.

    python -m benchmarks.features [--symbols 800] [--days 3400] [--bars FILE]

The first task has the size of the one that Qlib publishes (14 factors, 800 stocks, 14 years of days). The loop calls TA-Lib
once for each feature and symbol, on two threads: the feature's counterpart where TA-Lib has one, else a mean of its reach.
The bars are random walks, or those of a Parquet or CSV file (`--bars FILE --calendar 24/7 --interval 1h`).
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import talib
from rich.console import Console
from rich.table import Table

from market_master import features
from market_master.domain import Array, Bars, Timetable, clock
from market_master.market_data.providers import Query
from market_master.market_data.quality import read_files

FACTORS = (
    "above_mean_10", "above_mean_50", "autocorrelation", "bollinger_position", "channel_position", "drawdown", "momentum_20",
    "momentum_5", "range_ratio", "return_skew", "rsi", "stochastic_k", "volatility_ratio", "volume_trend",
)  # fmt: skip
FIRST_DAY, LAST_DAY = 1_136_073_600, 1_735_689_600
"""2006 and 2024"""
Call = Callable[[Bars, slice], Any]
COUNTERPARTS: dict[str, Call] = {
    "above_mean_10": lambda bars, rows: talib.SMA(bars.close[rows], 10),
    "above_mean_50": lambda bars, rows: talib.SMA(bars.close[rows], 50),
    "aroon": lambda bars, rows: talib.AROONOSC(bars.high[rows], bars.low[rows], 25),
    "autocorrelation": lambda bars, rows: talib.CORREL(bars.close[rows], bars.open[rows], 20),
    "bollinger_position": lambda bars, rows: talib.BBANDS(bars.close[rows], 20),
    "bollinger_width": lambda bars, rows: talib.BBANDS(bars.close[rows], 20),
    "candle_body": lambda bars, rows: talib.BOP(bars.open[rows], bars.high[rows], bars.low[rows], bars.close[rows]),
    "channel_position": lambda bars, rows: talib.WILLR(bars.high[rows], bars.low[rows], bars.close[rows], 50),
    "di_minus": lambda bars, rows: talib.MINUS_DI(bars.high[rows], bars.low[rows], bars.close[rows], 14),
    "di_plus": lambda bars, rows: talib.PLUS_DI(bars.high[rows], bars.low[rows], bars.close[rows], 14),
    "drawdown": lambda bars, rows: talib.MAX(bars.high[rows], 20),
    "dx": lambda bars, rows: talib.DX(bars.high[rows], bars.low[rows], bars.close[rows], 14),
    "macd": lambda bars, rows: talib.MACD(bars.close[rows]),
    "macd_histogram": lambda bars, rows: talib.MACD(bars.close[rows]),
    "momentum_20": lambda bars, rows: talib.ROC(bars.close[rows], 20),
    "momentum_5": lambda bars, rows: talib.ROC(bars.close[rows], 5),
    "rebound": lambda bars, rows: talib.MIN(bars.low[rows], 20),
    "rsi": lambda bars, rows: talib.RSI(bars.close[rows], 14),
    "rsi_short": lambda bars, rows: talib.RSI(bars.close[rows], 5),
    "stochastic_d": lambda bars, rows: talib.STOCHF(bars.high[rows], bars.low[rows], bars.close[rows], 14, 3),
    "stochastic_k": lambda bars, rows: talib.STOCHF(bars.high[rows], bars.low[rows], bars.close[rows], 14, 1),
    "true_range_ratio": lambda bars, rows: talib.ATR(bars.high[rows], bars.low[rows], bars.close[rows], 14),
    "volatility_level": lambda bars, rows: talib.STDDEV(bars.close[rows], 20),
    "volatility_level_long": lambda bars, rows: talib.STDDEV(bars.close[rows], 59),
    "volatility_ratio": lambda bars, rows: talib.STDDEV(bars.close[rows], 50),
    "volatility_trend": lambda bars, rows: talib.STDDEV(bars.close[rows], 59),
}  # fmt: skip
console = Console()


def walks(symbols: int, days: int, seed: int = 0) -> Bars:
    """Daily bars of independent random walks on the calendar of New York."""
    timetable = Timetable("XNYS", "1d", "session")
    ends = timetable.between(FIRST_DAY, LAST_DAY).end[:days]
    random = np.random.default_rng(seed)
    series = {}
    for number in range(symbols):
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.015, len(ends))))
        open_ = close * np.exp(random.normal(0, 0.005, len(ends)))
        spread = np.abs(random.normal(0, 0.006, (2, len(ends))))
        series[f"W{number:03d}"] = {
            "bar_end": ends,
            "open": open_,
            "high": np.maximum(open_, close) * (1 + spread[0]),
            "low": np.minimum(open_, close) * (1 - spread[1]),
            "close": close,
            "volume": random.lognormal(12, 0.5, len(ends)),
        }
    return Bars.of(timetable, series)


def talib_loop(bars: Bars, names: tuple[str, ...], threads: int = 2) -> Array:
    """One call of TA-Lib for each feature and symbol, float64 [names, bars]: plain indicators, far less than the features."""
    reaches = dict(zip(names, features.warmups(names), strict=True))
    values = np.empty((len(names), len(bars)))

    def compute_symbol(rows: slice) -> None:
        for number, name in enumerate(names):
            if name in COUNTERPARTS:
                outputs = COUNTERPARTS[name](bars, rows)
                values[number, rows] = outputs[0] if isinstance(outputs, tuple) else outputs
            else:
                values[number, rows] = talib.SMA(bars.close[rows], max(reaches[name], 2))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compute_symbol, [slice(begin, end) for begin, end in pairwise(bars.offsets.tolist())]))
    return values


def main() -> None:
    """Print both tasks as one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=800)
    parser.add_argument("--days", type=int, default=3400)
    parser.add_argument("--bars", type=Path)
    parser.add_argument("--calendar", default="24/7")
    parser.add_argument("--interval", default="1h")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    panel = walks(given.symbols, given.days)
    bars = panel.tail(575_000 // given.symbols)
    if given.bars:
        fetched = read_files(given.bars, Query((), given.calendar, given.interval, clock.now()))
        bars = Bars.of(fetched.timetable, fetched.series)
    table = Table(
        "features", "bars", "ours s", "one thread s", "TA-Lib loop s", "ours / loop", "peak bytes a bar",
        title="features of whole panels; medians of interleaved rounds",
    )  # fmt: skip
    table.add_row("14 factors", f"{len(panel):,}", *_measured(panel, FACTORS, given.rounds))
    core = features.select(("core",), bars.timetable.interval)
    table.add_row("core", f"{len(bars):,}", *_measured(bars, core, given.rounds))
    console.print(table)


def _measured(bars: Bars, names: tuple[str, ...], rounds: int) -> list[str]:
    ways: list[Callable[[], Any]] = [
        lambda: features.compute(bars, names),
        lambda: features.compute(bars, names, threads=1),
        lambda: talib_loop(bars, names),
    ]
    ways[0]()
    seconds = np.median([[_seconds(way) for way in ways] for _ in range(rounds)], axis=0)
    tracemalloc.start()
    ways[0]()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [*(f"{value:.2f}" for value in seconds), f"{seconds[0] / seconds[2]:.2f}", f"{peak / len(bars):.0f}"]


def _seconds(way: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
