"""Interval of the realised level around an expected WSS, from past forecast errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist

import numpy as np

from market_master.artifact import out_of_sample
from market_master.artifact.out_of_sample import OutOfSample
from market_master.decision.wss import weighted_by_bar
from market_master.domain import SCORES, Array, Ints, expected_score
from market_master.market_data.weights import Weights
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats.bootstrap import BLOCK, DRAWS, SEED, day_draws

MIN_ERROR_SESSIONS = 30
"""six blocks of days; from fewer the spread of errors can't be estimated"""


@dataclass(frozen=True, eq=False)
class LevelHistory:
    """The index's expected WSS at past bars, and the same sum over the labels that were realised; in order of time."""

    bar_end: Ints
    session: Ints
    expected: Array
    realised: Array

    def first(self, count: int) -> LevelHistory:
        """Those of the first so many bars."""
        return LevelHistory(self.bar_end[:count], self.session[:count], self.expected[:count], self.realised[:count])


@dataclass(frozen=True, eq=False)
class ForecastErrorModel:
    """Bootstrap draws of the linear forecast-error model (Mincer and Zarnowitz 1969): error = shift + slope x level."""

    shift: Array
    slope: Array
    tail: float
    """share of the draws beyond each end of a 90 % interval"""

    def interval(self, level: float) -> tuple[float, float]:
        """90 % interval of the mean realised level where this one is expected."""
        low, high = np.quantile(level + self.shift + self.slope * level, (self.tail, 1 - self.tail))
        return float(low), float(high)


def level_interval(model: LoadedModel, weights: Weights, level: float, as_of: int) -> tuple[float, float] | None:
    """90 % interval of the mean realised level where this expected WSS is claimed at a bar.

    From the version's out-of-sample predictions before that bar whose outcome was known by then, with the bar's own
    weights; None where no predictions were stored with the version, or of less than 30 sessions.
    """
    folder = model.artifact.folder
    if not (folder / out_of_sample.OUT_OF_SAMPLE_FILE).exists():
        return None
    by_symbol, min_coverage = tuple(weights.by_symbol.items()), model.settings.policy.min_coverage
    unknown_bars = model.card.settings["label"]["horizon"] - 1
    known_bars = int(np.searchsorted(_past_levels(folder, by_symbol, min_coverage).bar_end, as_of)) - unknown_bars
    error_model = _error_model(folder, by_symbol, min_coverage, max(known_bars, 0))
    return error_model.interval(level) if error_model else None


@lru_cache(maxsize=8)
def _past_levels(folder: Path, weights: tuple[tuple[str, float], ...], min_coverage: float) -> LevelHistory:
    """Past levels of the index with some weights."""
    past, by_symbol = OutOfSample.read(folder), dict(weights)
    weight = np.array([by_symbol.get(symbol, 0.0) for symbol in past.symbols.tolist()])[past.code]
    rows = (past.label >= 0) & np.isfinite(past.probabilities[:, 0]) & (weight > 0)
    return level_history(
        weight[rows],
        past.bar_end[rows],
        past.session[rows],
        expected_score(past.probabilities[rows]),
        SCORES[past.label[rows]],
        floor=min_coverage,
    )


@lru_cache(maxsize=8)
def _error_model(
    folder: Path, weights: tuple[tuple[str, float], ...], min_coverage: float, known_bars: int
) -> ForecastErrorModel | None:
    """The errors at the first `known_bars` of the past bars; None for fewer than 30 sessions."""
    past = _past_levels(folder, weights, min_coverage).first(known_bars)
    return fit_error_model(past) if len(np.unique(past.session)) >= MIN_ERROR_SESSIONS else None


def level_history(
    weight: Array, bar_end: Ints, session: Ints, expected: Array, realised: Array, *, floor: float
) -> LevelHistory:
    """Weighted means over the rows of each bar, of those bars that cover at least `floor` of the weight.

    A row is a constituent at a bar: its weight (they sum to 1 over the index), its `expected` score and the score of the
    label that was `realised`.
    """
    by_bar = weighted_by_bar(bar_end, weight, expected, realised)
    enough = (by_bar.covered > 0) & (by_bar.covered >= floor - 1e-12)
    expected_level, realised_level = by_bar.means
    return LevelHistory(
        by_bar.bar_end[enough], session[by_bar.first_row][enough], expected_level[enough], realised_level[enough]
    )


def fit_error_model(past: LevelHistory) -> ForecastErrorModel:
    """Linear models of past errors on the expected levels, each of days drawn in circular blocks.

    Least squares of realised - expected on expected (Mincer and Zarnowitz 1969), resampled by blocks of whole days (Politis
    and Romano 1992): constituents are summed before anything is drawn, so that what they have in common counts once, and
    days stay beside their neighbours. Where the level never moved there is a shift and no slope. Few blocks vary less than
    what they stand for; the tails make up for it.
    """
    days, day_of_bar = np.unique(past.session, return_inverse=True)
    level, error = past.expected, past.realised - past.expected
    terms = (np.ones(len(level)), level, error, level * level, level * error)
    sums = np.column_stack([np.bincount(day_of_bar, term) for term in terms])
    count, x, e, xx, xe = (day_draws(len(days), draws=DRAWS, seed=SEED) @ sums).T
    x, e, xx, xe = x / count, e / count, xx / count, xe / count
    spread = xx - x * x
    slope = np.where(spread > 1e-12, (xe - x * e) / np.maximum(spread, 1e-12), 0.0)
    return ForecastErrorModel(e - slope * x, slope, percentile_tail(len(days) / BLOCK))


def interval_contains(interval: tuple[float, float], level: float) -> bool:
    """True where the level, or its mirror, lies strictly inside the interval."""
    low, high = interval
    return low < level < high or low < -level < high


def percentile_tail(blocks: float) -> float:
    """The 5 % tail of percentiles over few blocks, expanded: Phi(-sqrt(n / (n - 1)) t) (Hesterberg 2015).

    t is the 95 % quantile with n - 1 degrees of freedom, by its series (Abramowitz and Stegun 26.7.5).
    """
    z, free = NormalDist().inv_cdf(0.95), blocks - 1
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return NormalDist().cdf(-t * (blocks / free) ** 0.5)
