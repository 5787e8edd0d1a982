"""Regime of the market: its state, since when, and what the champion knew in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.artifact.track_record import RegimeRecord
from market_master.domain import TooFewBars, session_date
from market_master.insights import MarketView, insight
from market_master.stats.regimes import MONTH, QUARTER, confirm_states, daily_states

NEEDED = QUARTER + 1
"""sessions before the newest bar's; a volatile market is told from 70 on"""


@dataclass(frozen=True)
class Regime:
    """The market's state for the session of the newest bar, by all sessions before it (method: a threshold rule)."""

    state: str
    """volatile, bull, bear or neutral"""
    since: str
    """date of the session whose close confirmed it; the oldest one held, if it stood then already"""
    sessions: int
    """for which it stands"""
    as_of: str
    """date of the last session that counts"""
    volatility: float
    """of the basket's daily log returns, 20 sessions"""
    month_return: float
    """log return of the basket, 20 sessions"""
    trend: float
    """log level of the basket less its mean of 50 sessions"""
    model: tuple[RegimeRecord, ...]
    """what the champion knew of the direction in each; empty without one"""


@insight
def regime(view: MarketView, symbol: str = "") -> Regime:
    """What kind of market it is; the same for every symbol. Raises TooFewBars."""
    del symbol
    newest = int(view.bars.session.max())
    closes = view.closes.select(view.members or view.bars.symbols).before(newest)
    if len(closes.session) < NEEDED:
        raise TooFewBars(
            f"A regime needs {NEEDED} sessions before the newest bar's, there are {len(closes.session)}.",
            given=len(closes.session),
            needed=NEEDED,
        )
    daily = closes.basket_returns()
    states = confirm_states(daily_states(daily))
    others = np.flatnonzero(states != states[-1])
    first = int(others[-1]) + 1 if len(others) else 0
    level = daily.cumsum()
    return Regime(
        state=str(states[-1]),
        since=str(session_date(int(closes.session[first]))),
        sessions=len(states) - first,
        as_of=str(session_date(int(closes.session[-1]))),
        volatility=float(daily[-MONTH:].std(ddof=1)),
        month_return=float(daily[-MONTH:].sum()),
        trend=float(level[-1] - level[-QUARTER:].mean()),
        model=view.sources.record.regimes if view.sources else (),
    )
