"""Accept: bars a client sent, held against the bar contract before anything is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from market_master.domain.bars import OHLCV, Bars, violations
from market_master.domain.errors import BadBars, ConfigError, TooFewBars
from market_master.domain.sessions import Timetable, iso

MOST_ROWS = 20
"""of the list of broken bars in an answer"""


def accept(
    symbol: str,
    stamps: Sequence[float],
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
    for at in np.flatnonzero(np.diff(exact) <= 0) + 1:
        rows.append(
            {"bar": int(at), "field": "timestamp", "rule": "timestamps must increase", "value": iso(moments[at])}
        )
    ends, off_grid = _ends(moments, exact, stamp, timetable)
    for at in np.flatnonzero(off_grid):
        rule = f"must be the {stamp} of a {timetable.interval} bar of {timetable.calendar} ({timetable.grid} grid)"
        rows.append({"bar": int(at), "field": "timestamp", "rule": rule, "value": iso(moments[at])})
    if rows:
        rows.sort(key=lambda row: (row["bar"], row["field"]))
        raise BadBars(
            f"{len({row['bar'] for row in rows})} of {len(exact)} bars of {symbol} break the bar contract; the first is bar "
            f"{rows[0]['bar']}: {rows[0]['field']}: {rows[0]['rule']}.",
            rows=rows[:MOST_ROWS],
            broken=len(rows),
        )
    closed = ends <= now
    if not closed.any():
        raise TooFewBars(f"None of the {len(ends)} bars of {symbol} has closed yet.", given=0)
    series = {name: values[name][closed] for name in OHLCV}
    return Bars.of(timetable, {symbol: {"bar_end": ends[closed], **series}})


def _ends(moments: np.ndarray, exact: np.ndarray, stamp: str, timetable: Timetable) -> tuple[np.ndarray, np.ndarray]:
    """Each stamp's bar_end, and which stamps are none of the calendar's."""
    try:
        schedule = timetable.between(int(moments.min()), int(moments.max()))
    except ConfigError:
        return moments, np.ones(len(moments), dtype=bool)
    if timetable.interval == "1d" and stamp == "start":
        at = np.where(moments % 86400 == 0, schedule.by_session(moments // 86400), schedule.by_start(moments))
    else:
        at = schedule.by_end(moments) if stamp == "end" else schedule.by_start(moments)
    return schedule.end[np.maximum(at, 0)], (at < 0) | (exact != moments)


def _plain(value: Any) -> float | str:
    return float(value) if np.isfinite(value) else str(value)
