"""Value, size, growth and margin by the newest report known at the bar; 0 without one.

Fama and French 1993 (size, book yield), Basu 1977 (earnings yield), Novy-Marx 2013 (profitability).
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Mask
from market_master.features import feature, panel_feature, series
from market_master.features.engine.panel import across

GROUP = "market"


@feature(warmup=0, unit="flag")
def fundamentals_known(
    shares: Array, earnings_per_share: Array, book_per_share: Array, sales_per_share: Array
) -> Array:
    """1 when any figure of the company was known."""
    stated = np.abs(shares) + np.abs(earnings_per_share) + np.abs(book_per_share) + np.abs(sales_per_share)
    return (stated > 0.0).astype(float)


@feature(warmup=0, unit="share")
def earnings_yield(earnings_per_share: Array, close: Array) -> Array:
    """Earnings of the last twelve months over the price."""
    return earnings_per_share / close


@feature(warmup=0, unit="share")
def book_yield(book_per_share: Array, close: Array) -> Array:
    """Book value over the price."""
    return book_per_share / close


@feature(warmup=0, unit="share")
def sales_yield(sales_per_share: Array, close: Array) -> Array:
    """Sales of the last twelve months over the price."""
    return sales_per_share / close


@feature(warmup=0, unit="share")
def net_margin(earnings_per_share: Array, sales_per_share: Array) -> Array:
    """Earnings over sales, of the last twelve months; 0 without sales."""
    sold = sales_per_share > 0.0
    return np.where(sold, earnings_per_share / np.where(sold, sales_per_share, 1.0), 0.0)


@feature(warmup=0, unit="share")
def sales_growth_year(sales_growth: Array) -> Array:
    """Sales of the last twelve months over those of the twelve before, less 1."""
    return sales_growth * 1.0


@series(warmup=0)
def log_market_value(shares: Array, close: Array) -> Array:
    """Natural logarithm of shares x price; NaN where the shares are not known."""
    return np.where(shares > 0.0, np.log(np.where(shares > 0.0, shares, 1.0) * close), np.nan)


@panel_feature(warmup=0, unit="ln")
def relative_size(log_market_value: Array, members: Mask) -> Array:
    """How much larger the company is than its market's members in the mean; 0 where that is not known."""
    difference = log_market_value - across(log_market_value, members)
    return np.where(np.isfinite(difference), difference, 0.0)
