"""Closes by session: the last bar's, updated as the store is, and their returns."""

from __future__ import annotations

import numpy as np

from market_master.domain.bars import Bars
from market_master.domain.session_closes import SessionCloses
from tests.support.random_bars import random_bars


def test_closes_are_the_last_of_each_session() -> None:
    """By hand, with holes: NaN where a symbol had no bar in the session."""
    bars = random_bars(3, symbols=3, sessions=12, missing=0.6)
    closes = SessionCloses.of(bars)
    for at, day in enumerate(closes.session.tolist()):
        for number in range(3):
            own = bars.close[(bars.session == day) & (bars.code == number)]
            assert np.array_equal(closes.close[at, number], own[-1] if len(own) else np.nan, equal_nan=True)


def test_updates_come_to_the_same() -> None:
    """Symbol by symbol, in pieces of any length, and cut to the last sessions."""
    bars = random_bars(4, symbols=3, sessions=12, missing=0.3)
    whole, closes = SessionCloses.of(bars), SessionCloses.none()
    for symbol in ("S2", "S1", "S3"):
        series = bars.series(symbol)
        for part in (slice(0, 20), slice(15, None)):
            pieces = {symbol: {name: column[part] for name, column in series.items()}}
            closes = closes.joined(SessionCloses.of(Bars.of(bars.timetable, pieces)))
    assert closes.symbols == whole.symbols
    assert np.array_equal(closes.session, whole.session)
    assert np.array_equal(closes.close, whole.close, equal_nan=True)
    assert np.array_equal(closes.tail(5).close, whole.close[-5:], equal_nan=True)


def test_returns_reach_over_holes() -> None:
    """A close is compared with the symbol's close before, however long ago; the basket's mean is of those that have one."""
    close = np.array([[1.0, np.nan], [np.nan, 2.0], [2.0, 4.0], [4.0, np.nan]])
    closes = SessionCloses(("A", "B"), np.arange(4), close)
    two = np.log(2.0)
    expected = [[np.nan, np.nan], [np.nan, np.nan], [two, two], [two, np.nan]]
    np.testing.assert_allclose(closes.returns(), expected)
    np.testing.assert_allclose(closes.basket_returns(), [0.0, 0.0, two, two])
    assert closes.select({"B"}).session.tolist() == [1, 2]
    assert closes.before(2).session.tolist() == [0, 1]
