"""Bars through the graph that serves them, each as when it is the newest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.bars_graph import RawColumns
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.domain import Array, Bars, Ints
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.prediction_history import PredictionHistory

MAX_ROWS = 2_000
"""bars in one call of the graph"""


def rows_of_newest(bars: Bars, symbols: Sequence[str]) -> Ints:
    """The row of the newest bar of each of some symbols."""
    place = {symbol: number for number, symbol in enumerate(bars.symbols)}
    return newest_rows(bars)[[place[symbol] for symbol in symbols]]


def run_graph(model: LoadedModel, bars: Bars, rows: Ints) -> tuple[NDArray[np.float32], Array]:
    """Model inputs [n, features + 1] and calibrated probabilities [n, 5] of some bars, made of those up to each.

    Each has its warm-up among the bars; an input is NaN where a market feature has no value. Raises ContextMissing when no
    member of the market has a bar.
    """
    inputs = np.empty((len(rows), len(model.card.features) + 1), dtype=np.float32)
    probabilities = np.empty((len(rows), 5))
    for at, columns, picked in _calls(model, bars, rows):
        part_inputs, part_probabilities = model.bars_graph.predict(columns)
        inputs[at], probabilities[at] = part_inputs[picked], part_probabilities[picked]
    return inputs, probabilities


def run_features(model: LoadedModel, bars: Bars, rows: Ints) -> Array:
    """The features that the graph makes of some bars [n, features]; NaN before a feature's warm-up."""
    values = np.empty((len(rows), len(model.card.features)))
    for at, columns, picked in _calls(model, bars, rows):
        values[at] = model.bars_graph.feature_values(columns)[picked]
    return np.where(bars.age[rows][:, None] >= model.bars_graph.warmups, values, np.nan)


def predict_recent(model: LoadedModel, bars: Bars, since: int) -> PredictionHistory:
    """Predictions for the bars that end at `since` or later and have their warm-up before them, as serving makes them."""
    rows = np.flatnonzero((bars.age >= model.card.warmup) & (bars.bar_end >= since))
    inputs, probabilities = run_graph(model, bars, rows)
    complete = np.isfinite(inputs).all(axis=1)
    actions = model.actions(probabilities[complete])
    return PredictionHistory(bars, rows[complete], probabilities[complete], actions.rule_action, actions.action)


def _calls(model: LoadedModel, bars: Bars, rows: Ints) -> Iterator[tuple[Ints, RawColumns, slice | Ints]]:
    """Calls of the graph: which of the rows each is for, the graph's inputs, and where they stand among them.

    With market features a call is for one instant, with all symbols that had a bar by then.
    """
    graph, card = model.bars_graph, model.card
    if not graph.needs_market:
        for begin in range(0, len(rows), MAX_ROWS):
            at = np.arange(begin, min(begin + MAX_ROWS, len(rows)))
            yield at, raw_columns(graph, bars, rows[at], known=card.symbols), slice(None)
        return
    for instant in np.unique(bars.bar_end[rows]).tolist():
        at = np.flatnonzero(bars.bar_end[rows] == instant)
        present = newest_rows(bars, instant)
        present = present[present >= 0]
        columns = raw_columns(graph, bars, present, known=card.symbols, members=card.members)
        yield at, columns, np.searchsorted(present, rows[at])
