"""Weigh: the index's weights at a bar, as the settings name its universe."""

from __future__ import annotations

from collections.abc import Collection

from market_master import weights
from market_master.config import Universe
from market_master.weights import Weights


def weigh(universe: Universe, instant: int, known: Collection[str]) -> Weights:
    """The weights in force at an instant among the symbols that have bars. Raises MissingWeight."""
    return weights.at(
        universe.weights,
        instant,
        known,
        asked=universe.symbols,
        benchmark=universe.benchmark,
        renamed=universe.renamed,
    )
