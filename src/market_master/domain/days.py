"""Inference by trading day: rows of one day share their news, so a day is one observation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from market_master.domain.bars import Array
from market_master.domain.errors import TooFewBars
from market_master.domain.sessions import Ints

BLOCK = 5
DRAWS = 2000


@dataclass(frozen=True)
class Gain:
    """A mean daily gain with its 90 % band and the chance of one as large when there is none (one-sided)."""

    mean: float
    low: float
    high: float
    p_value: float
    days: int


def by_day(values: Array, session: Ints) -> Array:
    """Mean of row values for each session, in order of time."""
    _, place = np.unique(session, return_inverse=True)
    return np.bincount(place, weights=values) / np.bincount(place)


def newey_west_se(daily: Array) -> float:
    """Standard error of the mean of daily values, with lags floor(4 (n/100)^(2/9)) + 1 and Bartlett weights."""
    count = len(daily)
    centred = daily - daily.mean()
    lags = min(count - 1, int(4 * (count / 100) ** (2 / 9)) + 1)
    variance = centred @ centred / count
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag]) / count
    return float(np.sqrt(max(variance, 0.0) / count))


def day_t(values: Array, session: Ints) -> float:
    """t of the mean of daily means; 0 when every day is 0."""
    daily = by_day(values, session)
    se = newey_west_se(daily)
    return float(daily.mean() / se) if se > 0 else 0.0


def gain(daily: Array, seed: int = 7) -> Gain:
    """Is the mean of daily gains above 0? Circular block bootstrap of days (block 5, 2000 draws), cross-checked.

    The larger p-value decides: the bootstrap's, or Diebold and Mariano's with the factor of Harvey, Leybourne and
    Newbold (1997) on t with n - 1 degrees of freedom. A gain of 0 on every day has p = 1. Raises TooFewBars for fewer
    than 2 days, or days without a number: no evidence must not look like p = 0.
    """
    known = int(np.isfinite(daily).sum())
    if len(daily) < 2 or known < len(daily):
        raise TooFewBars(f"A gain needs at least 2 days, each with a number; {known} of {len(daily)} have one.")
    if not np.any(daily):
        return Gain(0.0, 0.0, 0.0, 1.0, len(daily))
    from arch.bootstrap import CircularBlockBootstrap

    mean = float(daily.mean())
    draws = CircularBlockBootstrap(min(BLOCK, len(daily)), daily, seed=seed).apply(np.mean, DRAWS)[:, 0]
    bootstrapped = float(((draws - mean) >= mean).mean())
    count, se = len(daily), newey_west_se(daily)
    small_sample = np.sqrt(max(count - 1, 1) / count)
    diebold_mariano = float(stats.t.sf(small_sample * mean / se, count - 1)) if se > 0 else float(mean <= 0)
    low, high = np.quantile(draws, [0.05, 0.95])
    return Gain(mean, float(low), float(high), max(bootstrapped, diebold_mariano), count)
