"""Weighted sentiment score (WSS): the constituents' weighted actions, of a bar or by bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, Ints, LowCoverage


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
    symbols = sorted(set(weights) & set(scores))
    coverage = sum(weights[symbol] for symbol in symbols)
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
    contributions = {symbol: weights[symbol] / coverage * scores[symbol] for symbol in symbols}
    return Aggregate(
        wss=sum(contributions.values()),
        wss_expected=sum(weights[symbol] / coverage * expected[symbol] for symbol in symbols),
        coverage=coverage,
        contributions=contributions,
    )


@dataclass(frozen=True, eq=False)
class WeightedBars:
    """Weighted means over the symbols of each bar, in order of time."""

    bar_end: Ints
    first_row: Ints
    """the first of the given rows that lies in the bar"""
    bar_of_row: Ints
    """place in `bar_end` of each given row"""
    covered: Array
    """sum of the weights of the bar's rows"""
    means: tuple[Array, ...]
    """of each of the values; NaN where nothing is covered"""


def weighted_by_bar(bar_end: Ints, weight: Array, *values: Array) -> WeightedBars:
    """The weighted means of some values over the rows of each bar; a row is a symbol at a bar."""
    ends, first_row, bar_of_row = np.unique(bar_end, return_index=True, return_inverse=True)
    covered = np.asarray(np.bincount(bar_of_row, weights=weight), dtype=float)
    means = []
    for value in values:
        total = np.bincount(bar_of_row, weights=weight * value)
        means.append(np.divide(total, covered, out=np.full(len(ends), np.nan), where=covered > 0))
    return WeightedBars(ends, first_row, bar_of_row, covered, tuple(means))
