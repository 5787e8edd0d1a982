"""Composite score of a symbol: a weighted mean of its ranks among all symbols, 0 to 100.

It is for display; nothing trades on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from market_master.config.settings import CompositeWeights
from market_master.domain import Array
from market_master.insights import MarketView, insight
from market_master.insights.fundamentals import fundamental_ratios

MOMENTUM_FROM, MOMENTUM_TO = 252, 21
"""sessions ago (Jegadeesh and Titman 1993)"""
VOLATILITY_SESSIONS = 20
LIQUIDITY_BARS = 20
LEAST_WEIGHT = 0.6
"""share of the weights whose parts are known; below it there is no score"""
COMPOSITE_PARTS = {
    "model": "model", "momentum": "technical", "volatility": "technical", "liquidity": "technical",
    "fundamental": "fundamental",
}  # fmt: skip
"""what each part is made of"""
LOW_IS_GOOD = ("volatility",)
VALUE_AND_QUALITY = ("earnings_yield", "book_yield", "net_margin", "sales_growth")
"""whose ranks make the fundamental part; Asness, Frazzini and Pedersen 2019"""


@dataclass(frozen=True)
class Part:
    """One part: its value, and its percentile rank among all symbols that have one (100 = the best)."""

    name: str
    kind: str
    """technical, model or fundamental"""
    value: float | None
    rank: float | None
    weight: float
    """as configured, not yet spread over the parts that are known"""


@dataclass(frozen=True)
class Composite:
    """The weighted mean of the ranks that are known."""

    score: float | None
    """null where parts of less than 60 % of the weight are known"""
    known_weight: float
    """share of the weights whose parts are known"""
    ranked_among: int
    """symbols"""
    parts: tuple[Part, ...]


@insight
def composite(view: MarketView, symbol: str) -> Composite:
    """Where a symbol stands among all, and by which part. Raises UnknownSymbol."""
    view.require_symbol(symbol)
    return composites(view)[symbol]


def composites(view: MarketView) -> dict[str, Composite]:
    """Every symbol's, by symbol."""
    return score_parts(view.bars.symbols, part_values(view), view.weights)


def part_values(view: MarketView) -> dict[str, Array]:
    """By part, the value of each symbol of the view; NaN where it has none. Without fundamentals there is no such part."""
    scores = [
        view.predictions[symbol].expected_score if symbol in view.predictions else np.nan
        for symbol in view.bars.symbols
    ]
    technical = {
        "model": np.array(scores),
        "momentum": _momentum(view),
        "volatility": _volatility(view),
        "liquidity": _liquidity(view),
    }
    return technical | ({"fundamental": _fundamental(view)} if view.bars.fundamentals else {})


def score_parts(
    symbols: tuple[str, ...], values: Mapping[str, Array], weights: CompositeWeights
) -> dict[str, Composite]:
    """Composites of some symbols from the values of their parts."""
    configured = {name: weight for name, weight in weights.model_dump().items() if name in values}
    ranks = {name: percentile_ranks(-values[name] if name in LOW_IS_GOOD else values[name]) for name in configured}
    stacked = np.stack(list(ranks.values()))
    weight = np.array([configured[name] for name in ranks])[:, None] * np.isfinite(stacked)
    known = weight.sum(axis=0) / max(sum(configured.values()), 1e-12)
    total = np.where(np.isfinite(stacked), stacked, 0.0)
    score = (total * weight).sum(axis=0) / np.where(known > 0, weight.sum(axis=0), 1.0)
    return {
        symbol: Composite(
            score=float(score[at]) if known[at] >= LEAST_WEIGHT else None,
            known_weight=float(known[at]),
            ranked_among=len(symbols),
            parts=tuple(
                Part(name, COMPOSITE_PARTS[name], _number(values[name][at]), _number(ranks[name][at]), configured[name])
                for name in ranks
            ),
        )
        for at, symbol in enumerate(symbols)
    }


def percentile_ranks(values: Array) -> Array:
    """Where each value stands among all that are known, 0 to 100, ties in the middle; NaN for one that is not."""
    known = np.sort(values[np.isfinite(values)])
    below, upto = (np.searchsorted(known, values, side) for side in ("left", "right"))
    return np.where(np.isfinite(values), 50.0 * (below + upto) / max(len(known), 1), np.nan)


def _momentum(view: MarketView) -> Array:
    """Log return from 252 sessions ago to 21 sessions ago."""
    close = _closes_of(view)
    if len(close) <= MOMENTUM_FROM:
        return np.full(len(view.bars.symbols), np.nan)
    return np.log(close[-1 - MOMENTUM_TO] / close[-1 - MOMENTUM_FROM])


def _volatility(view: MarketView) -> Array:
    """Standard deviation of the log returns of the last 20 sessions."""
    moved = np.diff(np.log(_closes_of(view)[-VOLATILITY_SESSIONS - 1 :]), axis=0)
    if len(moved) < VOLATILITY_SESSIONS:
        return np.full(len(view.bars.symbols), np.nan)
    return np.std(moved, axis=0, ddof=1)


def _closes_of(view: MarketView) -> Array:
    """Closes [sessions, symbols] of the bars' symbols."""
    at = [view.closes.symbols.index(symbol) for symbol in view.bars.symbols]
    return view.closes.close[:, at]


def _liquidity(view: MarketView) -> Array:
    """Mean of the money that changed hands in a bar, over the last 20."""
    newest = view.bars.tail(LIQUIDITY_BARS)
    money = np.bincount(newest.code, weights=newest.close * newest.volume, minlength=len(newest.symbols))
    counts = np.bincount(newest.code, minlength=len(newest.symbols))
    return np.where(counts == LIQUIDITY_BARS, money / np.maximum(counts, 1), np.nan)


def _fundamental(view: MarketView) -> Array:
    """Mean rank of value and quality, of those that are known."""
    ratios = fundamental_ratios(view)
    ranks = np.stack([percentile_ranks(ratios[name]) for name in VALUE_AND_QUALITY])
    known = np.isfinite(ranks)
    return np.where(
        known.any(axis=0), np.where(known, ranks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
