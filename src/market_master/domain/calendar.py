"""Exchange calendars as bars: starts, ends, sessions and slots.

Half-days and clock changes are as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np

from market_master.domain.arrays import Ints
from market_master.domain.clock import DAY
from market_master.domain.errors import ConfigError

Interval = Literal["1m", "5m", "15m", "30m", "1h", "1d"]
INTERVALS: dict[str, int] = dict(zip(get_args(Interval), (60, 300, 900, 1800, 3600, 86400), strict=True))
"""seconds of each"""
GRIDS = ("session", "clock")
AssetClass = Literal["equity", "crypto"]
AROUND_THE_CLOCK = "24/7"
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Timetable:
    """How bars of one kind lie in time: exchange calendar, interval, and grid.

    On the `session` grid bars are counted from the session's open (09:30, 10:30, ...); on the `clock` grid the first
    bar ends at the next full interval (09:30, 10:00, 11:00, ...). The last bar of a session ends at its close on both.
    """

    calendar: str
    interval: str
    grid: str = "session"

    @property
    def seconds(self) -> int:
        """Nominal length of a bar."""
        return INTERVALS[self.interval]

    @property
    def asset_class(self) -> AssetClass:
        """What trades around the clock is crypto."""
        return "crypto" if self.calendar == AROUND_THE_CLOCK else "equity"

    def between(self, first: int, last: int) -> Schedule:
        """All bars of the calendar years around two instants (epoch seconds), with a margin on both sides."""
        low, high = _day(first - 20 * DAY), _day(last + 20 * DAY)
        return _schedule(self, low.year, high.year)


@dataclass(frozen=True)
class Schedule:
    """The bars a calendar knows over some years, in order of time: one entry a bar, instants in epoch seconds UTC."""

    start: Ints
    end: Ints
    session: Ints
    """session date, in days since 1970-01-01"""
    slot: Ints
    """place of the bar in its session, from 0"""

    def by_end(self, instants: Ints) -> Ints:
        """Index of the bar that ends at each instant, -1 where the calendar has none."""
        return _lookup(self.end, instants)

    def by_start(self, instants: Ints) -> Ints:
        """Index of the bar that starts at each instant, -1 where the calendar has none."""
        return _lookup(self.start, instants)

    def by_session(self, days: Ints) -> Ints:
        """Index of the first bar of each session date, -1 where the date is no session."""
        return _lookup(self.session, days)

    def closed_between(self, first: int, last: int) -> int:
        """How many bars end after `first` and not after `last`."""
        return max(0, int(np.searchsorted(self.end, last, "right") - np.searchsorted(self.end, first, "right")))


Session = tuple[int, int, list[tuple[int, int]]]
"""day number, offset of the exchange's clock, and trading stretches (two around a lunch break), in epoch seconds"""


@dataclass(frozen=True)
class KnownYears:
    """A calendar's sessions over whole years, the last included."""

    first: int
    last: int
    sessions: list[Session]

    def between(self, first_year: int, last_year: int) -> list[Session] | None:
        """The sessions of some years; None where not all of the years are known."""
        if not self.first <= first_year <= last_year <= self.last:
            return None
        low, high = (date(year, 1, 1).toordinal() - EPOCH for year in (first_year, last_year + 1))
        return [session for session in self.sessions if low <= session[0] < high]


_preloaded: dict[str, KnownYears] = {}
"""by the calendar's name; written by `preload_sessions` alone"""


def export_sessions(calendar: str, first_year: int, last_year: int) -> dict[str, Any]:
    """A calendar's sessions over some years as plain values, for `preload_sessions` where there is no calendar library."""
    return {"name": calendar, "years": [first_year, last_year], "sessions": _sessions(calendar, first_year, last_year)}


def preload_sessions(calendar: Mapping[str, Any]) -> None:
    """Use what `export_sessions` returned for the years it covers; a server then needs no calendar library."""
    sessions = [(day, ahead, [(o, c) for o, c in stretches]) for day, ahead, stretches in calendar["sessions"]]
    first, last = calendar["years"]
    _preloaded[calendar["name"]] = KnownYears(first, last, sessions)


@lru_cache(maxsize=32)
def exchange_zone(calendar: str) -> str:
    """The time zone on the exchange's own clock. Raises ConfigError for an unknown calendar."""
    from exchange_calendars import get_calendar
    from exchange_calendars.errors import CalendarError

    try:
        return str(get_calendar(calendar).tz)
    except CalendarError as error:
        raise ConfigError(
            f"The calendar '{calendar}' is not known ({error}); use one such as XNYS, or 24/7."
        ) from error


def _day(instant: int) -> date:
    try:
        return datetime.fromtimestamp(int(instant), UTC).date()
    except (OverflowError, ValueError, OSError) as error:
        raise ConfigError(f"{instant} is not an instant a calendar can hold.") from error


def _lookup(table: Ints, values: Ints) -> Ints:
    index = np.searchsorted(table, values)
    hit = table[np.minimum(index, len(table) - 1)] == values
    return np.where(hit, index, -1).astype(np.int64)


@lru_cache(maxsize=32)
def _schedule(timetable: Timetable, first_year: int, last_year: int) -> Schedule:
    pieces = [_slots(timetable, *session) for session in _sessions(timetable.calendar, first_year, last_year)]
    start, end, session, slot = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return Schedule(start, end, session, slot)


def _sessions(calendar: str, first_year: int, last_year: int) -> Sequence[Session]:
    """The sessions of some years: the preloaded ones, or else the library's."""
    preloaded = _preloaded.get(calendar)
    sessions = preloaded.between(first_year, last_year) if preloaded else None
    return _library_sessions(calendar, first_year, last_year) if sessions is None else sessions


@lru_cache(maxsize=32)
def _library_sessions(calendar: str, first_year: int, last_year: int) -> tuple[Session, ...]:
    """The sessions by exchange_calendars, which takes seconds for some; years that it knows in part are cut to those."""
    try:
        from exchange_calendars import get_calendar
        from exchange_calendars.errors import CalendarError
    except ImportError as error:
        preloaded = _preloaded.get(calendar)
        known = f"its sessions from {preloaded.first} to {preloaded.last}" if preloaded else "none of its sessions"
        raise ConfigError(
            f"This lean installation holds {known}, {first_year} to {last_year} of '{calendar}' were asked for."
        ) from error

    try:
        bounds = get_calendar(calendar)
        earliest, latest = bounds.bound_min(), bounds.bound_max()
        exchange = get_calendar(
            calendar,
            start=max(f"{first_year}-01-01", str(earliest.date()) if earliest else ""),
            end=min(f"{last_year}-12-31", str(latest.date()) if latest else "9999"),
        )
    except (CalendarError, ValueError) as error:
        raise ConfigError(
            f"The calendar '{calendar}' has no sessions for {first_year} to {last_year} ({error}); "
            "use a name exchange_calendars knows, such as XNYS, or 24/7."
        ) from error
    opens = exchange.schedule["open"]
    local = opens.dt.tz_convert(exchange.tz).dt.tz_localize(None)
    ahead = (local - opens.dt.tz_localize(None)).dt.total_seconds().astype(int)
    seconds = [
        exchange.schedule[name].to_numpy(dtype="datetime64[s]").astype(np.int64)
        for name in ("open", "break_start", "break_end", "close")
    ]
    days = exchange.schedule.index.to_numpy(dtype="datetime64[D]").astype(np.int64)
    columns = zip(days.tolist(), ahead.tolist(), *(column.tolist() for column in seconds), strict=True)
    return tuple(
        (day, offset, [(o, c)] if pause < 0 else [(o, pause), (resume, c)])
        for day, offset, o, pause, resume, c in columns
    )


def _slots(
    timetable: Timetable, day: int, ahead: int, stretches: list[tuple[int, int]]
) -> tuple[Ints, Ints, Ints, Ints]:
    step = timetable.seconds
    if timetable.interval == "1d":
        start, end = np.array([stretches[0][0]]), np.array([stretches[-1][1]])
    else:
        starts, ends = [], []
        for opens, closes in stretches:
            full = ((opens + ahead) // step + 1) * step - ahead
            first_end = opens + step if timetable.grid == "session" else full
            inner = np.arange(first_end, closes, step, dtype=np.int64)
            starts.append(np.concatenate([[opens], inner]))
            ends.append(np.concatenate([inner, [closes]]))
        start, end = np.concatenate(starts), np.concatenate(ends)
    count = len(start)
    return start.astype(np.int64), end.astype(np.int64), np.full(count, day), np.arange(count)
