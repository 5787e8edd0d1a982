"""Fundamentals of a company: the figures known at its newest bar, by that bar's price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.artifact.raw_columns import newest_rows
from market_master.domain import FIGURES, Array, NoFundamentals, iso
from market_master.insights import MarketView, insight


@dataclass(frozen=True)
class CompanyFundamentals:
    """By the newest report that was known when the bar ended; null for what it does not say."""

    known_at: str
    """since when"""
    market_value: float | None
    """shares x price"""
    earnings_yield: float | None
    """earnings of twelve months a share, over the price"""
    book_yield: float | None
    sales_yield: float | None
    net_margin: float | None
    """earnings over sales"""
    sales_growth: float | None
    """sales of twelve months over those of the twelve before, less 1"""


@insight
def company_fundamentals(view: MarketView, symbol: str) -> CompanyFundamentals:
    """What was known of the company. Raises UnknownSymbol, NoFundamentals."""
    view.require_symbol(symbol)
    end = int(view.bars.bar_end[view.bars.rows(symbol)][-1])
    report = view.bars.fundamentals.newest(symbol, end) if view.bars.fundamentals else None
    if report is None:
        raise NoFundamentals(
            f"No report of '{symbol}' was known at {iso(end)}; fundamentals.path in the config names a table of them.",
            symbol=symbol,
        )
    at = view.bars.symbols.index(symbol)
    ratios = {name: float(values[at]) for name, values in fundamental_ratios(view).items()}
    known = {name: value if np.isfinite(value) else None for name, value in ratios.items()}
    return CompanyFundamentals(known_at=iso(int(report["known_at"])), **known)


def fundamental_ratios(view: MarketView) -> dict[str, Array]:
    """Each ratio for all symbols of the view, at their newest bars; NaN where it was not known."""
    bars, rows = view.bars, newest_rows(view.bars)
    reports = [
        (bars.fundamentals.newest(symbol, int(bars.bar_end[row])) if bars.fundamentals and row >= 0 else None) or {}
        for symbol, row in zip(bars.symbols, rows.tolist(), strict=True)
    ]
    figures = {name: np.array([report.get(name, np.nan) for report in reports]) for name in FIGURES}
    price = np.where(rows >= 0, bars.close[rows], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        margin = figures["earnings_per_share"] / figures["sales_per_share"]
    return {
        "market_value": figures["shares"] * price,
        "earnings_yield": figures["earnings_per_share"] / price,
        "book_yield": figures["book_per_share"] / price,
        "sales_yield": figures["sales_per_share"] / price,
        "net_margin": np.where(figures["sales_per_share"] > 0, margin, np.nan),
        "sales_growth": figures["sales_growth"],
    }
