"""A bar lies where its exchange traded: half-days, clock changes, lunch breaks and holidays included."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from market_master.domain.calendar import Schedule, Timetable
from market_master.domain.clock import DAY, iso, session_date
from market_master.domain.errors import ConfigError

ZONES = {
    "XNYS": "America/New_York",
    "XKRX": "Asia/Seoul",
    "XHKG": "Asia/Hong_Kong",
    "XTKS": "Asia/Tokyo",
    "24/7": "UTC",
}
FULL = ["09:30-10:30", "10:30-11:30", "11:30-12:30", "12:30-13:30", "13:30-14:30", "14:30-15:30", "15:30-16:00"]
AFTERNOON = ["13:00-14:00", "14:00-15:00"]
FULL_CLOCK = ["09:30-10:00", *[f"{hour}:00-{hour + 1}:00" for hour in range(10, 16)]]


def instant(text: str) -> int:
    """Epoch seconds of a UTC instant."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def number(day: str) -> int:
    """A session's number."""
    return instant(day) // DAY


def schedule(calendar: str, day: str, interval: str = "1h", grid: str = "session") -> Schedule:
    """The bars around a day."""
    return Timetable(calendar, interval, grid).between(instant(day), instant(day))


def bars(calendar: str, day: str, interval: str = "1h", grid: str = "session") -> list[str]:
    """The bars of a session as start-end on the exchange's own clock."""
    found, zone = schedule(calendar, day, interval, grid), ZoneInfo(ZONES[calendar])
    rows = np.flatnonzero(found.session == number(day))

    def clock(moment: int) -> str:
        return datetime.fromtimestamp(int(moment), zone).strftime("%H:%M")

    return [f"{clock(found.start[row])}-{clock(found.end[row])}" for row in rows]


@pytest.mark.parametrize("day", ["2024-03-08", "2024-03-11", "2024-11-01", "2024-11-04"])
def test_a_clock_change_moves_no_bar_on_the_exchanges_clock(day) -> None:
    """The weeks before and after summer time begins and ends have the same bars in New York."""
    assert bars("XNYS", day) == FULL
    assert bars("XNYS", day, grid="clock") == FULL_CLOCK


def test_a_clock_change_moves_every_bar_in_utc() -> None:
    """09:30 New York is 14:30 UTC in winter and 13:30 in summer."""
    found = schedule("XNYS", "2024-03-11")
    opens = {
        day: iso(found.start[found.by_session(np.array([number(day)]))[0]]) for day in ("2024-03-08", "2024-03-11")
    }
    assert opens == {"2024-03-08": "2024-03-08T14:30:00Z", "2024-03-11": "2024-03-11T13:30:00Z"}


def test_a_half_day_ends_at_its_close_on_both_grids() -> None:
    """The day after Thanksgiving closes at 13:00: bar_end = min(start + interval, close)."""
    assert bars("XNYS", "2024-11-29") == [*FULL[:3], "12:30-13:00"]
    assert bars("XNYS", "2024-11-29", grid="clock") == FULL_CLOCK[:4]
    assert bars("XNYS", "2024-11-29", "1d") == ["09:30-13:00"]
    assert len(bars("XNYS", "2024-11-29", "5m")) == 42
    assert bars("XNYS", "2024-11-28") == []


@pytest.mark.parametrize(
    ("calendar", "day", "expected"),
    [
        ("XHKG", "2024-03-05", ["09:30-10:30", "10:30-11:30", "11:30-12:00", *AFTERNOON, "15:00-16:00"]),
        ("XTKS", "2024-03-05", ["09:00-10:00", "10:00-11:00", "11:00-11:30", *FULL[3:5], "14:30-15:00"]),
        ("XKRX", "2024-03-05", [*[f"{h:02}:00-{h + 1:02}:00" for h in range(9, 15)], "15:00-15:30"]),
        ("XKRX", "2023-01-02", [*[f"{h:02}:00-{h + 1:02}:00" for h in range(10, 15)], "15:00-15:30"]),
    ],
)  # fmt: skip
def test_exchanges_elsewhere(calendar, day, expected) -> None:
    """No bar spans a lunch break, slots are counted on after it; Seoul opens an hour later on the year's first day."""
    assert bars(calendar, day) == expected
    found = schedule(calendar, day)
    assert found.slot[found.session == number(day)].tolist() == list(range(len(expected)))


def test_the_clock_grid_begins_anew_after_lunch() -> None:
    """Hong Kong on the full hour: half an hour first, then hours, none over lunch."""
    assert bars("XHKG", "2024-03-05", grid="clock") == [
        "09:30-10:00", "10:00-11:00", "11:00-12:00", "13:00-14:00", "14:00-15:00", "15:00-16:00",
    ]  # fmt: skip


@pytest.mark.parametrize("grid", ["session", "clock"])
def test_a_market_that_never_closes_has_a_day_of_24_hours(grid) -> None:
    """Crypto: bars follow each other without a gap, a session is the UTC day, a daily bar ends at midnight."""
    found = schedule("24/7", "2024-12-31", grid=grid)
    assert (found.end[:-1] == found.start[1:]).all()
    assert (found.end - found.start == 3600).all()
    assert (found.session == found.start // DAY).all()
    assert (found.slot == found.start % DAY // 3600).all()
    daily = schedule("24/7", "2024-12-31", "1d", grid)
    assert (daily.end - daily.start == DAY).all()


@pytest.mark.parametrize("calendar", [*ZONES, "XLON"])
@pytest.mark.parametrize("interval", ["5m", "30m", "1h", "1d"])
@pytest.mark.parametrize("grid", ["session", "clock"])
def test_bars_are_in_order_and_fill_their_sessions(calendar, interval, grid) -> None:
    """Everywhere: no overlap, no bar longer than its interval, slots from 0, the same hours a day on both grids."""
    table = Timetable(calendar, interval, grid)
    found = table.between(instant("2024-06-01"), instant("2024-06-01"))
    length = found.end - found.start
    assert (length > 0).all()
    assert (length <= table.seconds).all()
    assert (found.start[1:] >= found.end[:-1]).all()
    first = np.flatnonzero(np.diff(found.session, prepend=-1))
    assert (found.slot == np.arange(len(found.slot)) - np.repeat(first, np.diff([*first, len(found.slot)]))).all()
    other = Timetable(calendar, interval, "session").between(instant("2024-06-01"), instant("2024-06-01"))
    assert np.bincount(found.session, length).tolist() == np.bincount(other.session, other.end - other.start).tolist()


@pytest.mark.parametrize(
    ("closed", "following"),
    [
        ("2024-11-15T21:00:00", ("2024-11-18T14:30:00Z", "2024-11-18T15:30:00Z")),
        ("2024-11-27T21:00:00", ("2024-11-29T14:30:00Z", "2024-11-29T15:30:00Z")),
        ("2024-11-29T18:00:00", ("2024-12-02T14:30:00Z", "2024-12-02T15:30:00Z")),
        ("2024-12-31T21:00:00", ("2025-01-02T14:30:00Z", "2025-01-02T15:30:00Z")),
    ],
)
def test_the_next_bar_is_the_calendars(closed, following) -> None:
    """Over a weekend, a holiday, a half-day and New Year the next bar is the next session's first."""
    moment = instant(closed)
    found = Timetable("XNYS", "1h").between(moment, moment)
    at = int(found.by_end(np.array([moment]))[0])
    assert int(np.searchsorted(found.start, moment)) == at + 1
    assert (iso(found.start[at + 1]), iso(found.end[at + 1])) == following


def test_closed_between_counts_bars_that_ended_after_the_first_and_by_the_second() -> None:
    """A Friday close is not stale on Sunday, one bar old when Monday's first has closed, and never negative."""
    found = schedule("XNYS", "2024-11-18")
    friday, sunday = instant("2024-11-15T21:00:00"), instant("2024-11-17T12:00:00")
    counts = {
        "2024-11-18T15:29:59": 0, "2024-11-18T15:30:00": 1, "2024-11-18T21:00:00": 7, "2024-11-19T14:30:00": 7,
    }  # fmt: skip
    assert found.closed_between(friday, friday) == found.closed_between(friday, sunday) == 0
    assert {moment: found.closed_between(friday, instant(moment)) for moment in counts} == counts
    assert found.closed_between(sunday, friday) == 0


def test_what_is_no_bar_is_not_found() -> None:
    """Ends, starts and sessions the calendar does not have are -1, also before its first and after its last."""
    found = schedule("XNYS", "2024-11-18")
    wrong = np.array([0, instant("2024-11-18T15:31:00"), instant("2024-11-16T21:00:00"), 10**11])
    assert found.by_end(wrong).tolist() == found.by_start(wrong).tolist() == [-1] * 4
    assert found.by_session(np.array([number("2024-11-16"), number("2024-11-28"), -5, 10**6])).tolist() == [-1] * 4
    monday = int(found.by_session(np.array([number("2024-11-18")]))[0])
    assert found.slot[monday] == 0
    assert found.by_start(found.start[[monday]]).tolist() == found.by_end(found.end[[monday]]).tolist() == [monday]


@pytest.mark.parametrize("moment", [-62135596800, -(10**11), 253402300799, 10**13, 10**18])
def test_an_instant_no_calendar_holds_is_refused(moment) -> None:
    """The years 1 and 9999, and milliseconds or nanoseconds taken for seconds, are a sentence and not a crash."""
    with pytest.raises(ConfigError):
        Timetable("XNYS", "1h").between(moment, moment)


def test_an_unknown_calendar_is_refused_by_name() -> None:
    """The sentence says the name, the years and what would do."""
    with pytest.raises(ConfigError, match=r"'XNOWHERE'.*2024.*XNYS.*24/7"):
        schedule("XNOWHERE", "2024-06-01")


def test_instants_and_sessions_are_written_one_way() -> None:
    """ISO 8601 with a Z; a session number is a date."""
    assert iso(np.int64(1_700_000_000)) == "2023-11-14T22:13:20Z"
    assert session_date(number("2024-02-29")) == date(2024, 2, 29)
