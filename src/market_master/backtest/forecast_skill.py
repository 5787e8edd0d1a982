"""Forecast skill of the WSS: correlation, hit rate, regression on the index's next return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from market_master.domain import Array, Ints
from market_master.stats.bootstrap import BLOCK, SEED, circular_blocks
from market_master.stats.daily import newey_west_se

MIN_BARS = 30
"""with a WSS and a return"""
BOOTSTRAP_DRAWS = 1000


@dataclass(frozen=True)
class Forecast:
    """WSS beside the index's next return, open to close, in units of its usual size; None where there is too little."""

    bars: int
    ic: float | None
    """correlation"""
    ic_t: float | None
    """of the slope below: the same question, with errors that may be serially correlated"""
    rank_ic: float | None
    hit_rate: float | None
    """share of bars on which the sign was right, of those with a WSS that is not 0"""
    base_rate: float | None
    """what the same signs, dealt at random, would hit"""
    hit_p: float | None
    """one-sided p-value of the hit rate (Pesaran and Timmermann 1992)"""
    intercept: float | None
    slope: float | None
    """return, in its own units, for a WSS one standard deviation higher"""
    slope_se: float | None
    lags: int
    """of the Newey-West errors: a session's bars at least"""


def measure_forecast_skill(wss: Array, next_return: Array, session: Ints) -> Forecast:
    """Judge a WSS by the next returns of the index: arrays by bar, in order of time, NaN where there is none.

    The regression return = a + b WSS / sd(WSS) has Newey-West errors with max(one session, 4 (n / 100)^(2/9)) lags.
    """
    known = np.isfinite(wss) & np.isfinite(next_return)
    x, y, days = wss[known], next_return[known], session[known]
    count = len(x)
    session_bars = int(np.median(np.unique(days, return_counts=True)[1])) if count else 0
    lags = max(session_bars, int(4 * (count / 100) ** (2 / 9)) + 1) if count else 0
    if count < MIN_BARS or x.std() < 1e-12 or y.std() < 1e-12:
        return Forecast(count, *(None,) * 9, lags)
    standard = (x - x.mean()) / x.std()
    slope = float((standard * y).mean())
    error = newey_west_se(standard * (y - y.mean() - slope * standard), lags)
    hit_rate, base_rate, hit_p = pesaran_timmermann(x, y)
    return Forecast(
        bars=count,
        ic=float(np.corrcoef(x, y)[0, 1]),
        ic_t=slope / error if error > 0 else None,
        rank_ic=float(stats.spearmanr(x, y).statistic),
        hit_rate=hit_rate,
        base_rate=base_rate,
        hit_p=hit_p,
        intercept=float(y.mean()),
        slope=slope,
        slope_se=error,
        lags=lags,
    )


@dataclass(frozen=True)
class GroupMean:
    """Mean of a group with its 90 % day-block bootstrap interval; None for an empty group."""

    name: str
    rows: int
    mean: float | None
    low: float | None
    high: float | None


def group_means(values: Array, groups: Ints, names: tuple[str, ...], session: Ints) -> tuple[GroupMean, ...]:
    """Mean of values in each group (places of `names`), rows of one day drawn together, days in blocks of five."""
    days, day_of_row = np.unique(session, return_inverse=True)
    drawn = circular_blocks(len(days), BLOCK, BOOTSTRAP_DRAWS, SEED) if len(days) else np.empty((0, 0), dtype=np.int64)
    means = []
    for number, name in enumerate(names):
        rows = groups == number
        count = np.bincount(day_of_row[rows], minlength=len(days))
        total = np.bincount(day_of_row[rows], values[rows], minlength=len(days))
        if not rows.any():
            means.append(GroupMean(name, 0, None, None, None))
            continue
        drawn_count = count[drawn].sum(axis=1)
        drawn_mean = total[drawn].sum(axis=1)[drawn_count > 0] / drawn_count[drawn_count > 0]
        low, high = np.quantile(drawn_mean, [0.05, 0.95])
        means.append(GroupMean(name, int(rows.sum()), float(total.sum() / count.sum()), float(low), float(high)))
    return tuple(means)


def pesaran_timmermann(predicted: Array, realised: Array) -> tuple[float | None, float | None, float | None]:
    """Hit rate of signs, the rate that chance would give, and the one-sided p-value; zeros are left out.

    Pesaran and Timmermann (1992), A Simple Nonparametric Test of Predictive Performance. None for signs that never change.
    """
    has_sign = (predicted != 0) & (realised != 0)
    count = int(has_sign.sum())
    if count < MIN_BARS:
        return None, None, None
    up, rose = predicted[has_sign] > 0, realised[has_sign] > 0
    x, y, hit = up.mean(), rose.mean(), float((up == rose).mean())
    chance = float(x * y + (1 - x) * (1 - y))
    of_hit = chance * (1 - chance) / count
    of_chance = (
        (2 * y - 1) ** 2 * x * (1 - x) + (2 * x - 1) ** 2 * y * (1 - y) + 4 * x * y * (1 - x) * (1 - y) / count
    ) / count
    if of_hit - of_chance <= 0:
        return hit, chance, None
    return hit, chance, float(stats.norm.sf((hit - chance) / np.sqrt(of_hit - of_chance)))
