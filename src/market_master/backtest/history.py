"""Out-of-sample history of a version: its predictions, and the index made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.out_of_sample import OutOfSample
from market_master.decision import policy
from market_master.domain import Bars, InSample, Ints, instant, iso
from market_master.index.series import IndexSeries, index_series
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.prediction_history import PredictionHistory

LATER_FOLD = -1
"""the fold of bars that came after the version was made"""


@dataclass(frozen=True, eq=False)
class OutOfSampleHistory:
    """Predictions for bars that the model behind each was not fitted on, and the index made of them."""

    predictions: PredictionHistory
    fold: NDArray[np.int8]
    """of each predicted row: walk-forward fold, 0 for the hold-out, -1 for later bars"""
    index: IndexSeries
    refused: int
    """rows left out because they are in sample"""


def stored_out_of_sample(model: LoadedModel, stored: OutOfSample, bars: Bars) -> OutOfSampleHistory:
    """The out-of-sample predictions stored with a version when it was made, and its predictions for bars since.

    `bars` are those of its store. Rows that are in neither are in sample, or lack their warm-up: they have no prediction.
    """
    rows, stored_rows = _matching_rows(stored, bars)
    later = predict_history(model, bars, since=int(stored.bar_end.max()) + 1)
    probabilities, rule_action = stored.probabilities[stored_rows], stored.decided[stored_rows].astype(np.int64)
    action = policy.filter_confidence(rule_action, probabilities, model.confidence_filter)
    all_rows = np.concatenate([rows, later.rows])
    order = np.argsort(all_rows)
    predictions = PredictionHistory(
        bars,
        all_rows[order],
        np.concatenate([probabilities, later.probabilities])[order],
        np.concatenate([rule_action, later.rule_action])[order],
        np.concatenate([action, later.action])[order],
    )
    fold = np.concatenate([stored.fold[stored_rows], np.full(len(later.rows), LATER_FOLD, np.int8)])[order]
    return OutOfSampleHistory(predictions, fold, index_history(model, predictions), 0)


def predict_out_of_sample(model: LoadedModel, bars: Bars) -> OutOfSampleHistory:
    """Predictions for somebody's own bars, but for those that end before the version's last label was known.

    Raises InSample when none are left.
    """
    known = instant(model.card.label_known)
    refused = int((bars.bar_end <= known).sum())
    if refused == len(bars):
        raise InSample(
            f"All {len(bars):,} bars ended by {iso(known)}, when version {model.artifact.version} knew its last label: a "
            "backtest on what was learned says nothing. Bring later bars, or leave --bars out to trade its walk-forward answers.",
            bars=len(bars),
            label_known=iso(known),
        )
    predictions = predict_history(model, bars, since=known + 1)
    fold = np.full(len(predictions.rows), LATER_FOLD, np.int8)
    return OutOfSampleHistory(predictions, fold, index_history(model, predictions), refused)


def index_history(model: LoadedModel, predictions: PredictionHistory) -> IndexSeries:
    """The index made of some predictions, by the model's settings."""
    settings, card = model.settings, model.card
    return index_series(
        predictions,
        settings.universe,
        settings.policy,
        spread=card.wss_expected_sd,
        required_bars=model.required_bars,
    )


def _matching_rows(stored: OutOfSample, bars: Bars) -> tuple[Ints, Ints]:
    """Rows of the bars that have a stored prediction, and the rows of those; a bar that is no longer there is left out."""
    codes = {symbol: code for code, symbol in enumerate(bars.symbols)}
    code = np.array([codes.get(symbol, -1) for symbol in stored.symbols.tolist()])[stored.code]
    span = int(bars.newest) + 1
    keys, stored_keys = bars.code * span + bars.bar_end, code * span + stored.bar_end
    rows = np.minimum(np.searchsorted(keys, stored_keys), len(keys) - 1)
    stored_rows = np.flatnonzero((code >= 0) & (keys[rows] == stored_keys))
    return rows[stored_rows], stored_rows
