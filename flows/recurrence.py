"""Recurrence rules (RFC 5545) that meet each bar's close by the exchange's calendar."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from market_master.domain import DAY, Timetable, exchange_zone

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
EXCEPTIONS_HORIZON = 400 * DAY
"""so far ahead the rule names exceptions"""
MAX_RULE_LENGTH = 6000
"""characters; Prefect takes 6,500"""
Times = set[tuple[int, int, int]]
"""weekday, hour and minute on the exchange's clock"""


def recurrence_rule(timetable: Timetable, now: int, *, minutes_after: int) -> tuple[str, str]:
    """A rule that meets the close of every bar of the coming year, so many minutes later, and the time zone it is told in.

    The usual week goes on for ever; holidays, half-days and extra sessions stand in it by date. Where a calendar has more
    of them than a rule can hold, the nearest are named.
    """
    zone = exchange_zone(timetable.calendar)

    def clock(instant: int) -> datetime:
        return datetime.fromtimestamp(instant, ZoneInfo(zone)).replace(tzinfo=None)

    first, last = clock(now), clock(now + EXCEPTIONS_HORIZON)
    closes = {
        clock(close + 60 * minutes_after) for close in timetable.between(now, now + EXCEPTIONS_HORIZON).end.tolist()
    }
    closes = {moment for moment in closes if first <= moment < last}
    dates = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)]
    week = _weekly_times(closes, weeks=len(dates) / 7)
    regular = {
        moment
        for day in dates
        for weekday, hour, minute in week
        if day.weekday() == weekday and first <= (moment := datetime(day.year, day.month, day.day, hour, minute)) < last
    }
    lines = [f"DTSTART:{first:%Y}0101T000000", *_weekly_rules(week)]
    return "\n".join(
        [*lines, *_exceptions(closes, regular, room=MAX_RULE_LENGTH - sum(len(line) + 1 for line in lines))]
    ), zone


def _weekly_times(moments: Iterable[datetime], weeks: float) -> Times:
    """The times that more than half of the weeks have."""
    count: dict[tuple[int, int, int], int] = defaultdict(int)
    for moment in moments:
        count[moment.weekday(), moment.hour, moment.minute] += 1
    return {time for time, times in count.items() if times > weeks / 2}


def _weekly_rules(week: Times) -> list[str]:
    """The week as few rules: hours with the same minutes on the same days stand together."""
    minutes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for weekday, hour, minute in sorted(week):
        minutes[weekday, hour].append(minute)
    days: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for (weekday, hour), past in minutes.items():
        days[hour, tuple(past)].append(weekday)
    hours: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    for (hour, hour_minutes), weekdays in days.items():
        hours[tuple(weekdays), hour_minutes].append(hour)
    return [
        f"RRULE:FREQ=WEEKLY;BYDAY={','.join(DAYS[day] for day in weekdays)};BYHOUR={_list(sorted(on_hours))};"
        f"BYMINUTE={_list(at_minutes)};BYSECOND=0"
        for (weekdays, at_minutes), on_hours in hours.items()
    ]


def _exceptions(closes: set[datetime], regular: set[datetime], room: int) -> list[str]:
    """What the usual week has and the calendar has not, and the other way round; the nearest first, while there is room."""
    stamps = [f"{moment:%Y%m%dT%H%M%S}" for moment in sorted(closes ^ regular)]
    nearest = set(stamps[: max(0, (room - len("EXDATE:\nRDATE:\n")) // len("20260101T000000,"))])
    lines = []
    for name, moments in (("EXDATE", regular - closes), ("RDATE", closes - regular)):
        named = [f"{moment:%Y%m%dT%H%M%S}" for moment in sorted(moments)]
        named = [stamp for stamp in named if stamp in nearest]
        if named:
            lines.append(f"{name}:{','.join(named)}")
    return lines


def _list(numbers: Iterable[int]) -> str:
    return ",".join(str(number) for number in numbers)
