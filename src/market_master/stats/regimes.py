"""Regimes of sessions: volatile, bull, bear or neutral.

By what had closed the session before.

A threshold rule on the basket's daily returns (method, section 8). It fits nothing; reports and guard rails cut their
numbers by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Bars, SessionCloses

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
    closes = SessionCloses.of(bars).select(members)
    known = np.roll(confirm_states(daily_states(closes.basket_returns())), 1)
    known[:1] = "neutral"
    at = np.searchsorted(closes.session, bars.session, side="right") - 1
    return np.where(at >= 0, known[np.maximum(at, 0)], "neutral")


def daily_states(daily: Array) -> NDArray[np.str_]:
    """The state of each session by volatility and trend of the daily returns up to it, before it is confirmed."""
    level = daily.cumsum()
    volatility = _trailing(daily, MONTH, lambda windows: windows.std(axis=1, ddof=1))
    trend = level - _trailing(level, QUARTER, lambda windows: windows.mean(axis=1))
    month = level - np.append(np.full(MONTH, np.nan), level)[: len(level)]
    states = [volatility > _usual(volatility), (trend > 0) & (month > 0), (trend < 0) & (month < 0)]
    return np.select(states, ["volatile", "bull", "bear"], "neutral")


def _trailing(values: Array, length: int, statistic: Callable[[NDArray], Array]) -> Array:
    """A statistic of each value and those before it; NaN before there are as many as the length."""
    if len(values) < length:
        return np.full(len(values), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(values, length)
    return np.append(np.full(length - 1, np.nan), statistic(windows))


def _usual(volatility: Array) -> Array:
    """The quantile of the last year's volatilities that a volatile session exceeds; NaN before a quarter of them."""
    usual = np.full(len(volatility), np.nan)
    for day in range(MONTH - 1 + QUARTER - 1, len(volatility)):
        usual[day] = np.quantile(volatility[max(MONTH - 1, day + 1 - YEAR) : day + 1], VOLATILE_ABOVE)
    return usual


def confirm_states(raw: NDArray[np.str_]) -> NDArray[np.str_]:
    """A change counts once it has stood for CONFIRMED sessions."""
    settled, standing = raw.astype("U8"), "neutral"
    for day in range(len(raw)):
        if day + 1 >= CONFIRMED and (raw[day + 1 - CONFIRMED : day + 1] == raw[day]).all():
            standing = str(raw[day])
        settled[day] = standing
    return settled
