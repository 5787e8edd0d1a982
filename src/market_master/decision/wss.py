"""The weighted sentiment score: how the constituents' actions add up, and how far the level they claim may be off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from market_master.domain.errors import LowCoverage


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
