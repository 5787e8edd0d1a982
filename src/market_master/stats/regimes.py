"""Regimes of sessions: volatile, bull, bear or neutral.

By what had closed the session before.

A threshold rule on the basket's daily returns (method, section 8). It fits nothing; reports and guard rails cut their
numbers by it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market_master.domain import Array, Bars

REGIMES = ("bull", "bear", "neutral", "volatile")
VOLATILE_ABOVE = 0.80
"""quantile of the last year's volatilities"""
MONTH, QUARTER, YEAR = 20, 50, 252
"""sessions"""
CONFIRMED = 2
"""sessions in a row that a new regime needs"""


def regimes(bars: Bars, members: Collection[str]) -> NDArray[np.str_]:
    """The regime of each bar's session, from the members' equal-weight basket up to the session before.

    `neutral` while the basket has less than 51 sessions behind it.
    """
    days, daily = basket(bars, members)
    known = np.roll(confirm_states(daily_states(daily)), 1)
    known[:1] = "neutral"
    at = np.searchsorted(days, bars.session, side="right") - 1
    return np.where(at >= 0, known[np.maximum(at, 0)], "neutral")


def basket(bars: Bars, members: Collection[str]) -> tuple[NDArray[np.int64], Array]:
    """Sessions, and the members' mean log return from the last close of each to the next; the first is 0."""
    inside = np.isin(np.asarray(bars.symbols, dtype=str)[bars.code], list(members))
    closes = np.ones(len(bars), dtype=bool)
    closes[:-1] = (bars.code[1:] != bars.code[:-1]) | (bars.session[1:] != bars.session[:-1])
    rows = np.flatnonzero(inside & closes)
    days, day = np.unique(bars.session[rows], return_inverse=True)
    follows = np.flatnonzero(bars.code[rows[1:]] == bars.code[rows[:-1]]) + 1
    moved = np.log(bars.close[rows[follows]] / bars.close[rows[follows - 1]])
    total = np.bincount(day[follows], weights=moved, minlength=len(days))
    return days, total / np.maximum(np.bincount(day[follows], minlength=len(days)), 1)


def daily_states(daily: Array) -> NDArray[np.str_]:
    """The state of each session by volatility and trend of the daily returns up to it, before it is confirmed."""
    returns = pd.Series(daily)
    level = returns.cumsum()
    volatility = returns.rolling(MONTH).std()
    usual = volatility.rolling(YEAR, min_periods=QUARTER).quantile(VOLATILE_ABOVE)
    trend, month = level - level.rolling(QUARTER).mean(), level - level.shift(MONTH)
    states = [volatility > usual, (trend > 0) & (month > 0), (trend < 0) & (month < 0)]
    return np.select([state.to_numpy() for state in states], ["volatile", "bull", "bear"], "neutral")


def confirm_states(raw: NDArray[np.str_]) -> NDArray[np.str_]:
    """A change counts once it has stood for CONFIRMED sessions."""
    settled, standing = raw.astype("U8"), "neutral"
    for day in range(len(raw)):
        if day + 1 >= CONFIRMED and (raw[day + 1 - CONFIRMED : day + 1] == raw[day]).all():
            standing = str(raw[day])
        settled[day] = standing
    return settled
