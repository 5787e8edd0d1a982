"""Fundamental features: the newest known figures at the bar's price, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from market_master import features
from market_master.domain.fundamentals import FIGURES
from tests.support.random_bars import random_bars

NAMES = features.select(["fundamental"], "1h")


def test_the_features_by_hand() -> None:
    """Each at single bars from the report that was known then; 0 before the first, and where it does not say."""
    bars = random_bars(2, symbols=3, sessions=20)
    values = dict(zip(NAMES, features.compute(bars, NAMES).T, strict=True))
    assert bars.fundamentals
    for symbol, rows in bars:
        report, end = bars.fundamentals.reports[symbol], bars.bar_end[rows]
        for at in (2, len(end) // 4, len(end) // 2, len(end) - 1):
            row, known = rows.start + at, np.flatnonzero(report["known_at"] <= end[at])
            figure = {name: np.nan_to_num(report[name][known[-1]]) if len(known) else 0.0 for name in FIGURES}
            price = bars.close[row]
            assert {name: values[name][row] for name in NAMES if name != "relative_size"} == pytest.approx(
                {
                    "fundamentals_known": float(len(known) > 0),
                    "earnings_yield": figure["earnings_per_share"] / price,
                    "book_yield": figure["book_per_share"] / price,
                    "sales_yield": figure["sales_per_share"] / price,
                    "net_margin": figure["earnings_per_share"] / figure["sales_per_share"] if len(known) else 0.0,
                    "sales_growth_year": figure["sales_growth"],
                }
            )


def test_size_is_beside_the_members() -> None:
    """The logarithm of the market value less the mean of those that have one: it adds up to 0, and is 0 without a report."""
    bars = random_bars(2, symbols=3, sessions=20)
    size = features.compute(bars, ("relative_size",))[:, 0].reshape(3, -1)
    value = np.log(bars.column("shares") * bars.close, where=bars.column("shares") > 0, out=np.full(len(bars), np.nan))
    value = value.reshape(3, -1)
    np.testing.assert_allclose(size[:, -1], value[:, -1] - value[:, -1].mean())
    assert (size[:, 0] == 0).all()
