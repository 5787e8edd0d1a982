"""Providers of bars.

A provider is a file here with two classes: its section of the settings, `class ...(ProviderSettings, extra="forbid")`,
and the provider itself, marked `@register("market_data.providers", "<kind>", settings=...)`, which is called with the
section's values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd
from numpy.typing import NDArray

from market_master.domain import Timetable


@dataclass(frozen=True)
class Query:
    """What is asked of a provider: which symbols (empty = all it has), on which calendar and interval, and the time now."""

    symbols: tuple[str, ...]
    calendar: str
    interval: str
    now: int
    """epoch seconds UTC; bars that end later are still forming"""
    origins: Mapping[str, str] = field(default_factory=dict)
    """symbol -> source of the bars that are stored already, where several providers make one universe"""


@dataclass(frozen=True)
class SymbolReport:
    """What became of one symbol's rows: kept, dropped (why) and quarantined (why); the quality report is a list of these."""

    symbol: str
    rows: int
    kept: int
    first: str | None
    last: str | None
    duplicates: int = 0
    """exact copies, dropped"""
    conflicts: int = 0
    """same bar, other values: all of them quarantined"""
    impossible: int = 0
    """values that break the bar contract: quarantined"""
    off_grid: int = 0
    """not a bar of the grid, though inside a session: dropped"""
    out_of_session: int = 0
    """outside the calendar's sessions: dropped"""
    forming: int = 0
    """not closed yet: dropped"""
    missing: int = 0
    """bars the calendar has between first and last, and the symbol has not"""
    zero_volume: int = 0
    jumps: int = 0
    """moves of a third or more between bars with no counterpart inside the session: unadjusted splits, perhaps"""
    grid: str = "session"
    stamps: str = ""
    """how time stamps were read: zone, and bar start or end"""


@dataclass(frozen=True)
class FetchResult:
    """A provider's answer: clean series on one timetable, and what was found on the way."""

    timetable: Timetable
    series: Mapping[str, Mapping[str, NDArray]]
    """symbol -> bar_end (epoch seconds, increasing), open, high, low, close, volume"""
    report: tuple[SymbolReport, ...]
    quarantine: pd.DataFrame
    """rows kept aside: symbol, stamp, open, high, low, close, volume, reason"""
    notes: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    """symbol -> why nothing came of it, where the provider knows"""
    origins: Mapping[str, str] = field(default_factory=dict)
    """symbol -> source, where several providers make one universe"""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """what a simulated market knows about itself: exact IC, edge, imperfections"""


class Provider(Protocol):
    """What every provider offers. `live` says whether staleness is counted against the clock on the wall."""

    live: bool

    @property
    def source(self) -> str:
        """Identity of the data: the store's folder. Other parameters that make other bars make another source."""
        ...

    def fetch(self, query: Query) -> FetchResult:
        """All closed, valid bars of the query. Raises NoBars when there are none."""
        ...
