"""Uncertainty: how far the level that an index signal claims may be from the one that comes, by its version's past errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist

import numpy as np

from market_master.artifact import out_of_sample
from market_master.artifact.out_of_sample import OutOfSample
from market_master.domain.actions import SCORES, expected_score
from market_master.domain.arrays import Array, Ints
from market_master.index import uncertainty
from market_master.market_data.weights import Weights
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats.daily import BLOCK, DRAWS, day_draws

LEAST_SESSIONS = 30
"""six blocks of days; from fewer the spread of errors can't be told"""


def interval(champion: LoadedModel, table: Weights, level: float, as_of: int) -> tuple[float, float] | None:
    """90 % interval of the level that comes on average where this expected WSS is claimed at a bar.

    From what the version answered out of sample before that bar and has seen the outcome of, with the bar's own weights;
    None where nothing was kept beside it, or less than 30 sessions.
    """
    given = (champion.artifact.folder, tuple(table.by_symbol.items()), champion.settings.policy.min_coverage)
    if not (champion.artifact.folder / out_of_sample.FILE).exists():
        return None
    unknown = champion.card.settings["label"]["horizon"] - 1
    known = int(np.searchsorted(_levels(*given).bar_end, as_of)) - unknown
    found = _errors(*given, max(known, 0))
    return found.around(level) if found else None


@lru_cache(maxsize=8)
def _levels(folder: Path, weights: tuple[tuple[str, float], ...], floor: float) -> uncertainty.LevelHistory:
    """Past levels of the index with some weights."""
    kept, by_symbol = OutOfSample.read(folder), dict(weights)
    weight = np.array([by_symbol.get(symbol, 0.0) for symbol in kept.symbols.tolist()])[kept.code]
    rows = (kept.label >= 0) & np.isfinite(kept.probabilities[:, 0]) & (weight > 0)
    return uncertainty.level_history(
        weight[rows],
        kept.bar_end[rows],
        kept.session[rows],
        expected_score(kept.probabilities[rows]),
        SCORES[kept.label[rows]],
        floor=floor,
    )


@lru_cache(maxsize=8)
def _errors(
    folder: Path, weights: tuple[tuple[str, float], ...], floor: float, known: int
) -> uncertainty.ForecastErrorModel | None:
    """Lines of the errors at the first `known` of these bars; None for fewer than 30 sessions."""
    past = _levels(folder, weights, floor).first(known)
    return uncertainty.fit_error_model(past) if len(np.unique(past.session)) >= LEAST_SESSIONS else None


SEED = 7
"""bootstrap of days behind an interval"""


@dataclass(frozen=True, eq=False)
class LevelHistory:
    """The index's expected WSS at past bars as it was said, and the same sum over the labels that came; in order of time."""

    bar_end: Ints
    session: Ints
    said: Array
    came: Array

    def first(self, count: int) -> LevelHistory:
        """Those of the first so many bars."""
        return LevelHistory(self.bar_end[:count], self.session[:count], self.said[:count], self.came[:count])


@dataclass(frozen=True, eq=False)
class ForecastErrorModel:
    """The line that past errors lie on, `shift + slope x level`, as often as it was drawn."""

    shift: Array
    slope: Array
    tail: float
    """share of the draws beyond each end of a 90 % interval"""

    def around(self, level: float) -> tuple[float, float]:
        """90 % interval of where the level that comes lies on average when this one is said."""
        low, high = np.quantile(level + self.shift + self.slope * level, (self.tail, 1 - self.tail))
        return float(low), float(high)


def level_history(
    weight: Array, bar_end: Ints, session: Ints, said: Array, came: Array, *, floor: float
) -> LevelHistory:
    """Weighted means over the rows of each bar, of those bars that cover at least `floor` of the weight.

    A row is a constituent at a bar: its weight (they sum to 1 over the index), the expected score that was `said` and
    the score of the label that `came`.
    """
    times, first, place = np.unique(bar_end, return_index=True, return_inverse=True)
    covered = np.bincount(place, weight)
    enough = (covered > 0) & (covered >= floor - 1e-12)
    sums = (np.bincount(place, weight * score)[enough] / covered[enough] for score in (said, came))
    return LevelHistory(times[enough], session[first][enough], *sums)


def fit_error_model(past: LevelHistory) -> ForecastErrorModel:
    """Lines of past errors on the levels that were said, each through days drawn in circular blocks.

    Least squares of came - said on said (Mincer and Zarnowitz 1969), resampled by blocks of whole days (Politis and Romano
    1992): constituents are summed before anything is drawn, so that what they have in common counts once, and days stay
    beside their neighbours. Where the level never moved there is a shift and no slope. Few blocks vary less than what they
    stand for; the tails make up for it.
    """
    days, place = np.unique(past.session, return_inverse=True)
    said, off = past.said, past.came - past.said
    terms = (np.ones(len(said)), said, off, said * said, said * off)
    sums = np.column_stack([np.bincount(place, term) for term in terms])
    count, x, e, xx, xe = (day_draws(len(days), draws=DRAWS, seed=SEED) @ sums).T
    x, e, xx, xe = x / count, e / count, xx / count, xe / count
    spread = xx - x * x
    slope = np.where(spread > 1e-12, (xe - x * e) / np.maximum(spread, 1e-12), 0.0)
    return ForecastErrorModel(e - slope * x, slope, _tail(len(days) / BLOCK))


def interval_contains(interval: tuple[float, float], level: float) -> bool:
    """Does an interval hold the level, or its mirror, on the inside?"""
    low, high = interval
    return low < level < high or low < -level < high


def _tail(blocks: float) -> float:
    """The 5 % tail of percentiles over few blocks, expanded: Phi(-sqrt(n / (n - 1)) t) (Hesterberg 2015).

    t is the 95 % quantile with n - 1 degrees of freedom, by its series (Abramowitz and Stegun 26.7.5).
    """
    z, free = NormalDist().inv_cdf(0.95), blocks - 1
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return NormalDist().cdf(-t * (blocks / free) ** 0.5)
