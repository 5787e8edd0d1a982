"""Bars posted by a client, held against the bar contract before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from market_master.domain import (
    DAY,
    OHLCV,
    BadBars,
    Bars,
    ConfigError,
    Schedule,
    Timetable,
    TooFewBars,
    iso,
    violations,
)

MAX_ROWS_LISTED = 20
"""of the list of broken bars in an answer"""


def accept(
    symbol: str,
    stamps: Sequence[float] | np.ndarray,
    columns: Mapping[str, Sequence[float] | np.ndarray],
    *,
    stamp: str,
    timetable: Timetable,
    now: int,
) -> Bars:
    """Bars of one symbol from time stamps (epoch seconds of each bar's start, or end) and OHLCV columns.

    A forming bar (it ends after `now`) is dropped. Raises BadBars naming bar, field and rule, TooFewBars for none.
    """
    if not len(stamps):
        raise TooFewBars(f"No bars of {symbol} were given.", given=0)
    values = {name: np.asarray(columns[name], dtype=float) for name in OHLCV}
    rows = [
        {"bar": int(at), "field": rule.field, "rule": rule.text, "value": _plain(values[rule.field][at])}
        for rule, mask in violations(*(values[name] for name in OHLCV))
        for at in np.flatnonzero(mask)
    ]
    exact = np.asarray(stamps, dtype=float)
    moments = np.floor(exact).astype(np.int64)
    for n in np.flatnonzero(exact[1:] <= exact[:-1]) + 1:
        rows.append({"bar": int(n), "field": "timestamp", "rule": "timestamps must increase", "value": iso(moments[n])})
    schedule = _schedule(moments, timetable)
    at = _places(moments, stamp, schedule, timetable.interval) if schedule else np.full(len(moments), -1)
    for n in np.flatnonzero((at < 0) | (exact != moments)):
        rule = f"must be the {stamp} of a {timetable.interval} bar of {timetable.calendar} ({timetable.grid} grid)"
        rows.append({"bar": int(n), "field": "timestamp", "rule": rule, "value": iso(moments[n])})
    if rows or schedule is None:
        rows.sort(key=lambda row: (row["bar"], row["field"]))
        raise BadBars(
            f"{len({row['bar'] for row in rows})} of {len(exact)} bars of {symbol} break the bar contract; the first is bar "
            f"{rows[0]['bar']}: {rows[0]['field']}: {rows[0]['rule']}.",
            rows=rows[:MAX_ROWS_LISTED],
            broken=len(rows),
        )
    closed = int(np.searchsorted(schedule.end[at], now, "right"))
    if not closed:
        raise TooFewBars(f"None of the {len(at)} bars of {symbol} has closed yet.", given=0)
    values_closed = {name: values[name][:closed] for name in OHLCV}
    return Bars.on_schedule(timetable, (symbol,), [closed], schedule, at[:closed], values_closed)


def _schedule(moments: np.ndarray, timetable: Timetable) -> Schedule | None:
    """The calendar's bars around the stamps; None when it knows nothing of such times."""
    try:
        return timetable.between(int(moments.min()), int(moments.max()))
    except ConfigError:
        return None


def _places(moments: np.ndarray, stamp: str, schedule: Schedule, interval: str) -> np.ndarray:
    """Which bar of the calendar each stamp names, -1 for none."""
    if interval == "1d" and stamp == "start":
        return np.where(moments % DAY == 0, schedule.by_session(moments // DAY), schedule.by_start(moments))
    return schedule.by_end(moments) if stamp == "end" else schedule.by_start(moments)


def _plain(value: Any) -> float | str:
    return float(value) if np.isfinite(value) else str(value)
