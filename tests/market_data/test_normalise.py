"""Cleaning keeps every valid bar, drops or keeps aside every other row, and accounts for each of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.domain.bars import OHLCV, Bars, violations
from market_master.domain.calendar import Timetable
from market_master.domain.clock import iso
from market_master.domain.errors import BadBars, MixedGrid, NoBars
from market_master.market_data.providers import FetchResult, Query, SymbolReport
from market_master.market_data.providers.normalise import normalise
from market_master.market_data.providers.schema import validated

NOW = int(pd.Timestamp("2025-03-14T12:00Z").timestamp())
FATES = ("kept", "duplicates", "conflicts", "impossible", "off_grid", "out_of_session", "forming")


def bars(calendar: str = "XNYS", interval: str = "1h", grid: str = "session", *, symbol: str = "A", **days: str) -> Any:
    """Valid rows of a symbol on all bars of some days (by default the week over New York's clock change), by start."""
    first, last = (pd.Timestamp(days.get(name, day)) for name, day in (("first", "2025-03-06"), ("last", "2025-03-11")))
    times = Timetable(calendar, interval, grid).between(int(first.timestamp()), int(last.timestamp()))
    there = (times.session >= first.timestamp() / 86400) & (times.session <= last.timestamp() / 86400)
    base = 100 + np.arange(there.sum()) / 10
    return pd.DataFrame(
        {
            "symbol": symbol,
            "stamp": pd.to_datetime(times.start[there], unit="s", utc=True),
            **{"open": base, "high": base + 1, "low": base - 1, "close": base + 0.1, "volume": 1000.0},
        }
    )


def clean(
    frame: pd.DataFrame, *symbols: str, calendar: str = "XNYS", interval: str = "1h", **options: Any
) -> FetchResult:
    """The rows cleaned."""
    return normalise(frame, Query(symbols, calendar, interval, options.pop("now", NOW)), **options)


def line(fetched: FetchResult) -> SymbolReport:
    """The report of the only symbol."""
    (only,) = fetched.report
    return only


def test_valid_bars_pass_unchanged_and_the_last_is_never_lost() -> None:
    """Every value arrives as it was; the newest closed bar is there."""
    frame = bars()
    fetched = clean(frame)
    np.testing.assert_array_equal(np.column_stack([fetched.series["A"][name] for name in OHLCV]), frame[list(OHLCV)])
    assert (line(fetched).rows, line(fetched).kept, line(fetched).missing) == (28, 28, 0)
    assert line(fetched).last == "2025-03-11T20:00:00Z"
    assert fetched.notes == ()
    assert len(Bars.of(fetched.timetable, fetched.series)) == 28


def test_clock_changes_and_half_days_are_the_calendars() -> None:
    """New York closes at 21:00 UTC before the change and at 20:00 after it, at 18:00 after Thanksgiving."""
    ends = [iso(end) for end in clean(bars()).series["A"]["bar_end"]]
    assert [end for end in ends if end[8:10] in ("07", "10")][6:8] == ["2025-03-07T21:00:00Z", "2025-03-10T14:30:00Z"]
    half = clean(bars(first="2024-11-29", last="2024-11-29")).series["A"]["bar_end"]
    assert [iso(end)[11:16] for end in half] == ["15:30", "16:30", "17:30", "18:00"]


def test_a_bar_is_forming_until_the_second_it_ends() -> None:
    """At its end a bar is closed, a second before it is not; later ones, in any year, are forming too."""
    frame = bars()
    end = int(clean(frame).series["A"]["bar_end"][9])
    assert line(clean(frame, now=end)).kept == 10
    assert (line(clean(frame, now=end - 1)).kept, line(clean(frame, now=end - 1)).forming) == (9, 19)
    mistyped = pd.concat([frame, frame.iloc[[0]].assign(stamp=pd.Timestamp("9024-01-01", tz="UTC"))])
    assert (line(clean(mistyped)).kept, line(clean(mistyped)).forming) == (28, 1)


def test_off_the_grid_and_out_of_the_session_are_told_apart() -> None:
    """10:07 is inside a session but no bar, 17:30 and Saturday are outside; all are dropped, none quarantined."""
    frame = bars()
    odd = frame.iloc[[0, 6, 6]].assign(stamp=frame["stamp"].iloc[[0, 6, 6]] + pd.to_timedelta(["37min", "2h", "49h"]))
    fetched = clean(pd.concat([frame, odd]))
    assert (line(fetched).off_grid, line(fetched).out_of_session, line(fetched).kept) == (1, 2, 28)
    assert fetched.quarantine.empty


def test_lunch_is_out_of_session() -> None:
    """Hong Kong rests from 12:00 to 13:00: a stamp at 12:00 is no bar's, one at 12:30 off no grid."""
    frame = bars("XHKG")
    rest = frame.iloc[[0, 0]].assign(stamp=frame["stamp"].iloc[0] + pd.to_timedelta(["2h30min", "3h"]))
    fetched = clean(pd.concat([frame, rest]), calendar="XHKG")
    assert (line(fetched).out_of_session, line(fetched).off_grid) == (2, 0)


def test_copies_are_dropped_and_contradictions_all_kept_aside() -> None:
    """Of equal rows one stays; of rows that differ in any value none does, in whatever order they come."""
    frame = bars()
    again = frame.iloc[[3, 3, 5]]
    contradicting = frame.iloc[[8]].assign(volume=7.0)
    for seed in range(3):
        fetched = clean(pd.concat([frame, again, contradicting]).sample(frac=1, random_state=seed))
        assert (line(fetched).duplicates, line(fetched).conflicts, line(fetched).kept) == (3, 2, 27)
        assert sorted(fetched.quarantine["volume"]) == [7.0, 1000.0]
        assert set(fetched.quarantine["reason"]) == {"other values for the same bar"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("open", np.nan, "open must be a finite number"),
        ("close", 0.0, "close must be above 0"),
        ("high", np.inf, "high must be a finite number"),
        ("high", 1.0, "high must not be below open or close"),
        ("low", 1e6, "low must not be above open or close"),
        ("volume", -1.0, "volume must not be below 0"),
        ("volume", np.nan, "volume must be a finite number"),
    ],
)
def test_impossible_values_are_kept_aside_with_the_rule(column: str, value: float, reason: str) -> None:
    """The bar is quarantined as it came, its reason is the bar contract's sentence, and nothing else is touched."""
    frame = bars()
    frame.loc[4, column] = value
    fetched = clean(frame)
    assert (line(fetched).impossible, line(fetched).kept, line(fetched).missing) == (1, 27, 1)
    assert reason in fetched.quarantine["reason"].iloc[0]
    assert fetched.quarantine["stamp"].iloc[0] == frame["stamp"].iloc[4]
    np.testing.assert_array_equal(fetched.quarantine[column], [value])


def test_a_stamp_that_is_none_is_kept_aside() -> None:
    """A row without an instant, as an hour that a clock showed twice, is told and does not stop the others."""
    frame = bars()
    frame.loc[4, "stamp"] = pd.NaT
    fetched = clean(frame)
    assert (line(fetched).impossible, line(fetched).kept) == (1, 27)
    assert "stamp" in fetched.quarantine["reason"].iloc[0]


def test_ends_and_starts_give_the_same_bars() -> None:
    """A vendor that stamps ends is read like one that stamps starts; 59.999 is the full minute."""
    frame = bars()
    ends = pd.to_datetime(clean(frame).series["A"]["bar_end"], unit="s", utc=True)
    for late in ("0s", "-1ms"):
        other = clean(frame.assign(stamp=ends + pd.Timedelta(late)), stamp="end")
        np.testing.assert_array_equal(other.series["A"]["bar_end"], clean(frame).series["A"]["bar_end"])


def test_session_dates_end_at_their_sessions_closes() -> None:
    """A daily bar is its date's; it ends at the close, and a holiday's row is out of session."""
    dates = pd.to_datetime(["2024-11-27", "2024-11-28", "2024-11-29"])
    fetched = clean(bars().iloc[:3].assign(stamp=dates), interval="1d")
    assert [iso(end) for end in fetched.series["A"]["bar_end"]] == ["2024-11-27T21:00:00Z", "2024-11-29T18:00:00Z"]
    assert line(fetched).out_of_session == 1


def test_the_grid_is_the_one_that_most_stamps_lie_on() -> None:
    """A stray stamp does not change a grid, a tie is the session's, a given grid is not asked about."""
    clock = bars(grid="clock")
    stray = clock.iloc[[0]].assign(stamp=clock["stamp"].iloc[0] + pd.Timedelta("1h"))
    fetched = clean(pd.concat([clock, stray]))
    assert (fetched.timetable.grid, line(fetched).grid, line(fetched).off_grid) == ("clock", "clock", 1)
    assert clean(clock.iloc[[0, 7]]).timetable.grid == "session"
    assert clean(clock, grid="session").timetable.grid == "session"
    assert line(clean(bars("24/7"), calendar="24/7")).grid == "session"


def test_two_grids_are_refused_with_every_symbol_and_the_remedy() -> None:
    """Symbols of each grid are named, up to thirty; one grid can be chosen by symbols or by provider.grid."""
    names = [f"C{number:02d}" for number in range(20)]
    both = pd.concat([bars(symbol="S"), *(bars(grid="clock", symbol=name) for name in names)])
    with pytest.raises(MixedGrid, match=r"session grid \(S\).*clock grid \(.*C19\).*universe\.symbols.*provider\.grid"):
        clean(both)
    assert set(clean(both, "C00", "C07").series) == {"C00", "C07"}
    assert clean(both, grid="session").series.keys() >= {"S"}


def test_appended_blocks_are_put_in_order_and_noted() -> None:
    """A series that jumps back in time is sorted, its copies dropped, and it is said; newest first is an order."""
    frame = bars()
    appended = clean(pd.concat([frame, frame.iloc[7:14]]))
    assert (line(appended).duplicates, line(appended).kept) == (7, 28)
    assert any("A jump back in time" in note for note in appended.notes)
    newest_first = clean(frame.iloc[::-1])
    assert newest_first.notes == ()
    assert (np.diff(newest_first.series["A"]["bar_end"]) > 0).all()


def test_missing_bars_are_the_calendars_between_the_first_and_the_last() -> None:
    """Nights, weekends and what lies before a listing are not missing; two lost hours are."""
    assert line(clean(bars().drop(index=[10, 11]))).missing == 2
    assert line(clean(bars().iloc[5:9])).missing == 0


def test_a_split_is_a_jump_and_a_crash_a_spike_or_a_night_of_a_quarter_is_none() -> None:
    """What opens a third away and stays there is reported; a move within a bar, or one that comes back, is not."""
    frame, prices = bars(), ["open", "high", "low", "close"]
    split = frame.copy()
    split.loc[14:, prices] /= 2
    assert line(clean(split)).jumps == 1
    assert any("A (1)" in note for note in clean(split).notes)
    night = frame.copy()
    night.loc[14:, prices] *= 0.75
    assert line(clean(night)).jumps == 0
    spike = frame.copy()
    spike.loc[14, prices] /= 2
    assert line(clean(spike)).jumps == 0
    crash = frame.copy()
    crash.loc[14, ["low", "close"]] /= 2
    crash.loc[15:, prices] /= 2
    assert line(clean(crash)).jumps == 0


def test_symbols_do_not_touch() -> None:
    """A symbol's bars and report are the same alone and among others, in any order of rows."""
    spoilt = bars(symbol="B")
    spoilt.loc[3, "low"] = -1
    many = pd.concat([bars(symbol="A"), spoilt, spoilt.iloc[5:9], bars(symbol="C").iloc[::2]])
    together = clean(many.sample(frac=1, random_state=7))
    for symbol, part in many.groupby("symbol"):
        alone = clean(part)
        for name in ("bar_end", *OHLCV):
            np.testing.assert_array_equal(together.series[symbol][name], alone.series[symbol][name])
        assert next(row for row in together.report if row.symbol == symbol) == line(alone)


def test_what_was_asked_for_and_is_not_there_is_noted() -> None:
    """Only the symbols asked for come; the absent are named, and so is a symbol of which nothing is left."""
    lost = bars(symbol="L").assign(low=-1.0)
    fetched = clean(pd.concat([bars(), bars(symbol="B"), lost]), "A", "L", "Z")
    assert set(fetched.series) == {"A"}
    assert [(row.symbol, row.kept, row.first) for row in fetched.report][1] == ("L", 0, None)
    assert any("Z" in note for note in fetched.notes)
    assert any("L" in note for note in fetched.notes)


def test_nothing_left_is_an_error_with_the_numbers() -> None:
    """No rows, none of the symbols, or no valid bar: NoBars says which."""
    with pytest.raises(NoBars, match="28"):
        clean(bars().assign(high=0.5))
    with pytest.raises(NoBars, match="no row of Z"):
        clean(bars(), "Z")
    with pytest.raises(NoBars):
        clean(bars().iloc[:0])
    with pytest.raises(NoBars):
        clean(bars().assign(stamp=pd.Series([pd.NaT] * 28, dtype="datetime64[ns, UTC]")))


def test_every_row_is_accounted_for_however_dirty() -> None:
    """The counts add up to the rows, quarantine holds its share of them, and what is kept breaks no rule."""
    rng = np.random.default_rng(7)
    frame = pd.concat([bars(symbol=name, first="2025-02-03") for name in "ABC"], ignore_index=True)
    for _ in range(20):
        dirty = frame.sample(len(frame), replace=True, random_state=rng)
        hit = rng.random(len(dirty)) < 0.2
        dirty.loc[hit, "stamp"] += pd.to_timedelta(rng.integers(-9999, 9999, hit.sum()), unit="min")
        for name in OHLCV:
            values = dirty[name].to_numpy().copy()
            bad = rng.random(len(dirty)) < 0.02
            values[bad] = rng.choice([np.nan, np.inf, -1.0, 0.0, 1e9], bad.sum())
            dirty[name] = values
        fetched = clean(dirty, now=NOW - 86400 * int(rng.integers(0, 20)))
        assert sum(row.rows for row in fetched.report) == len(dirty)
        for row in fetched.report:
            assert sum(getattr(row, fate) for fate in FATES) == row.rows
        assert len(fetched.quarantine) == sum(row.conflicts + row.impossible for row in fetched.report)
        kept = Bars.of(fetched.timetable, fetched.series)
        assert not violations(*(getattr(kept, name) for name in OHLCV))
        assert (np.diff(kept.bar_end)[np.diff(kept.code) == 0] > 0).all()


def test_cleaning_what_is_clean_changes_nothing() -> None:
    """Kept bars, cleaned once more, are all kept."""
    once = clean(bars().sample(60, replace=True, random_state=7))
    rows = pd.DataFrame(dict(once.series["A"])).rename(columns={"bar_end": "stamp"}).assign(symbol="A")
    twice = clean(rows.assign(stamp=pd.to_datetime(rows["stamp"], unit="s", utc=True)), stamp="end")
    for name in ("bar_end", *OHLCV):
        np.testing.assert_array_equal(once.series["A"][name], twice.series["A"][name])


def test_the_schema_refuses_what_breaks_the_contract() -> None:
    """Impossible values, time that stands still or runs back, a symbol in two places, and other columns."""
    good = pd.DataFrame({"symbol": ["A", "A", "B"], "bar_end": np.array([1, 2, 1]), **dict.fromkeys(OHLCV, 1.0)})
    assert len(validated(good)) == 3
    for bad in (
        good.assign(low=2.0),
        good.assign(bar_end=np.array([2, 2, 1])),
        good.assign(bar_end=np.array([3, 2, 1])),
        good.assign(symbol=["A", "B", "A"]),
        good.assign(close="1"),
        good.assign(adjusted=1.0),
    ):
        with pytest.raises(BadBars):
            validated(bad)


def test_half_a_million_rows_take_no_two_seconds() -> None:
    """575,000 hourly rows of 24 symbols: the time is that of sorting them, not of a loop over them."""
    one = bars("24/7", first="2020-10-23", last="2023-07-19")
    frame = pd.concat([one.assign(symbol=f"S{number:02d}") for number in range(24)], ignore_index=True)
    clean(one, calendar="24/7")
    began = time.process_time()
    fetched = clean(frame, calendar="24/7")
    assert time.process_time() - began < 2
    assert sum(row.kept for row in fetched.report) == len(frame) > 570_000


def test_real_extended_hours_are_out_of_session(shared_data: Path) -> None:
    """Of COST's 1,065 hourly rows with pre- and post-market the 445 of New York's sessions stay."""
    frame = pd.read_parquet(shared_data / "us-1h-exthours-2025q3" / "bars.parquet").rename(
        columns={"timestamp": "stamp"}
    )
    only = line(normalise(frame, Query(("COST",), "XNYS", "1h", 1_800_000_000)))
    assert (only.kept, only.off_grid) == (445, 0)
    assert only.out_of_session == only.rows - 445
