"""Laws of all insights: causal, blind to a symbol's place, refused by name."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import MarketMasterError, UnknownSymbol
from market_master.domain.session_closes import SessionCloses
from market_master.insights import MarketView, Sources, insights_of
from market_master.insights.ranking import ranking
from market_master.plugins import load_family
from market_master.registry.champion import load_champion
from tests.support.random_bars import random_bars, shaken
from tests.support.servers import MODEL

NAMES = tuple(load_family("insights"))


@functools.cache
def market() -> Bars:
    """Three symbols over 110 sessions."""
    return random_bars(5, symbols=3, sessions=110)


@pytest.fixture(scope="module")
def sources(trained_home: Path) -> Sources:
    """Graph and track record of a trained version."""
    found = Sources.read(load_champion(trained_home, MODEL).artifact.folder)
    assert found is not None
    return found


def view_of(bars: Bars, sources: Sources) -> MarketView:
    """Without predictions, which have laws of their own."""
    return replace(MarketView.of(bars), sources=sources)


def test_all_insights_are_here() -> None:
    """One file each."""
    assert NAMES == ("composite", "fundamentals", "patterns", "regime", "risk", "signals")


@pytest.mark.parametrize("name", NAMES)
def test_no_insight_looks_ahead(name: str, sources: Sources) -> None:
    """What an insight says of the past of a market is the same when later bars turn out otherwise."""
    bars, insight = market(), load_family("insights")[name].factory
    for instant in np.unique(bars.bar_end)[[400, 555, 700]].tolist():
        later = shaken(bars, bars.bar_end > instant)
        one, other = (view_of(b.until(instant), sources) for b in (bars, later))
        assert insight(one, "S2") == insight(other, "S2")


def test_a_market_cut_at_an_instant_is_the_market_then(sources: Sources) -> None:
    """`with_symbol` looks at nothing after the bars it is given, of any symbol."""
    bars = market()
    instant = int(np.unique(bars.bar_end)[600])
    then = view_of(bars.until(instant), sources)
    now = view_of(bars, sources).with_symbol(bars.until(instant).select(("S2",)))
    assert insights_of(now, "S2") == insights_of(then, "S2")
    assert ranking(now) == ranking(then)


def test_an_insight_that_cannot_be_had_says_why() -> None:
    """Without a version there are no patterns and signals, with few bars no risk; the others are there."""
    records, reasons = insights_of(MarketView.of(market().tail(200)), "S1")
    assert set(records) == set(NAMES)
    assert {name for name, record in records.items() if record is None} == set(reasons) == {
        "patterns", "regime", "risk", "signals"
    }  # fmt: skip
    assert reasons["patterns"].startswith("NoTrackRecord: ")
    assert "331 bars" in reasons["risk"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "regime"])
def test_an_unknown_symbol_is_refused(name: str, sources: Sources) -> None:
    """By every insight into a symbol, with the number of those there are."""
    with pytest.raises(UnknownSymbol, match="'S9', of 3 other"):
        load_family("insights")[name].factory(view_of(market(), sources), "S9")


def test_other_symbols_do_not_change_what_is_its_own(sources: Sources) -> None:
    """Patterns are of a symbol alone; regime, composite and beta are of the market."""
    alone = view_of(market().select(("S2",)), sources)
    pattern = load_family("insights")["patterns"].factory
    assert pattern(alone, "S2") == pattern(view_of(market(), sources), "S2")


def test_closes_are_of_the_bars() -> None:
    """The view's closes by session are the last bars' of each session."""
    view = MarketView.of(market())
    assert isinstance(view.closes, SessionCloses)
    rows = market().rows("S3")
    assert view.closes.close[-1, 2] == market().close[rows][-1]
    with pytest.raises(MarketMasterError):
        view.require_sources()
    assert iso(market().newest) == ranking(view).as_of
