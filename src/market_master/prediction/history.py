"""Predictions for every bar of a history, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from market_master import features
from market_master.decision import policy
from market_master.domain import SCORES, Bars, Ints, model_inputs
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.prediction_history import PredictionHistory
from market_master.progress import report_progress

BATCH_ROWS = 20_000
"""bars that are predicted at once; more need more memory and save no time"""


def predict_history(
    model: LoadedModel, bars: Bars, *, since: int | None = None, batch_rows: int = BATCH_ROWS
) -> PredictionHistory:
    """Predictions for all bars (that end at `since` or later) which have their warm-up before them.

    Time is cut into parts of about `batch_rows` bars; each is computed with the warm-up before it, so that memory stays as
    it is however long the series. Features are computed by NumPy, as in training, and predictions are those that serving
    gives to 1e-9. Raises FingerprintMismatch when the feature code is not the one that the model learned from.
    """
    model.card.verify_features(features.fingerprint(model.card.features))
    count, start = len(bars), bars.bar_end.min() if since is None else since
    probabilities, predicted = np.full((count, len(SCORES)), np.nan), np.zeros(count, dtype=bool)
    rule_action, action = np.full(count, policy.HOLD), np.full(count, policy.HOLD)
    requested = (bars.age >= model.card.warmup) & (bars.bar_end >= start)
    parts = list(_parts(bars, requested, model.card.warmup, batch_rows))
    for done, (window, rows) in enumerate(parts):
        report_progress("answer", done, len(parts))
        part, positions = bars.take(window), np.searchsorted(window, rows)
        values = features.compute(part, model.card.features, members=model.card.members, only=positions)
        complete = np.isfinite(values).all(axis=1)
        rows, values = rows[complete], values[complete]
        if len(rows):
            inputs = model_inputs(values, bars.symbols, bars.code[rows], model.card.symbols)
            probabilities[rows] = model.probabilities(inputs)
            actions = model.actions(probabilities[rows])
            rule_action[rows], action[rows], predicted[rows] = actions.rule_action, actions.action, True
    report_progress("answer", 1, 1)
    rows = np.flatnonzero(predicted)
    return PredictionHistory(bars, rows, probabilities[rows], rule_action[rows], action[rows])


def _parts(bars: Bars, requested: NDArray[np.bool_], warmup: int, batch_rows: int) -> Iterator[tuple[Ints, Ints]]:
    """Stretches of time: the rows requested in each, and with them those of their warm-up."""
    instants, count = np.unique(bars.bar_end[requested], return_counts=True)
    if not len(instants):
        return
    group = (np.cumsum(count) - count) // batch_rows
    last = instants[np.append(np.flatnonzero(np.diff(group)), len(instants) - 1)]
    before = int(instants[0]) - 1
    for end in last.tolist():
        inside = (bars.bar_end > before) & (bars.bar_end <= end)
        first = np.array([rows.start + np.searchsorted(bars.bar_end[rows], before, "right") for _, rows in bars])
        window = (np.arange(len(bars)) >= (first - warmup)[bars.code]) & (bars.bar_end <= end)
        yield np.flatnonzero(window), np.flatnonzero(inside & requested)
        before = end
