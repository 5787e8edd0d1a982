"""Fundamentals: companies' figures, each with the instant from which it was known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from market_master.domain.arrays import Array, Ints

FIGURES = ("earnings_per_share", "book_per_share", "sales_per_share", "shares", "sales_growth")
"""of the last twelve months (earnings, sales), at their end (book, shares), and against the twelve before (growth, a share);
per share, in the currency and the share units of the bars' prices"""


@dataclass(frozen=True, eq=False)
class Fundamentals:
    """What was known of each company, and since when."""

    reports: Mapping[str, Mapping[str, Array]]
    """by symbol: `known_at` (epoch seconds, increasing) and each of FIGURES, NaN where a report does not say"""

    def known(self, symbol: str, figure: str, instants: Ints) -> Array:
        """The newest value of a figure that was known by each instant; NaN where none was."""
        report = self.reports.get(symbol)
        if report is None:
            return np.full(len(instants), np.nan)
        at = np.searchsorted(report["known_at"], instants, side="right")
        return np.append(np.nan, report[figure])[at]

    def known_at(self, symbol: str, instant: int) -> int | None:
        """Since when the newest report has been known at an instant; None without one."""
        since = np.asarray(self.reports.get(symbol, {}).get("known_at", ()))
        since = since[since <= instant]
        return int(since[-1]) if len(since) else None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

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
