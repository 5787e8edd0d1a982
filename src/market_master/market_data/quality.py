"""Quality of a file or folder of bars, before anyone works with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from market_master.domain import Bars, Timetable
from market_master.market_data.providers import FetchResult, Query
from market_master.plugins import load_family


def check_files(path: Path, calendar: str, interval: str, now: int) -> dict[str, Any]:
    """The quality report by symbol of a file or folder. Raises NotOhlcv, IntervalMismatch, MixedGrid, NoBars."""
    fetched = read_files(path, Query((), calendar, interval, now))
    return {
        "path": str(path),
        "timetable": asdict(fetched.timetable),
        "symbols": [asdict(row) for row in fetched.report],
        "quarantined": dict(Counter(fetched.quarantine["reason"].tolist())) if len(fetched.quarantine) else {},
        "notes": list(fetched.notes),
    }


def bars_of_file(path: Path, symbol: str, times: Timetable, now: int) -> Bars:
    """One symbol's bars of a file, on the champion's calendar and interval. Raises NoBars when it holds others."""
    fetched = read_files(path, Query((symbol,), times.calendar, times.interval, now))
    return Bars.of(fetched.timetable, {symbol: fetched.series[symbol]})


def read_files(path: Path, query: Query, **options: Any) -> FetchResult:
    """What a file or folder holds, cleaned by the bar contract; `options` are the files provider's own settings.

    Raises NotOhlcv, IntervalMismatch, MixedGrid, NoBars.
    """
    fetched: FetchResult = (
        load_family("market_data.providers")["files"].factory(path=path.absolute(), **options).fetch(query)
    )
    return fetched
