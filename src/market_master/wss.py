"""The weighted sentiment score: how the constituents' actions add up, and how far the level they claim may be off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from market_master.domain.bars import Array
from market_master.domain.days import BLOCK, DRAWS, day_draws
from market_master.domain.errors import LowCoverage
from market_master.domain.sessions import Ints

SEED = 7
"""bootstrap of days behind an interval"""


@dataclass(frozen=True)
class Aggregate:
    """WSS over the covered weight, its expected-score twin, and each symbol's contribution."""

    wss: float
    wss_expected: float
    coverage: float
    contributions: dict[str, float]


def aggregate(
    weights: Mapping[str, float],
    scores: Mapping[str, int],
    expected: Mapping[str, float],
    *,
    floor: float,
    reasons: Mapping[str, str],
) -> Aggregate:
    """Sum of weight x score over the constituents with a fresh action, over their weight; nothing is imputed.

    `weights` sum to 1 over the constituents; `scores` and `expected` hold those with a fresh action. Raises LowCoverage
    when the covered weight is below `floor`, with the missing symbols and `reasons`.
    """
    fresh = sorted(set(weights) & set(scores))
    coverage = sum(weights[symbol] for symbol in fresh)
    if coverage <= 0 or coverage < floor - 1e-12:
        missing = {symbol: reasons.get(symbol, "no fresh action") for symbol in sorted(set(weights) - set(scores))}
        raise LowCoverage(
            f"Only {coverage:.3f} of the index weight has a fresh action, {floor:.3f} is needed; missing: "
            + ", ".join(f"{symbol} ({weights[symbol]:.3f}, {why})" for symbol, why in list(missing.items())[:10])
            + ".",
            coverage=coverage,
            floor=floor,
            missing=[{"symbol": s, "weight": weights[s], "reason": why} for s, why in missing.items()],
        )
    contributions = {symbol: weights[symbol] / coverage * scores[symbol] for symbol in fresh}
    return Aggregate(
        wss=sum(contributions.values()),
        wss_expected=sum(weights[symbol] / coverage * expected[symbol] for symbol in fresh),
        coverage=coverage,
        contributions=contributions,
    )


@dataclass(frozen=True, eq=False)
class Levels:
    """The index's expected WSS at past bars as it was said, and the same sum over the labels that came; in order of time."""

    bar_end: Ints
    session: Ints
    said: Array
    came: Array

    def first(self, count: int) -> Levels:
        """Those of the first so many bars."""
        return Levels(self.bar_end[:count], self.session[:count], self.said[:count], self.came[:count])


@dataclass(frozen=True, eq=False)
class Errors:
    """The line that past errors lie on, `shift + slope x level`, as often as it was drawn."""

    shift: Array
    slope: Array
    tail: float
    """share of the draws beyond each end of a 90 % interval"""

    def around(self, level: float) -> tuple[float, float]:
        """90 % interval of where the level that comes lies on average when this one is said."""
        low, high = np.quantile(level + self.shift + self.slope * level, (self.tail, 1 - self.tail))
        return float(low), float(high)


def levels(weight: Array, bar_end: Ints, session: Ints, said: Array, came: Array, *, floor: float) -> Levels:
    """Weighted means over the rows of each bar, of those bars that cover at least `floor` of the weight.

    A row is a constituent at a bar: its weight (they sum to 1 over the index), the expected score that was `said` and
    the score of the label that `came`.
    """
    times, first, place = np.unique(bar_end, return_index=True, return_inverse=True)
    covered = np.bincount(place, weight)
    enough = (covered > 0) & (covered >= floor - 1e-12)
    sums = (np.bincount(place, weight * score)[enough] / covered[enough] for score in (said, came))
    return Levels(times[enough], session[first][enough], *sums)


def errors(past: Levels) -> Errors:
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
    return Errors(e - slope * x, slope, _tail(len(days) / BLOCK))


def straddles(interval: tuple[float, float], level: float) -> bool:
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
