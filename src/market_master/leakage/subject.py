"""Audited pipeline: a compared experiment, the bars and instants of its checks, its fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Bars, Ints
from market_master.stats.bootstrap import SEED
from market_master.training import Comparison, Experiment
from market_master.training.folds import sample_timestamps
from market_master.training.walk_forward import Recipe

ROWS = 15_000
"""of the newest bars that the laws of time look at"""


INSTANTS = 9


TRAINED_ON = 4000
"""rows of each fit inside the audit"""


MAX_T = 3.0


@dataclass(frozen=True, eq=False)
class AuditedPipeline:
    """A compared experiment and the stretch of its bars that the laws of time look at."""

    experiment: Experiment
    comparison: Comparison
    bars: Bars
    """the newest"""

    @classmethod
    def of(cls, experiment: Experiment, comparison: Comparison) -> AuditedPipeline:
        """The pipeline of a run."""
        return cls(experiment, comparison, _newest(experiment.market.bars, ROWS))

    @property
    def instants(self) -> list[int]:
        """Where time is cut: spread over the later half, among them a session's first, middle and last bar."""
        times = np.unique(self.bars.bar_end)
        random = np.random.default_rng(SEED)
        late = np.arange(len(times) // 2, len(times) - 1)
        ends = np.flatnonzero(np.diff(self.bars.session[np.unique(self.bars.bar_end, return_index=True)[1]]) != 0)
        edges = [int(ends[-2]), int(ends[-2]) + 1, int(ends[-2]) - 1] if len(ends) > 1 else []
        picked = random.permutation(late)[: INSTANTS - len(edges)].tolist()
        return [int(times[index]) for index in sorted({*picked, *edges})]


def fit_thinned(
    recipe: Recipe, inputs: NDArray[np.float32], rows: Ints, action: Any, bars: Bars
) -> Callable[[Any], Array]:
    rows = thin_rows(bars, rows, TRAINED_ON)
    fitted = recipe.new(len(bars.symbols)).fit(inputs[rows], action[rows])
    return lambda predicted: predict_exactly(fitted, predicted)


def predict_exactly(fitted: Any, inputs: NDArray[np.float32]) -> Array:
    """Answers in float64: in float32 a product of matrices rounds by the number of rows, and no law is about that."""
    return np.asarray(fitted.predict_proba(inputs.astype(float)), dtype=float)


def thin_rows(bars: Bars, rows: Ints, limit: int) -> Ints:
    mask = np.zeros(len(bars), dtype=bool)
    mask[rows] = True
    return np.flatnonzero(sample_timestamps(mask, bars.bar_end, limit))


def _newest(bars: Bars, rows: int) -> Bars:
    """Whole sessions at the end, about so many rows, thirty sessions at least."""
    days, counts = np.unique(bars.session, return_counts=True)
    day_count = int(np.searchsorted(np.cumsum(counts[::-1]), rows)) + 1
    first = days[-min(len(days), max(day_count, 30))]
    part = bars.take(bars.session >= first)
    return part.select([symbol for symbol in part.symbols if symbol in np.asarray(part.symbols)[np.unique(part.code)]])


def present_members(members: Sequence[str], bars: Bars) -> tuple[str, ...]:
    """The market's members among the symbols at hand."""
    return tuple(symbol for symbol in members if symbol in bars.symbols)
