"""Bars keep the bar contract, know their calendar, and are cut without surprises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from market_master.domain.bars import OHLCV, PRICES, Bars, digest, invalid_rows, violations
from market_master.domain.calendar import Timetable
from market_master.domain.clock import iso
from market_master.domain.errors import MixedGrid, NoBars
from tests.support.random_bars import changed, random_bars

GOOD = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0}
BAD = [
    *[({name: value}, name, "finite") for name in OHLCV for value in (np.nan, np.inf)],
    *[({name: value}, name, "above 0") for name in PRICES for value in (0.0, -1.0)],
    ({"volume": -1.0}, "volume", "not be below 0"),
    ({"low": 10.5}, "low", "not be above open or close"),
    ({"open": 12.0, "low": 11.5}, "low", "not be above open or close"),
    ({"high": 10.5}, "high", "not be below open or close"),
    ({"open": 13.0}, "high", "not be below open or close"),
]


def columns(**changes: float) -> list[np.ndarray]:
    """A good bar, then one with some values changed."""
    return [np.array([GOOD[name], changes.get(name, GOOD[name])]) for name in OHLCV]


def same(one: Bars, other: Bars) -> bool:
    """Do they hold the same symbols, bars and values?"""
    names = ("code", "bar_end", "bar_start", "next_start", "next_end", "session", "slot", "next_slot", *OHLCV)
    return one.symbols == other.symbols and all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


@pytest.mark.parametrize(("changes", "field", "words"), BAD)
def test_each_rule_of_the_contract_names_the_field_and_the_bar(changes, field, words) -> None:
    """A value that breaks a rule is found in its bar and no other, and the rule says which field and why."""
    found = [(rule, mask.tolist()) for rule, mask in violations(*columns(**changes))]
    assert [mask for rule, mask in found if rule.field == field and words in rule.text] == [[False, True]]
    assert all(mask == [False, True] for _, mask in found)
    assert invalid_rows(*columns(**changes)).tolist() == [False, True]


@pytest.mark.parametrize(
    "changes", [{}, {"volume": 0.0}, {"open": 11.0, "high": 11.0, "low": 11.0}, {"low": 10.0, "high": 11.0}]
)
def test_a_bar_may_be_flat_silent_or_all_body(changes) -> None:
    """No volume, no range or no shadows break no rule."""
    assert violations(*columns(**changes)) == []
    assert not invalid_rows(*columns(**changes)).any()


def test_symbols_are_sorted_and_each_keeps_its_bars() -> None:
    """Whatever order series come in, rows lie by (symbol, bar_end) and every symbol has its own values."""
    one = random_bars(1, symbols=3, sessions=4, missing=0.1)
    series = {name: one.series(name) for name in reversed(one.symbols)}
    bars = Bars.of(one.timetable, series)
    assert same(bars, one)
    assert bars.symbols == tuple(sorted(series))
    assert (np.lexsort((bars.bar_end, bars.code)) == np.arange(len(bars))).all()
    for symbol, rows in bars:
        assert all(np.array_equal(getattr(bars, name)[rows], series[symbol][name]) for name in ("bar_end", *OHLCV))
    assert len(bars) == bars.offsets[-1] == sum(len(values["bar_end"]) for values in series.values())


def test_a_bar_knows_the_calendars_next_bar_whether_or_not_it_was_traded() -> None:
    """`next_*` come from the calendar: over a hole in the series, over the night, and after the very last bar."""
    whole = random_bars(2, symbols=1, sessions=18)
    holed = whole.take(np.arange(len(whole)) % 5 != 3)
    for bars in (whole, holed):
        assert (bars.next_start >= bars.bar_end).all()
        assert (bars.next_end > bars.next_start).all()
        assert (bars.next_slot == np.where(bars.next_start == bars.bar_end, bars.slot + 1, 0)).all()
    assert np.array_equal(whole.next_end[:-1], whole.bar_end[1:])
    assert np.array_equal(whole.next_start[:-1], whole.bar_start[1:])
    assert np.array_equal(holed.next_end, whole.next_end[np.isin(whole.bar_end, holed.bar_end)])
    thanksgiving = whole.take(whole.next_slot == 0)
    following = {iso(end): iso(start) for end, start in zip(thanksgiving.bar_end, thanksgiving.next_start, strict=True)}
    assert following["2023-11-22T21:00:00Z"] == "2023-11-24T14:30:00Z"
    assert following["2023-11-24T18:00:00Z"] == "2023-11-27T14:30:00Z"


def test_bars_off_the_calendar_are_refused_with_their_number() -> None:
    """One bar a minute late, or on the other grid, can't share the time axis."""
    bars = random_bars(3, symbols=2, sessions=3)
    moved = bars.series("S1")
    moved["bar_end"] = moved["bar_end"] + np.where(np.arange(len(moved["bar_end"])) == 4, 60, 0)
    with pytest.raises(MixedGrid, match=rf"1 of {len(bars)} bars .* XNYS has a 1h bar of the session grid"):
        bars.with_series({"S1": moved})
    with pytest.raises(MixedGrid, match="clock grid"):
        Bars.of(Timetable("XNYS", "1h", "clock"), {"S1": bars.series("S1")})


def test_no_bars_are_refused() -> None:
    """Nothing at all, or symbols without a bar, is an error and not an empty answer."""
    empty = {name: np.array([]) for name in ("bar_end", *OHLCV)}
    for series in ({}, {"A": empty}, {"A": empty, "B": empty}):
        with pytest.raises(NoBars):
            Bars.of(Timetable("XNYS", "1h"), series)


def test_a_symbol_may_be_without_bars_beside_others() -> None:
    """It is known, it has no rows, and the others' rows are theirs."""
    bars = random_bars(4, symbols=2, sessions=2)
    empty = {name: np.array([]) for name in ("bar_end", *OHLCV)}
    more = bars.with_series({"R0": empty, "S1b": empty, "Z": empty})
    assert {symbol: rows.stop - rows.start for symbol, rows in more} == {"R0": 0, "S1": 14, "S1b": 0, "S2": 14, "Z": 0}
    assert np.array_equal(more.series("S2")["close"], bars.series("S2")["close"])


def test_take_keeps_the_symbols_and_every_column() -> None:
    """Some rows by mask or by index are those rows, in all columns, with the symbols' places made anew."""
    bars = random_bars(5, symbols=3, sessions=5, missing=0.1)
    mask = bars.slot == 2
    for taken in (bars.take(mask), bars.take(np.flatnonzero(mask))):
        assert taken.symbols == bars.symbols
        assert np.array_equal(taken.next_end, bars.next_end[mask])
        assert [rows.stop - rows.start for _, rows in taken] == np.bincount(bars.code[mask], minlength=3).tolist()
    assert len(bars.take(np.zeros(len(bars), dtype=bool))) == 0


def test_until_holds_what_had_closed() -> None:
    """A bar that ends at the instant had closed; the one that ends a second later had not."""
    bars = random_bars(6, symbols=2, sessions=3)
    moment = int(bars.bar_end[5])
    assert bars.until(moment).newest == moment
    assert bars.until(moment - 1).newest == int(bars.bar_end[4])
    assert len(bars.until(int(bars.bar_end.min()) - 1)) == 0
    assert same(bars.until(bars.newest), bars)


def test_last_is_each_symbols_own() -> None:
    """The last bars of a short series are all it has; of a long one its newest."""
    bars = random_bars(7, symbols=3, sessions=3)
    bars = bars.take((bars.code != 1) | (bars.slot == 0))
    assert [rows.stop - rows.start for _, rows in bars.tail(5)] == [5, 3, 5]
    assert np.array_equal(bars.tail(5).series("S3")["close"], bars.series("S3")["close"][-5:])
    assert len(bars.tail(0)) == 0


def test_only_and_replaced_leave_the_rest_alone() -> None:
    """Fewer symbols are the same bars of those; a replaced series changes its symbol and none beside it."""
    bars = random_bars(8, symbols=3, sessions=3, missing=0.1)
    some = bars.select(["S3", "S1", "GONE"])
    assert some.symbols == ("S1", "S3")
    assert np.array_equal(some.close, bars.close[bars.code != 1])
    other = changed(bars, bars.code == 1, volume=0.0).series("S2")
    new = bars.with_series({"S2": other, "S9": other})
    assert new.symbols == ("S1", "S2", "S3", "S9")
    assert same(new.select(["S1", "S3"]), some)
    assert (new.series("S2")["volume"] == 0).all()


def test_a_digest_tells_any_change_of_what_it_is_of() -> None:
    """A value, a row, the columns and the head count; other columns and rows do not."""
    bars = random_bars(5)
    symbol, rows = next(iter(bars))
    whole, part = digest(bars), digest(bars, rows, names=("bar_end", "close"))
    close = bars.close.copy()
    close[rows.stop] = np.nextafter(close[rows.stop], np.inf)
    other = replace(bars, close=close)
    assert digest(other) != whole
    assert digest(other, rows, names=("bar_end", "close")) == part
    assert len({whole, part, digest(bars, head=symbol), digest(bars, names=("bar_end",)), digest(bars.tail(9))}) == 5
