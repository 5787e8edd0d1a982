"""Each feature's graph gives what NumPy gives, over whole series: what is served is what was learned from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest

from market_master import features
from market_master.domain.bars import Bars
from market_master.domain.fundamentals import Fundamentals
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.providers.files import Files
from market_master.market_data.providers.imperfections import KINDS
from market_master.market_data.providers.simulated import Simulated
from market_master.plugins import load_family
from tests.support.feature_markets import plain, ragged, rough
from tests.support.graph_values import graph_of, graph_values
from tests.support.random_bars import random_bars, random_reports

NOW = 1_800_000_000
EXACT = 1e-9
INSTANTS = 100
"""at which market features are compared; the night takes all"""
NEWEST = 4000
"""bars of each symbol"""
REAL = {
    "us-1h-aligned": ("XNYS", "1h"),
    "us-5m": ("XNYS", "5m"),
    "crypto-1h": ("24/7", "1h"),
    "br-daily": ("BVMF", "1d"),
    "kr-1h": ("XKRX", "1h"),
}
SETS = sorted({plug.metadata["set"] for plug in load_family("features").values()})


def differing(bars: Bars, sets: Collection[str], members: Collection[str], every: int = 1) -> dict[str, float]:
    """Features whose graph is off by more than 1e-9 or has no value where NumPy has one, with the largest difference.

    Of the values that round to another float32, which is what a model sees, there are no more than rounding explains: two
    float64 values fall on both sides of an edge with the chance of their distance over that between the edges.
    """
    names = features.select(sorted(sets), bars.timetable.interval)
    graph = graph_of(names, bars)
    served, offline = graph_values(graph, bars, members, every), features.compute(bars, names, members=members)
    asked = np.isfinite(served).any(axis=1)
    assert asked.any()
    served, offline = served[asked], offline[asked]
    missing = (np.isnan(served) != np.isnan(offline)).any(axis=0)
    largest = np.nanmax(np.abs(served - offline), axis=0, initial=0.0)
    known = np.isfinite(offline)
    rounded = int((served[known].astype(np.float32) != offline[known].astype(np.float32)).sum())
    edges = np.spacing(np.abs(offline[known]).astype(np.float32)).astype(float)
    expected = np.minimum(np.abs(served - offline)[known] / edges, 1.0).sum()
    assert rounded <= expected + 5 * np.sqrt(expected) + 1
    return {name: float(size) for name, size, gap in zip(names, largest, missing, strict=True) if size > EXACT or gap}


def bars_of(fetched: FetchResult) -> Bars:
    """With reports of each company."""
    series = {symbol: columns for symbol, columns in fetched.series.items() if len(columns["bar_end"])}
    reports = {symbol: random_reports(number, columns) for number, (symbol, columns) in enumerate(series.items())}
    return Bars.of(fetched.timetable, series, Fundamentals(reports))


@pytest.mark.parametrize("market", [plain, ragged, rough])
@pytest.mark.parametrize("sets", [["core"], SETS], ids=["core", "all"])
def test_the_graph_gives_what_numpy_gives(market: Callable[[], Bars], sets: list[str]) -> None:
    """On bars with holes, crashes, silence and flat stretches, with a non-member beside; from the first instant on."""
    bars = market()
    assert differing(bars, sets, bars.symbols[:-1]) == {}


@pytest.mark.parametrize(
    ("calendar", "interval", "sessions"),
    [("24/7", "1h", 24), ("XNYS", "5m", 8), ("XNYS", "1d", 560), ("24/7", "30m", 12)],
)
def test_on_other_timetables_too(calendar: str, interval: str, sessions: int) -> None:
    """Around the clock, on 5 minutes and on days."""
    bars = random_bars(8, symbols=3, sessions=sessions, calendar=calendar, interval=interval, missing=0.02)
    assert differing(bars, SETS, bars.symbols) == {}


def test_on_a_simulated_market_with_all_imperfections() -> None:
    """Splits, halts, stale feeds, bad ticks, missing bars: the same numbers."""
    bars = bars_of(Simulated(symbols=8, sessions=90, imperfections=tuple(KINDS)).fetch(Query((), "XNYS", "1h", NOW)))
    assert differing(bars, SETS, bars.symbols) == {}


@pytest.mark.long
@pytest.mark.parametrize("name", ["us-1h-aligned", "crypto-1h", "br-daily"])
def test_on_real_bars(shared_data: Path, name: str) -> None:
    """The newest bars of each symbol; the market's features at instants all over. The night takes whole series and all markets."""
    bars = bars_of(Files(shared_data / name / "bars.parquet").fetch(Query((), *REAL[name], NOW))).tail(NEWEST)
    assert differing(bars, ["core"], bars.symbols) == {}
    every = max(1, len(np.unique(bars.bar_end)) // INSTANTS)
    assert differing(bars, SETS, bars.symbols, every) == {}


@pytest.mark.nightly
@pytest.mark.parametrize("name", REAL)
def test_on_every_real_bar(shared_data: Path, name: str) -> None:
    """The market's features at each instant there is."""
    bars = bars_of(Files(shared_data / name / "bars.parquet").fetch(Query((), *REAL[name], NOW)))
    assert differing(bars, SETS, bars.symbols) == {}
