"""Ingest: from the provider to the store, and the bars of a run.

It refuses to go on with too little of the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_master.config import Settings
from market_master.domain import Bars, FetchCoverage, NoBars, digest, iso
from market_master.market_data.fundamentals import read_fundamentals, require_plausible
from market_master.market_data.providers import FetchResult, Provider, Query, SymbolReport
from market_master.market_data.providers.first_of import open_provider
from market_master.market_data.store import AppendResult, Store
from market_master.market_data.weights import Weights, index_weights

MIN_FETCHED = 0.80
"""of the universe's weight"""


@dataclass(frozen=True, eq=False)
class Market:
    """What a run works on: stored bars, the index's weights at the newest bar, and where it all came from."""

    bars: Bars
    weights: Weights
    members: tuple[str, ...]
    """symbols that make the market features: all but the benchmark"""
    source: str
    provider: str
    live: bool
    origins: dict[str, str]
    """symbol -> its provider's source, where several make the universe"""
    report: tuple[SymbolReport, ...]
    written: AppendResult
    notes: tuple[str, ...]
    manifest: dict[str, Any]
    data_hash: str
    kept_share: float
    """valid bars over bars the calendar has, plus those quarantined"""


@dataclass(frozen=True, eq=False)
class StoreUpdate:
    """What a provider brought to the store."""

    provider: Provider
    fetched: FetchResult
    store: Store
    written: AppendResult
    symbols: tuple[str, ...]
    """those that have bars"""


def update_store(settings: Settings, home: Path, now: int) -> StoreUpdate:
    """Bring the store up to date; each symbol's file is read once, and written where there are new bars.

    Raises NoBars, FetchCoverage (under 80 % of the universe's weight arrived), MixedGrid, NotOhlcv, MissingWeight.
    """
    provider = open_provider(settings.provider)
    store, symbols = Store(home / "data", provider.source, settings.interval), _requested(settings)
    fetched = provider.fetch(Query(symbols, settings.calendar, settings.interval, now, store.origins()))
    series = {symbol: columns for symbol, columns in fetched.series.items() if len(columns["bar_end"])}
    _require_coverage(settings, fetched, set(series))
    store.quarantine(fetched.quarantine)
    store.add_origins({symbol: source for symbol, source in fetched.origins.items() if symbol in series})
    written = store.append(fetched.timetable, series)
    if fundamentals := read_fundamentals(settings.fundamentals):
        require_plausible(fundamentals, store.recent().bars())
        store.put_fundamentals(fundamentals)
    return StoreUpdate(provider, fetched, store, written, tuple(sorted(series)))


def fetch(settings: Settings, home: Path, now: int) -> Market:
    """Bring the store up to date and read the run's bars from it. Raises what `update_store` raises."""
    update = update_store(settings, home, now)
    provider, fetched, bars = update.provider, update.fetched, update.store.bars(update.symbols)
    looks_at_figures = "fundamental" in settings.features.sets
    if bars.fundamentals and looks_at_figures:
        require_plausible(bars.fundamentals, bars)
    return Market(
        bars=bars,
        weights=index_weights(settings.universe, bars.newest, set(bars.symbols)),
        members=tuple(symbol for symbol in bars.symbols if symbol != settings.universe.benchmark),
        source=provider.source,
        provider=settings.provider.kind,
        live=provider.live,
        origins=update.store.origins(),
        report=fetched.report,
        written=update.written,
        notes=(*fetched.notes, *_fundamentals_note(settings, bars)),
        manifest=dict(fetched.manifest),
        data_hash=digest(bars, head=repr((bars.timetable, bars.symbols)), figures=looks_at_figures),
        kept_share=_kept_share(fetched.report),
    )


def _requested(settings: Settings) -> tuple[str, ...]:
    """The configured symbols, and the benchmark's own bars; empty = all that the provider has."""
    symbols, benchmark = settings.universe.symbols, settings.universe.benchmark
    return (*symbols, benchmark) if symbols and benchmark and benchmark not in symbols else symbols


def _require_coverage(settings: Settings, fetched: FetchResult, arrived: set[str]) -> None:
    if not arrived:
        raise NoBars(f"The provider '{settings.provider.kind}' answered without a single valid bar.")
    newest = max(int(fetched.series[symbol]["bar_end"][-1]) for symbol in arrived)
    known = {row.symbol for row in fetched.report} | set(settings.universe.symbols)
    weights = index_weights(settings.universe, newest, known).by_symbol
    share = sum(weight for symbol, weight in weights.items() if symbol in arrived)
    if share < MIN_FETCHED:
        lost = sorted(set(weights) - arrived)
        reason = next((f" {symbol}: {fetched.failures[symbol]}" for symbol in lost if symbol in fetched.failures), "")
        raise FetchCoverage(
            f"Only {share:.1%} of the universe's weight arrived, {MIN_FETCHED:.0%} is needed; nothing came of "
            f"{len(lost)} of {len(weights)} constituents as of {iso(newest)}: {', '.join(lost[:10])}.{reason}",
            share=share,
            needed=MIN_FETCHED,
            missing=lost,
        )


def _fundamentals_note(settings: Settings, bars: Bars) -> list[str]:
    """How many symbols have a report, where a table is configured."""
    if settings.fundamentals.path is None or bars.fundamentals is None:
        return []
    lacking = [symbol for symbol in bars.symbols if bars.fundamentals.newest(symbol, bars.newest) is None]
    reported = f"Fundamentals: reports of {len(bars.symbols) - len(lacking)} of {len(bars.symbols)} symbols"
    return [f"{reported}, none of {', '.join(lacking[:10])}." if lacking else f"{reported}."]


def _kept_share(report: tuple[SymbolReport, ...]) -> float:
    valid = sum(row.kept for row in report)
    lost = sum(row.missing + row.impossible + row.conflicts for row in report)
    return valid / (valid + lost) if valid else 0.0
