"""Fundamentals: companies' figures, each with the instant from which it was known."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from market_master.domain.arrays import Array, Ints
from market_master.domain.clock import DAY

FIGURES = ("earnings_per_share", "book_per_share", "sales_per_share", "shares", "sales_growth")
"""of the last twelve months (earnings, sales), at their end (book, shares), and against the twelve before (growth, a share);
per share, in the currency and the share units of the bars' prices"""

MAX_AGE = 550 * DAY
"""seconds a report counts for: a company that has published none for a year and a half is not known"""


@dataclass(frozen=True, eq=False)
class Fundamentals:
    """What was known of each company, and since when."""

    reports: Mapping[str, Mapping[str, Array]]
    """by symbol: `known_at` (epoch seconds, increasing) and each of FIGURES, as known then; NaN where no report says"""

    def known(self, symbol: str, figure: str, instants: Ints) -> Array:
        """The value of a figure by the newest report that was known at each instant; NaN where none was, or one too old."""
        report = self.reports.get(symbol)
        if report is None:
            return np.full(len(instants), np.nan)
        at = np.searchsorted(report["known_at"], instants, side="right")
        since = np.append(-MAX_AGE, report["known_at"])[at]
        return np.where(instants - since <= MAX_AGE, np.append(np.nan, report[figure])[at], np.nan)

    def newest(self, symbol: str, instant: int) -> dict[str, float] | None:
        """`known_at` and FIGURES of the newest report that was known at an instant; None where none was, or one too old."""
        report = self.reports.get(symbol)
        at = bisect_right(report["known_at"], instant) - 1 if report else -1
        if report is None or at < 0 or instant - report["known_at"][at] > MAX_AGE:
            return None
        return {name: values[at].item() for name, values in report.items()}

    def to_bytes(self) -> bytes:
        """As a file's content: JSON, null for what a report does not say."""
        content = {
            symbol: {
                "known_at": np.asarray(report["known_at"], dtype=np.int64).tolist(),
                **{name: [None if np.isnan(value) else value for value in report[name].tolist()] for name in FIGURES},
            }
            for symbol, report in sorted(self.reports.items())
        }
        return json.dumps(content).encode()

    @classmethod
    def of_bytes(cls, content: bytes) -> Fundamentals:
        """What `to_bytes` wrote."""
        reports = json.loads(content)
        return cls(
            {
                symbol: {
                    "known_at": np.array(report["known_at"], dtype=np.int64),
                    **{name: np.array(report[name], dtype=np.float64) for name in FIGURES},
                }
                for symbol, report in reports.items()
            }
        )
