"""Ranking of all symbols by composite, expected score, risk, or a part of the composite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from weakref import WeakKeyDictionary

from market_master.domain import AssetClass, TooFewBars, iso
from market_master.insights.composite import composites
from market_master.insights.market_view import MarketView
from market_master.insights.risk import risk_scores

RankedBy = Literal["composite", "expected_score", "risk", "momentum", "volatility", "liquidity", "fundamental"]
RANKED_BY: tuple[str, ...] = get_args(RankedBy)
_rows_of_views: WeakKeyDictionary[MarketView, list[RankedSymbol]] = WeakKeyDictionary()


@dataclass(frozen=True)
class RankedSymbol:
    """A symbol's row; null where it has too few bars for a number, or no prediction."""

    rank: int
    symbol: str
    price: float
    as_of: str
    action: str | None
    expected_score: float | None
    composite: float | None
    """0 to 100"""
    risk: float | None
    """0 to 100, among the symbol's own bars"""
    momentum: float | None
    """log return from 252 to 21 sessions ago"""
    volatility: float | None
    """of 20 daily log returns"""
    liquidity: float | None
    """mean money a bar, 20 bars"""
    fundamental: float | None
    """mean rank of earnings and book yield, margin and growth, 0 to 100; null without fundamentals"""


@dataclass(frozen=True)
class Ranking:
    """The symbols, the highest number first; those without it come last, by name."""

    by: RankedBy
    as_of: str
    total: int
    """symbols, before any limit"""
    rows: Sequence[RankedSymbol]


def ranking(
    view: MarketView, by: RankedBy = "composite", limit: int | None = None, asset_class: AssetClass | None = None
) -> Ranking:
    """All symbols of a view in order of one number; none where the market is of another class."""
    of_class = asset_class in (None, view.bars.timetable.asset_class)
    rows = rank_rows(symbol_rows(view), by) if of_class else []
    return Ranking(by, iso(view.bars.newest), len(rows), rows[:limit])


def symbol_rows(view: MarketView) -> list[RankedSymbol]:
    """A row for each symbol, by name, made once for each view; their ranks are not known yet. Raises TooFewBars."""
    if view not in _rows_of_views:
        _rows_of_views[view] = _make_rows(view)
    return _rows_of_views[view]


def rank_rows(rows: Sequence[RankedSymbol], by: RankedBy) -> list[RankedSymbol]:
    """The rows in order of one number, with their ranks."""

    def order(row: RankedSymbol) -> tuple[bool, float, str]:
        value = getattr(row, by)
        return value is None, -(value or 0.0), row.symbol

    return [RankedSymbol(**{**vars(row), "rank": rank}) for rank, row in enumerate(sorted(rows, key=order), start=1)]


def _make_rows(view: MarketView) -> list[RankedSymbol]:
    bars, scores, risks = view.bars, composites(view), risk_scores(view)
    rows = []
    for symbol, span in bars:
        if span.start == span.stop:
            continue
        prediction, parts = view.predictions.get(symbol), {part.name: part.value for part in scores[symbol].parts}
        rows.append(
            RankedSymbol(
                rank=0,
                symbol=symbol,
                price=float(bars.close[span.stop - 1]),
                as_of=iso(int(bars.bar_end[span.stop - 1])),
                action=prediction.action if prediction else None,
                expected_score=parts.pop("model"),
                composite=scores[symbol].score,
                risk=risks.get(symbol),
                **{"fundamental": None, **parts},
            )
        )
    if not rows:
        raise TooFewBars("There is no symbol to rank.")
    return rows
