"""A champion that looks at the whole market: where a posted bar's market comes from, and when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_master.domain import clock
from market_master.domain.bars import Bars
from market_master.domain.errors import ContextMissing
from market_master.prediction.predict import predict_posted, predict_stored
from market_master.registry.champion import load_champion

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("market")]


def test_the_market_comes_from_the_store_from_context_or_not_at_all(market_home: Path) -> None:
    """Posted bars get the stored answer to 1e-9 with the market from the store or from `context`; without it they are refused."""
    champion = load_champion(market_home, "market-master")
    assert champion.needs_market
    bars, now = champion.store(market_home), clock.now()
    stored = predict_stored(champion, bars, ["S002"], now=now)[0]
    window = bars.bars(last=champion.required_bars)
    posted = Bars.of(window.timetable, {"S002": window.series("S002")})
    others = {symbol: window.series(symbol) for symbol in window.symbols if symbol != "S002"}
    nowhere = type(bars)(market_home / "empty", bars.source, bars.interval)
    for where, context in ((bars, {}), (nowhere, others)):
        answer = predict_posted(champion, posted, "S002", where, context=context, now=now)
        assert answer.probabilities == pytest.approx(stored.probabilities, abs=1e-9)
    with pytest.raises(ContextMissing, match=r"9 of 9 other symbols.*S001"):
        predict_posted(champion, posted, "S002", nowhere, context={}, now=now)


def test_a_newer_bar_than_the_stores_market_is_refused(market_home: Path) -> None:
    """The market has to be there at the same bar_end; yesterday's market is not today's."""
    champion = load_champion(market_home, "market-master")
    bars, now = champion.store(market_home), clock.now()
    window = bars.bars(("S002",), last=champion.required_bars)
    schedule = window.timetable.between(window.newest, window.newest)
    following = schedule.end[schedule.by_end(window.bar_end) + 1]
    later = Bars.of(window.timetable, {"S002": {**window.series("S002"), "bar_end": following}})
    with pytest.raises(ContextMissing):
        predict_posted(champion, later, "S002", bars, context={}, now=now)
