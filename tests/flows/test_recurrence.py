"""The schedule of what runs after each bar: the exchange's own calendar, as Prefect's scheduler will expand it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rruleset, rrulestr

from flows.recurrence import MAX_RULE_LENGTH, recurrence_rule
from market_master.domain.calendar import Timetable
from market_master.domain.clock import DAY

NOW = int(datetime(2026, 11, 21, 19, tzinfo=UTC).timestamp())
AFTER = 3
NEW_YORK = ZoneInfo("America/New_York")


def runs(timetable: Timetable, first: int, last: int, now: int = NOW) -> list[int]:
    """The instants between two that the rule names, told on the exchange's clock."""
    text, zone = recurrence_rule(timetable, now, minutes_after=AFTER)
    known = rrulestr(text, forceset=True)
    assert isinstance(known, rruleset)
    low, high = (datetime.fromtimestamp(instant, ZoneInfo(zone)).replace(tzinfo=None) for instant in (first, last))
    return [int(moment.replace(tzinfo=ZoneInfo(zone)).timestamp()) for moment in known.between(low, high)]


def closes(timetable: Timetable, first: int, last: int) -> list[int]:
    """The instants at which a run is due."""
    due = timetable.between(first, last).end + 60 * AFTER
    return [int(instant) for instant in due[(due > first) & (due < last)]]


@pytest.mark.parametrize(
    "timetable",
    [
        Timetable("XNYS", "1h"),
        Timetable("XNYS", "1h", "clock"),
        Timetable("XNYS", "1d"),
        Timetable("XNYS", "30m"),
        Timetable("BVMF", "1d"),
        Timetable("XHKG", "1h"),
        Timetable("XTKS", "1h"),
        Timetable("24/7", "1h"),
    ],
    ids=str,
)
def test_a_year_of_runs_is_a_year_of_bars(timetable: Timetable) -> None:
    """Holidays, half-days, lunch breaks and both changes of the clock: the rule meets every close, and nothing else."""
    assert runs(timetable, NOW, NOW + 390 * DAY) == closes(timetable, NOW, NOW + 390 * DAY)


def _on(day: str, grid: str = "session") -> list[str]:
    first = int(datetime.fromisoformat(day).replace(tzinfo=NEW_YORK).timestamp())
    moments = runs(Timetable("XNYS", "1h", grid), first, first + DAY)
    return [f"{datetime.fromtimestamp(instant, NEW_YORK):%H:%M}" for instant in moments]


def test_a_holiday_has_no_run_and_a_half_day_ends_early() -> None:
    """Thanksgiving of 2026 is shut; the day after closes at one, on either grid."""
    assert _on("2026-11-26") == []
    assert _on("2026-11-27") == ["10:33", "11:33", "12:33", "13:03"]
    assert _on("2026-11-27", "clock") == ["10:03", "11:03", "12:03", "13:03"]
    assert _on("2026-11-28") == []


def test_the_clock_on_the_exchange_decides() -> None:
    """The runs before and after a change of the clock stand at the same hours in New York."""
    assert _on("2027-03-12") == _on("2027-03-15") == ["10:33", "11:33", "12:33", "13:33", "14:33", "15:33", "16:03"]


def test_a_rule_never_outgrows_prefect() -> None:
    """Five-minute bars have more exceptions in a year than a rule holds: the nearest are named, and Prefect takes the rule."""
    timetable = Timetable("XNYS", "5m")
    assert len(recurrence_rule(timetable, NOW, minutes_after=AFTER)[0]) <= MAX_RULE_LENGTH
    assert runs(timetable, NOW, NOW + 30 * DAY) == closes(timetable, NOW, NOW + 30 * DAY)


def test_the_usual_week_goes_on_for_ever() -> None:
    """A server on which nobody deploys for years still runs; its runs on unknown holidays skip themselves."""
    first = NOW + 800 * DAY
    assert set(closes(Timetable("XNYS", "1h"), first, first + 5 * DAY)) <= set(
        runs(Timetable("XNYS", "1h"), first, first + 5 * DAY)
    )
