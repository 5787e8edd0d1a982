"""When something runs after each bar's close: the exchange's calendar as a recurrence rule (RFC 5545)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from market_master.domain.calendar import Timetable, exchange_zone
from market_master.domain.clock import DAY

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
AHEAD = 400 * DAY
"""of the exceptions the rule names"""
LONGEST = 6000
"""characters; Prefect takes 6,500"""
Times = set[tuple[int, int, int]]
"""weekday, hour and minute on the exchange's clock"""


def rule(timetable: Timetable, now: int, *, minutes_after: int) -> tuple[str, str]:
    """A rule that meets the close of every bar of the coming year, so many minutes later, and the time zone it is told in.

    The usual week goes on for ever; holidays, half-days and extra sessions stand in it by date. Where a calendar has more
    of them than a rule can hold, the nearest are named.
    """
    zone = exchange_zone(timetable.calendar)

    def clock(instant: int) -> datetime:
        return datetime.fromtimestamp(instant, ZoneInfo(zone)).replace(tzinfo=None)

    first, last = clock(now), clock(now + AHEAD)
    wanted = {clock(close + 60 * minutes_after) for close in timetable.between(now, now + AHEAD).end.tolist()}
    wanted = {moment for moment in wanted if first <= moment < last}
    dates = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)]
    week = _usual(wanted, weeks=len(dates) / 7)
    usual = {
        moment
        for day in dates
        for weekday, hour, minute in week
        if day.weekday() == weekday and first <= (moment := datetime(day.year, day.month, day.day, hour, minute)) < last
    }
    lines = [f"DTSTART:{first:%Y}0101T000000", *_weekly(week)]
    return "\n".join([*lines, *_exceptions(wanted, usual, room=LONGEST - sum(len(line) + 1 for line in lines))]), zone


def _usual(moments: Iterable[datetime], weeks: float) -> Times:
    """The times that more than half of the weeks have."""
    count: dict[tuple[int, int, int], int] = defaultdict(int)
    for moment in moments:
        count[moment.weekday(), moment.hour, moment.minute] += 1
    return {time for time, found in count.items() if found > weeks / 2}


def _weekly(week: Times) -> list[str]:
    """The week as few rules: hours with the same minutes on the same days stand together."""
    minutes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for weekday, hour, minute in sorted(week):
        minutes[weekday, hour].append(minute)
    days: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for (weekday, hour), found in minutes.items():
        days[hour, tuple(found)].append(weekday)
    hours: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    for (hour, found_minutes), found in days.items():
        hours[tuple(found), found_minutes].append(hour)
    return [
        f"RRULE:FREQ=WEEKLY;BYDAY={','.join(DAYS[day] for day in on)};BYHOUR={_list(sorted(at))};"
        f"BYMINUTE={_list(past)};BYSECOND=0"
        for (on, past), at in hours.items()
    ]


def _exceptions(wanted: set[datetime], usual: set[datetime], room: int) -> list[str]:
    """What the usual week has and the calendar has not, and the other way round; the nearest first, while there is room."""
    told = [f"{moment:%Y%m%dT%H%M%S}" for moment in sorted(wanted ^ usual)]
    near = set(told[: max(0, (room - len("EXDATE:\nRDATE:\n")) // len("20260101T000000,"))])
    lines = (
        (name, [stamp for moment in sorted(found) if (stamp := f"{moment:%Y%m%dT%H%M%S}") in near])
        for name, found in (("EXDATE", usual - wanted), ("RDATE", wanted - usual))
    )
    return [f"{name}:{','.join(stamps)}" for name, stamps in lines if stamps]


def _list(numbers: Iterable[int]) -> str:
    return ",".join(str(number) for number in numbers)
