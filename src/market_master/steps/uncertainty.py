"""Uncertainty: how far the level that an index signal claims may be from the one that comes, by its version's past errors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from market_master import wss
from market_master.backtest import out_of_sample
from market_master.backtest.out_of_sample import OutOfSample
from market_master.domain.actions import SCORES, expected_score
from market_master.steps.predict import Champion
from market_master.weights import Weights

LEAST_SESSIONS = 30
"""six blocks of days; from fewer the spread of errors can't be told"""


def interval(champion: Champion, table: Weights, level: float, as_of: int) -> tuple[float, float] | None:
    """90 % interval of the level that comes on average where this expected WSS is claimed at a bar.

    From what the version answered out of sample before that bar and has seen the outcome of, with the bar's own weights;
    None where nothing was kept beside it, or less than 30 sessions.
    """
    given = (champion.model.folder, tuple(table.by_symbol.items()), champion.settings.policy.min_coverage)
    if not (champion.model.folder / out_of_sample.FILE).exists():
        return None
    unknown = champion.card.settings["label"]["horizon"] - 1
    known = int(np.searchsorted(_levels(*given).bar_end, as_of)) - unknown
    found = _errors(*given, max(known, 0))
    return found.around(level) if found else None


@lru_cache(maxsize=8)
def _levels(folder: Path, weights: tuple[tuple[str, float], ...], floor: float) -> wss.Levels:
    """Past levels of the index with some weights."""
    kept, by_symbol = OutOfSample.read(folder), dict(weights)
    weight = np.array([by_symbol.get(symbol, 0.0) for symbol in kept.symbols.tolist()])[kept.code]
    rows = (kept.label >= 0) & np.isfinite(kept.probabilities[:, 0]) & (weight > 0)
    return wss.levels(
        weight[rows],
        kept.bar_end[rows],
        kept.session[rows],
        expected_score(kept.probabilities[rows]),
        SCORES[kept.label[rows]],
        floor=floor,
    )


@lru_cache(maxsize=8)
def _errors(folder: Path, weights: tuple[tuple[str, float], ...], floor: float, known: int) -> wss.Errors | None:
    """Lines of the errors at the first `known` of these bars; None for fewer than 30 sessions."""
    past = _levels(folder, weights, floor).first(known)
    return wss.errors(past) if len(np.unique(past.session)) >= LEAST_SESSIONS else None
