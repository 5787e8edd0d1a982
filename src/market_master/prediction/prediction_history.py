"""Predictions for the bars of a history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, Bars, Ints, expected_score


@dataclass(frozen=True, eq=False)
class PredictionHistory:
    """Predictions for some bars, one array a column."""

    bars: Bars
    rows: Ints
    """which of the bars, increasing"""
    probabilities: Array
    """[n, 5]"""
    rule_action: Ints
    """by the policy's rule alone"""
    action: Ints
    """after the confidence filter"""

    @property
    def expected_score(self) -> Array:
        """Of each row, -2 to +2."""
        return expected_score(self.probabilities)

    @property
    def confidence(self) -> Array:
        """Highest probability of each row."""
        return np.asarray(self.probabilities.max(axis=1))
