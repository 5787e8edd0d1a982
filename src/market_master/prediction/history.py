"""market_master.prediction.history"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master import features
from market_master.decision import policy
from market_master.domain.actions import SCORES, expected_score
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.model_inputs import model_inputs
from market_master.prediction.loaded_model import LoadedModel
from market_master.progress import report_progress

BATCH_ROWS = 20_000
"""bars that are answered at once; more need more memory and save no time"""


@dataclass(frozen=True, eq=False)
class PredictionHistory:
    """What was said of some bars, one array a column; whoever said it, if their answers and actions are at hand."""

    bars: Bars
    rows: Ints
    """which of the bars, increasing"""
    probabilities: Array
    """[n, 5]"""
    wanted: Ints
    """actions by the rule alone"""
    acted: Ints
    """actions that the confidence filter left"""

    @property
    def expected_score(self) -> Array:
        """Of each row, -2 to +2."""
        return expected_score(self.probabilities)

    @property
    def confidence(self) -> Array:
        """Highest probability of each row."""
        return np.asarray(self.probabilities.max(axis=1))


def predict_history(
    champion: LoadedModel, bars: Bars, *, since: int | None = None, together: int = BATCH_ROWS
) -> PredictionHistory:
    """The champion's answers to all bars (that end at `since` or later) which have their warm-up behind them.

    Time is cut into parts of about `together` bars; each is computed with the warm-up before it, so that memory stays as
    it is however long the series, and every answer is bit for bit the one that serving gives.
    """
    count = len(bars)
    probabilities, said = np.full((count, len(SCORES)), np.nan), np.zeros(count, dtype=bool)
    wanted, acted = np.full(count, policy.HOLD), np.full(count, policy.HOLD)
    asked = (bars.age >= champion.card.warmup) & (bars.bar_end >= (bars.bar_end.min() if since is None else since))
    parts = list(_parts(bars, asked, champion.card.warmup, together))
    for done, (window, rows) in enumerate(parts):
        report_progress("answer", done, len(parts))
        part, place = bars.take(window), np.searchsorted(window, rows)
        values = features.compute(part, champion.card.features, members=champion.card.members, only=place)
        whole = np.isfinite(values).all(axis=1)
        rows, values = rows[whole], values[whole]
        if len(rows):
            inputs = model_inputs(values, bars.symbols, bars.code[rows], champion.card.symbols)
            probabilities[rows], decided = champion.answer(inputs)
            wanted[rows], acted[rows], said[rows] = decided.wanted, decided.acted, True
    report_progress("answer", 1, 1)
    rows = np.flatnonzero(said)
    return PredictionHistory(bars, rows, probabilities[rows], wanted[rows], acted[rows])


def _parts(bars: Bars, asked: NDArray[np.bool_], warmup: int, together: int) -> Iterator[tuple[Ints, Ints]]:
    """Stretches of time: the rows that are asked for in each, and with them those of their warm-up."""
    instants, count = np.unique(bars.bar_end[asked], return_counts=True)
    if not len(instants):
        return
    group = (np.cumsum(count) - count) // together
    last = instants[np.append(np.flatnonzero(np.diff(group)), len(instants) - 1)]
    before = int(instants[0]) - 1
    for end in last.tolist():
        inside = (bars.bar_end > before) & (bars.bar_end <= end)
        first = np.array([rows.start + np.searchsorted(bars.bar_end[rows], before, "right") for _, rows in bars])
        window = (np.arange(len(bars)) >= (first - warmup)[bars.code]) & (bars.bar_end <= end)
        yield np.flatnonzero(window), np.flatnonzero(inside & asked)
        before = end
