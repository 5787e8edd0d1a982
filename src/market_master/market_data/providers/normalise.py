"""Normalisation: a vendor's rows become valid bars of one timetable.

Every other row is accounted for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market_master.domain import DAY, GRIDS, OHLCV, Array, Ints, MixedGrid, NoBars, Schedule, Timetable, iso, violations
from market_master.market_data.providers import FetchResult, Query, SymbolReport
from market_master.market_data.providers.schema import validated

ROW_OUTCOMES = ("kept", "duplicates", "conflicts", "impossible", "off_grid", "out_of_session", "forming")
"""what becomes of a row, each a count of SymbolReport; the counts add up to its rows"""
JUMP = 1 / 3
"""of the price: how far a move between two bars has to go, up or down, to look like a split"""
MAX_NAMES_LISTED = 30
"""symbols a sentence names at most"""


def normalise(
    frame: pd.DataFrame,
    query: Query,
    *,
    grid: str = "auto",
    stamp: str = "start",
    stamps: Mapping[str, str] | None = None,
) -> FetchResult:
    """The bars of a long table (symbol, stamp, open, high, low, close, volume) that keep the bar contract.

    `stamp`: datetimes in UTC, each its bar's start or end; of daily bars, datetimes without a zone are session dates.
    `grid`: session, clock, or auto, the one most of a symbol's stamps lie on. `stamps`: how each symbol's stamps were
    read, for the report. Raises MixedGrid when symbols lie on different grids, NoBars when nothing is left.
    """
    rows, absent = _rows_of(frame, query)
    code, symbols = pd.factorize(rows["symbol"], sort=True)
    names = [str(name) for name in symbols]
    key = "session" if query.interval == "1d" and rows["stamp"].dt.tz is None else stamp
    instant, values = _seconds(rows["stamp"]), rows[list(OHLCV)].to_numpy(dtype=np.float64)
    timetable = Timetable(query.calendar, query.interval, _grid(query, grid, key, names, code, instant))
    schedule = _schedule(timetable, instant, query.now)
    at = _places(schedule, instant, key)
    fate, reason = _row_outcomes(schedule, at, code, instant, values, key, query.now)
    _require_a_bar(fate, query)
    order = np.lexsort((at, code))
    order = order[fate[order] == _VALID]
    clean = validated(
        pd.DataFrame({"symbol": symbols.take(code[order]), "bar_end": schedule.end[at[order]]}).assign(
            **{name: values[order, column] for column, name in enumerate(OHLCV)}
        )
    )
    columns = {name: clean[name].to_numpy() for name in ("bar_end", *OHLCV)}
    limits = np.searchsorted(code[order], np.arange(len(names) + 1))
    series = {
        name: {column: values_of_all[first:last] for column, values_of_all in columns.items()}
        for name, first, last in zip(names, limits[:-1], limits[1:], strict=True)
    }
    counts = np.bincount(code * len(ROW_OUTCOMES) + fate, minlength=len(names) * len(ROW_OUTCOMES))
    jumps = np.bincount(code[order], _jumps(code[order], schedule.session[at[order]], columns), len(names))
    way = "session dates" if key == "session" else f"UTC, bar {stamp}"
    report = tuple(
        _symbol_report(name, series[name], schedule, outcomes, int(jump), timetable.grid, (stamps or {}).get(name, way))
        for name, outcomes, jump in zip(names, counts.reshape(-1, len(ROW_OUTCOMES)), jumps, strict=True)
    )
    aside = (fate == _CONFLICT) | (fate == _IMPOSSIBLE)
    return FetchResult(
        timetable=timetable,
        series={line.symbol: series[line.symbol] for line in report if line.kept},
        report=report,
        quarantine=rows.loc[aside, ["symbol", "stamp", *OHLCV]].assign(reason=reason[aside]).reset_index(drop=True),
        notes=_notes(report, absent, _blocks(names, code, instant)),
    )


_VALID, _DUPLICATE, _CONFLICT, _IMPOSSIBLE, _OFF_GRID, _OUT, _FORMING = range(len(ROW_OUTCOMES))
_UNREADABLE = np.iinfo(np.int64).min
"""the instant of a stamp that is none"""


def _rows_of(frame: pd.DataFrame, query: Query) -> tuple[pd.DataFrame, list[str]]:
    """The rows of the requested symbols, and the symbols without any. Raises NoBars when there is no row at all."""
    rows = frame[frame["symbol"].isin(query.symbols)] if query.symbols else frame
    absent = sorted(set(query.symbols) - set(rows["symbol"]))
    if rows.empty:
        known = ", it has " + _named(sorted(set(frame["symbol"]))) if len(frame) else ""
        raise NoBars(f"The source has no row of {_named(absent) or 'any symbol'}{known}.", symbols=absent)
    return rows, absent


def _require_a_bar(fate: Ints, query: Query) -> None:
    """Raise NoBars when no row became a valid bar."""
    if not (fate == _VALID).any():
        lost = ", ".join(f"{(fate == number).sum()} {name}" for number, name in enumerate(ROW_OUTCOMES) if number)
        raise NoBars(
            f"None of {len(fate)} rows is a closed, valid {query.interval} bar of {query.calendar}: "
            f"{lost}. Look at calendar, interval and provider.stamp.".replace("_", " "),
            rows=len(fate),
        )


def _symbol_report(
    symbol: str, series: Mapping[str, NDArray], schedule: Schedule, outcomes: Ints, jumps: int, grid: str, stamps: str
) -> SymbolReport:
    """One symbol's line of the quality report; `outcomes` counts its rows by ROW_OUTCOMES."""
    ends = series["bar_end"]
    return SymbolReport(
        symbol=symbol,
        rows=int(outcomes.sum()),
        first=iso(ends[0]) if len(ends) else None,
        last=iso(ends[-1]) if len(ends) else None,
        missing=schedule.closed_between(ends[0] - 1, ends[-1]) - len(ends) if len(ends) else 0,
        zero_volume=int((series["volume"] == 0).sum()),
        jumps=jumps,
        grid=grid,
        stamps=stamps,
        **dict(zip(ROW_OUTCOMES, outcomes.tolist(), strict=True)),
    )


def _seconds(stamp: pd.Series) -> Ints:
    """Epoch seconds, to the nearest: some vendors end a bar at 59.999."""
    plain = stamp.dt.tz_convert(None) if stamp.dt.tz is not None else stamp
    seconds = plain.dt.round("s").to_numpy().astype("datetime64[s]").astype(np.int64)
    return np.where(stamp.isna().to_numpy(), _UNREADABLE, seconds)


def _schedule(timetable: Timetable, instant: Ints, now: int) -> Schedule:
    """The calendar's bars around the stamps, no later than now: a mistyped year ahead does not stretch it."""
    known = instant[instant != _UNREADABLE]
    if not len(known):
        raise NoBars(f"None of {len(instant)} stamps can be read as an instant.", rows=len(instant))
    first = min(int(known.min()), now)
    return timetable.between(first, max(first, min(int(known.max()), now)))


def _places(schedule: Schedule, instant: Ints, key: str) -> Ints:
    """Index of the bar each stamp names by its start, its end or its session date; -1 for none."""
    if key == "session":
        return np.where(instant % DAY == 0, schedule.by_session(instant // DAY), -1)
    return schedule.by_end(instant) if key == "end" else schedule.by_start(instant)


def _grid(query: Query, grid: str, key: str, names: Sequence[str], code: Ints, instant: Ints) -> str:
    """The grid given, or the one that most stamps of every symbol with bars lie on; the session's when both are."""
    if grid != "auto" or query.interval == "1d":
        return grid if grid != "auto" else GRIDS[0]
    hits = {}
    for grid_name in GRIDS:
        at = _places(_schedule(Timetable(query.calendar, query.interval, grid_name), instant, query.now), instant, key)
        hits[grid_name] = np.bincount(code[at >= 0], minlength=len(names))
    clock = hits["clock"] > hits["session"]
    by_grid = {
        "session": [name for name, here, on in zip(names, ~clock, hits["session"], strict=True) if here and on],
        "clock": [name for name, here in zip(names, clock, strict=True) if here],
    }
    if all(by_grid.values()):
        raise MixedGrid(
            f"Bars that end at different times can't share one time axis: {len(by_grid['session'])} symbols lie on the "
            f"session grid ({_named(by_grid['session'])}), {len(by_grid['clock'])} on the clock grid "
            f"({_named(by_grid['clock'])}). Name the symbols of one grid in universe.symbols, or set provider.grid, "
            "which drops the other's bars.",
            **by_grid,
        )
    return "clock" if by_grid["clock"] else "session"


def _row_outcomes(
    schedule: Schedule, at: Ints, code: Ints, instant: Ints, values: Array, key: str, now: int
) -> tuple[Ints, NDArray]:
    """What becomes of each row, and the reason why it is kept aside.

    A copy is dropped before values are judged, and rows that contradict each other are all kept aside, whichever of
    them would be possible: nothing tells which one was meant.
    """
    fate, reason = np.full(len(at), _VALID), np.full(len(at), "", dtype=object)
    inside = _inside(schedule, instant, key)
    fate[at < 0] = np.where(instant[at < 0] > now, _FORMING, np.where(inside[at < 0], _OFF_GRID, _OUT))
    fate[(at >= 0) & (schedule.end[at] > now)] = _FORMING
    fate[instant == _UNREADABLE] = _IMPOSSIBLE
    reason[instant == _UNREADABLE] = "the stamp must be one instant"
    placed = np.flatnonzero(fate == _VALID)
    bar = pd.Series(code[placed] * len(schedule.end) + at[placed])
    shared = placed[bar.duplicated(keep=False).to_numpy()]
    copies = pd.DataFrame(values[shared]).assign(bar=code[shared] * len(schedule.end) + at[shared])
    copy = copies.duplicated().to_numpy()
    fate[shared[copy]] = _DUPLICATE
    clash = copies[~copy]["bar"].duplicated(keep=False).to_numpy()
    fate[shared[~copy][clash]] = _CONFLICT
    reason[shared[~copy][clash]] = "other values for the same bar"
    valid = np.flatnonzero(fate == _VALID)
    for rule, broken in violations(*values[valid].T):
        fate[valid[broken]] = _IMPOSSIBLE
        reason[valid[broken]] = [
            f"{sentence}; {rule.text}" if sentence else rule.text for sentence in reason[valid[broken]]
        ]
    return fate, reason


def _inside(schedule: Schedule, instant: Ints, key: str) -> NDArray[np.bool_]:
    """Whether a stamp falls into trading, though perhaps on no edge of a bar."""
    if key == "session":
        return schedule.by_session(instant // DAY) >= 0
    if key == "end":
        bar = np.minimum(np.searchsorted(schedule.end, instant, "left"), len(schedule.end) - 1)
        return (schedule.start[bar] < instant) & (instant <= schedule.end[bar])
    bar = np.maximum(np.searchsorted(schedule.start, instant, "right") - 1, 0)
    return (schedule.start[bar] <= instant) & (instant < schedule.end[bar])


def _jumps(code: Ints, session: Ints, columns: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Bars that open far from the close before, in a session that ends as far from the end of the one before.

    A move within a bar is trade, and one that comes back in the session a bad print; a split is neither.
    """
    new = np.diff(code, prepend=-1) != 0
    first = np.flatnonzero(new | (np.diff(session, prepend=-1) != 0))
    day = np.searchsorted(first, np.arange(len(code)), "right") - 1
    ends = columns["close"][np.append(first[1:], len(code)) - 1]
    before = np.where(new, np.nan, np.roll(columns["close"], 1))
    day_before = np.where(new[first], np.nan, np.roll(ends, 1))
    gap, settled = columns["open"] / before, (ends / day_before)[day]
    return ((gap >= 1 + JUMP) & (settled >= 1 + JUMP)) | ((gap <= 1 - JUMP) & (settled <= 1 - JUMP))


def _blocks(names: Sequence[str], code: Ints, instant: Ints) -> list[str]:
    """Symbols whose rows run neither forward nor backward in time throughout, as if blocks had been appended."""
    order = np.argsort(code, kind="stable")
    step = np.where(np.diff(code[order]) == 0, np.sign(np.diff(instant[order])), 0)
    ups, downs = (np.bincount(code[order][1:][step == way], minlength=len(names)) for way in (1, -1))
    return [name for name, turns in zip(names, np.minimum(ups, downs), strict=True) if turns]


def _notes(report: Sequence[SymbolReport], absent: Sequence[str], blocks: Sequence[str]) -> tuple[str, ...]:
    lost = [line.symbol for line in report if not line.kept]
    jumpy = [f"{line.symbol} ({line.jumps})" for line in report if line.jumps]
    notes = {
        f"The source has no row of {_named(absent)}.": absent,
        f"Not one row is left of {_named(lost)}.": lost,
        f"The rows of {_named(blocks)} jump back in time; they were put in order.": blocks,
        f"Moves of a third or more between two bars that the session did not take back, perhaps splits that prices "
        f"are not adjusted for: {_named(jumpy)}.": jumpy,
    }
    return tuple(note for note, symbols in notes.items() if symbols)


def _named(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - MAX_NAMES_LISTED} more" if len(symbols) > MAX_NAMES_LISTED else ""
    return ", ".join(symbols[:MAX_NAMES_LISTED]) + more
