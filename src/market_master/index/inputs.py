"""Inputs of an index signal: bars, weights, predictions and earlier WSS, read once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Bars, NoBars, Prediction, PredictionObserver, TooFewBars, digest
from market_master.index.series import eligible_symbols, index_series, lookback_bars, missing_bar_reason
from market_master.market_data.weights import Weights, index_weights
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.newest import predict_recent
from market_master.prediction.predict import predict_bars
from market_master.prediction.window import BarSource, load_context_bars, require_fresh, require_warmup

ModelInputs = Mapping[str, NDArray[np.float32]]
"""the row of model inputs behind each symbol's prediction"""


@dataclass(frozen=True, eq=False)
class IndexInputs:
    """All that an index signal at a bar is made of: whoever makes, explains or hashes it needs no store."""

    bar_end: int
    """of the newest bar of all constituents, in seconds since 1970 UTC"""
    bars: Bars
    """the warm-up of all predictions and of the WSS before, with the market's where the model looks at it"""
    weights: Weights
    predictions: tuple[Prediction, ...]
    """of the constituents that have a bar at that very instant, and its warm-up"""
    model_inputs: ModelInputs
    """empty where the predictions were made before"""
    missing: Mapping[str, str]
    """constituents without a prediction, and why"""
    earlier_wss: Array
    """of the bars before, oldest first, as far as the policy looks back"""


def read_inputs(
    model: LoadedModel,
    store: BarSource,
    *,
    now: int,
    asof: int | None = None,
    known_predictions: Mapping[str, Prediction] | None = None,
    on_predictions: PredictionObserver | None = None,
) -> IndexInputs:
    """The inputs of the signal for the bar after the newest one (or the newest closed by `asof`).

    `now` is the instant by which a live provider's bar may be too old. `known_predictions` were made before, of the
    newest bars in this store; `on_predictions` is called with those that are made here. Raises StaleData, NoBars,
    MissingWeight.
    """
    window = _read_window(model, store, asof)
    universe = model.settings.universe
    eligible = eligible_symbols(universe, window.symbols)
    newest = max(int(window.bar_end[window.rows(symbol)].max(initial=0)) for symbol in eligible)
    require_fresh(model, newest, now, universe.index)
    if window.newest > newest:
        window = _read_window(model, store, newest)
    weights = index_weights(universe, newest, [symbol for symbol, rows in window if rows.stop > rows.start])
    missing = _missing(model, window, weights, newest)
    symbols = [symbol for symbol in weights.by_symbol if symbol not in missing]
    predictions: list[Prediction]
    model_inputs: ModelInputs = {}
    if known_predictions and all(symbol in known_predictions for symbol in symbols):
        predictions = [known_predictions[symbol] for symbol in symbols]
    else:
        predictions, model_inputs = _predict(model, window, symbols, now, on_predictions)
    earlier = _earlier_wss(model, window, eligible)
    return IndexInputs(newest, window, weights, tuple(predictions), model_inputs, missing, earlier)


def read_previous_inputs(model: LoadedModel, store: BarSource, inputs: IndexInputs) -> IndexInputs:
    """The inputs of the signal at the constituents' bar before, as if read when that bar closed.

    Raises what `read_inputs` raises.
    """
    before = store.bars(tuple(inputs.weights.by_symbol), last=1, until=inputs.bar_end - 1).newest
    return read_inputs(model, store, now=before, asof=before)


def input_hashes(model: LoadedModel, inputs: IndexInputs) -> dict[str, str]:
    """SHA-256 of what a signal is made of: bars, weights, the features' code, the graph."""
    return {
        "bars": _bars_hash(model, inputs.bars),
        "weights": hashlib.sha256(json.dumps(inputs.weights.by_symbol, sort_keys=True).encode()).hexdigest(),
        "features": model.card.fingerprint,
        "graph": model.bars_graph.sha256,
    }


def stored_bars_hash(model: LoadedModel, store: BarSource, bar_end: int) -> str:
    """The hash of the bars that a signal at a bar is made of, as they are stored now; nothing is predicted. Raises NoBars."""
    return _bars_hash(model, _read_window(model, store, bar_end))


def _bars_hash(model: LoadedModel, bars: Bars) -> str:
    return digest(bars, head=repr(bars.symbols), figures=model.bars_graph.needs_fundamentals)


def _read_window(model: LoadedModel, store: BarSource, asof: int | None) -> Bars:
    """The bars that predictions of the symbols which may be constituents need, and those of the WSS before."""
    eligible = eligible_symbols(model.settings.universe, store.symbols())
    if not eligible:
        raise NoBars(f"The store has no bars of the index's constituents; run the pipeline to fetch '{store.source}'.")
    return load_context_bars(model, store, eligible, asof, back=lookback_bars(model.settings.policy))


def _missing(model: LoadedModel, window: Bars, weights: Weights, newest: int) -> dict[str, str]:
    """Constituents without a bar that ends at the newest instant or without its warm-up, and why."""
    reasons = {}
    for symbol in weights.by_symbol:
        ends = window.bar_end[window.rows(symbol)]
        if len(ends) == 0 or ends[-1] != newest:
            reasons[symbol] = missing_bar_reason(newest)
            continue
        try:
            require_warmup(model, len(ends))
        except TooFewBars as error:
            reasons[symbol] = str(error)
    return reasons


def _predict(
    model: LoadedModel, window: Bars, symbols: Sequence[str], now: int, on_predictions: PredictionObserver | None
) -> tuple[list[Prediction], ModelInputs]:
    """Predictions of the newest bars of some symbols, and the model inputs behind them."""
    model_inputs: dict[str, NDArray[np.float32]] = {}
    if not symbols:
        return [], model_inputs

    def observe(predictions: list[Prediction], rows: np.ndarray) -> None:
        model_inputs.update(zip((prediction.symbol for prediction in predictions), rows, strict=True))
        if on_predictions:
            on_predictions(predictions, rows)

    return predict_bars(model, window, symbols, now=now, on_predictions=observe), model_inputs


def _earlier_wss(model: LoadedModel, window: Bars, eligible: Sequence[str]) -> Array:
    """WSS of the bars before the newest, as far as the policy looks back."""
    back = lookback_bars(model.settings.policy)
    if not back:
        return np.array([])
    ends = np.unique(window.bar_end[np.isin(window.code, [window.symbols.index(symbol) for symbol in eligible])])
    predictions = predict_recent(model, window, since=int(ends[-back - 1 :][0]))
    settings = model.settings
    return index_series(predictions, settings.universe, settings.policy, required_bars=model.required_bars).wss[
        -back - 1 : -1
    ]
