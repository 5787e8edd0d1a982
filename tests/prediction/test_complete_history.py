"""Posted bars are completed from the store where they adjoin it or overlap and agree, and refused where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from market_master.domain import HistoryDisagrees, HistoryGap, NoBars
from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.records import History
from market_master.domain.session_closes import SessionCloses
from market_master.market_data.store import Recent
from market_master.market_data.store.recent import table_of
from market_master.prediction.complete_history import complete_history
from tests.support.random_bars import changed, random_bars

REQUIRED = 60
SYMBOL = "S1"


def series_of(first: int, end: int) -> Bars:
    """Some bars of one symbol, by number."""
    bars = random_bars(5, symbols=1, sessions=20)
    return bars.take(np.arange(first, end))


def store_of(bars: Bars, symbol: str = SYMBOL) -> Recent:
    return Recent("test", bars.timetable, table_of({symbol: bars.series(SYMBOL)}, SessionCloses.of(bars)), (0, 0))


def test_one_new_bar_is_enough() -> None:
    """The stored bars before it make it whole."""
    complete, history = complete_history(series_of(100, 101), store_of(series_of(0, 100)), REQUIRED)
    assert history == History(posted=1, stored=59)
    for name in ("bar_end", "open", "close", "volume", "next_slot"):
        assert np.array_equal(getattr(complete, name), getattr(series_of(41, 101), name)), name


def test_overlapping_bars_that_agree_count_as_posted() -> None:
    """Ten bars of which the store has seven; a rounding of the vendor's is no disagreement."""
    posted = series_of(93, 103)
    posted = changed(posted, np.arange(3), close=np.round(posted.close[:3], 5))
    complete, history = complete_history(posted, store_of(series_of(0, 100)), REQUIRED)
    assert history == History(posted=10, stored=50)
    assert np.array_equal(complete.close, np.concatenate([series_of(43, 93).close, posted.close]))


def test_a_bar_the_client_left_out_comes_from_the_store() -> None:
    """Between the posted ones too."""
    posted = series_of(90, 100).take(np.arange(10) != 4)
    complete, history = complete_history(posted, store_of(series_of(0, 98)), REQUIRED)
    assert history == History(posted=9, stored=51)
    assert np.array_equal(complete.bar_end, series_of(40, 100).bar_end)


def test_stored_bars_after_the_newest_posted_one_are_not_looked_at() -> None:
    """Whoever asks about yesterday gets yesterday's answer."""
    complete, history = complete_history(series_of(69, 70), store_of(series_of(0, 120)), REQUIRED)
    assert complete.newest == series_of(69, 70).newest
    assert history == History(posted=1, stored=59)


def test_a_whole_history_is_left_alone() -> None:
    """Nothing is compared with the store, as before it could complete anything."""
    posted = series_of(40, 100)
    wrong = changed(series_of(0, 100), np.arange(100), close=series_of(0, 100).high)
    assert complete_history(posted, store_of(wrong), REQUIRED) == (posted, History(posted=60, stored=0))


def test_a_bar_that_disagrees_is_refused_with_both_values() -> None:
    """Of an adjusted price, say."""
    posted = series_of(95, 101)
    posted = changed(posted, np.array([2]), volume=posted.volume[2] * 2)
    with pytest.raises(HistoryDisagrees, match=f"ended {iso(posted.bar_end[2])} was posted with volume") as caught:
        complete_history(posted, store_of(series_of(0, 100)), REQUIRED)
    (row,) = caught.value.numbers["rows"]
    assert f"{posted.volume[2]:.10g}, and the store has {posted.volume[2] / 2:.10g};" in str(caught.value)
    assert row == {
        "bar_end": iso(posted.bar_end[2]), "field": "volume", "posted": posted.volume[2], "stored": posted.volume[2] / 2,
    }  # fmt: skip


def test_values_that_differ_little_are_told_apart() -> None:
    """By all the digits that make the difference."""
    posted = changed(series_of(95, 101), np.array([2]), volume=12345678.0)
    stored = changed(series_of(0, 100), np.array([97]), volume=12345698.0)
    with pytest.raises(HistoryDisagrees, match="volume 12345678, and the store has 12345698;"):
        complete_history(posted, store_of(stored), REQUIRED)


def test_a_gap_is_refused_with_the_missing_bars() -> None:
    """The store ends three bars too early; each of the calendar's is named."""
    with pytest.raises(HistoryGap, match="3 bars of XNYS lie between") as caught:
        complete_history(series_of(103, 105), store_of(series_of(0, 100)), REQUIRED)
    assert caught.value.numbers["missing"] == [iso(end) for end in series_of(100, 103).bar_end]


def test_a_gap_behind_an_older_posted_bar_is_refused_too() -> None:
    """The client posted a bar from within the store, and the next one beyond it."""
    posted = series_of(95, 104).take(np.array([0, 8]))
    with pytest.raises(HistoryGap, match="3 bars of XNYS lie between") as caught:
        complete_history(posted, store_of(series_of(0, 100)), REQUIRED)
    assert caught.value.numbers["missing"] == [iso(end) for end in series_of(100, 103).bar_end]


def test_whoever_posts_the_stores_newest_bar_says_that_none_followed() -> None:
    """As the refusal of a gap advises for a symbol that did not trade."""
    posted = series_of(99, 104).take(np.array([0, 4]))
    complete, history = complete_history(posted, store_of(series_of(0, 100)), REQUIRED)
    assert history == History(posted=2, stored=58)
    assert complete.bar_end[-2:].tolist() == posted.bar_end.tolist()


def test_a_hole_inside_the_store_is_the_symbols_own() -> None:
    """It did not trade then: older bars take their place."""
    stored = series_of(0, 100).take(np.arange(100) != 80)
    complete, history = complete_history(series_of(100, 101), store_of(stored), REQUIRED)
    assert history == History(posted=1, stored=59)
    assert complete.bar_end[0] == series_of(40, 41).newest


def test_too_little_of_both_is_left_to_be_refused() -> None:
    """What there is is put together; who needs more says so."""
    complete, history = complete_history(series_of(20, 22), store_of(series_of(0, 20)), REQUIRED)
    assert (len(complete), history) == (22, History(posted=2, stored=20))


def test_without_a_store_or_the_symbol_in_it_the_posted_bars_are_all() -> None:
    """No error: a symbol that the store does not know is the client's."""
    posted = series_of(95, 100)
    other = store_of(series_of(0, 100), "S2")
    for store in (None, other):
        assert complete_history(posted, store, REQUIRED) == (posted, History(posted=5, stored=0))
    with pytest.raises(NoBars):
        store_of(series_of(50, 60)).bars((SYMBOL,), until=int(series_of(0, 1).newest))
    assert complete_history(series_of(0, 1), store_of(series_of(50, 60)), REQUIRED)[1] == History(posted=1, stored=0)
