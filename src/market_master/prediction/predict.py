"""Predictions from the newest closed bar of each symbol, through the features of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from market_master.domain import (
    CLASSES,
    UNSEEN,
    ActedPolicy,
    Bars,
    ContextMissing,
    History,
    NoBars,
    Prediction,
    PredictionObserver,
    Provenance,
    Span,
    SymbolSeries,
    Timetable,
    TooFewBars,
    expected_score,
    iso,
)
from market_master.prediction.complete_history import complete_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.newest import rows_of_newest, run_graph
from market_master.prediction.window import BarSource, load_context_bars, require_fresh, require_warmup


def predict_stored(
    model: LoadedModel,
    store: BarSource,
    symbols: Sequence[str],
    *,
    now: int,
    asof: int | None = None,
    on_predictions: PredictionObserver | None = None,
) -> list[Prediction]:
    """One prediction for each symbol from its newest stored bar (closed by `asof`, if given).

    Raises UnknownSymbol, TooFewBars, or StaleData when a live provider's bar is older than the policy allows.
    """
    window = load_context_bars(model, store, symbols, asof)
    predictions = predict_bars(model, window, symbols, now=now, on_predictions=on_predictions)
    for prediction, symbol in zip(predictions, symbols, strict=True):
        require_fresh(model, int(window.bar_end[window.rows(symbol)][-1]), now, prediction.symbol)
    return predictions


def predict_posted(
    model: LoadedModel,
    posted: Bars,
    symbol: str,
    store: BarSource | None,
    *,
    context: SymbolSeries,
    now: int,
    on_predictions: PredictionObserver | None = None,
) -> Prediction:
    """A prediction from bars a client sent; what is missing before them is taken from the store.

    Market features take the other symbols from `context`, else from the store. Raises HistoryDisagrees, HistoryGap,
    TooFewBars, or ContextMissing when the market at the same bar_end is in neither.
    """
    bars, history = complete_history(posted, store, model.required_bars)
    require_warmup(model, len(bars), stored=history.stored)
    bars = bars.tail(model.required_bars)
    if model.needs_market:
        bars = _merge_market_context(model, bars, symbol, store, context)
    return predict_bars(
        model, bars, [symbol], now=now, provider="posted", history=history, on_predictions=on_predictions
    )[0]


def predict_bars(
    model: LoadedModel,
    bars: Bars,
    symbols: Sequence[str],
    *,
    now: int,
    provider: str | None = None,
    history: History | None = None,
    on_predictions: PredictionObserver | None = None,
) -> list[Prediction]:
    """Predictions for the newest bar of some symbols, from bars that hold their warm-up (and the market, if needed).

    All bars are stored ones, unless a `history` says otherwise. `on_predictions` is called with the predictions and their
    model inputs.
    """
    card, history = model.card, history or History(0, model.required_bars)
    for symbol in symbols:
        require_warmup(model, len(bars.bar_end[bars.rows(symbol)]), symbol)
    newest = rows_of_newest(bars, symbols)
    inputs, probabilities = run_graph(model, bars, newest)
    _require_finite(inputs[:, :-1], symbols, card.features)
    actions = model.actions(probabilities)
    kind, rule = provider or card.settings["provider"]["kind"], model.settings.policy.rule
    columns = (
        actions.action, actions.action == actions.rule_action, expected_score(probabilities), probabilities.max(axis=1),
        probabilities, bars.bar_end[newest], bars.next_start[newest], bars.next_end[newest], inputs[:, -1] == UNSEEN,
    )  # fmt: skip
    predictions = [
        Prediction(
            symbol=symbol,
            action=CLASSES[action],
            expected_score=score,
            confidence=confidence,
            probabilities=dict(zip(CLASSES, shares, strict=True)),
            as_of=iso(bar_end),
            predicts_for=Span(iso(start), iso(end)),
            model=model.ref,
            policy=ActedPolicy(rule, acted),
            provenance=Provenance(provider or card.origins.get(symbol, kind), now - bar_end, history),
            warnings=_warnings(model, unseen),
        )
        for symbol, action, acted, score, confidence, shares, bar_end, start, end, unseen in zip(
            symbols, *(column.tolist() for column in columns), strict=True
        )
    ]
    if on_predictions:
        on_predictions(predictions, inputs)
    return predictions


def _require_finite(values: np.ndarray, symbols: Sequence[str], names: Sequence[str]) -> None:
    """Refuse the first symbol with a feature that has no value."""
    incomplete = ~np.isfinite(values).all(axis=1)
    if incomplete.any():
        row = int(np.flatnonzero(incomplete)[0])
        missing = [name for name, value in zip(names, values[row], strict=True) if not np.isfinite(value)]
        raise TooFewBars(
            f"{symbols[row]} has no value for {len(missing)} features, the first '{missing[0]}'; send more bars."
        )


def _warnings(model: LoadedModel, unseen: bool) -> tuple[str, ...]:
    conditions = {"unseen_symbol": unseen, "no_directional_edge": model.calibration.shrinkage == 0}
    return tuple(name for name, holds in conditions.items() if holds)


def _complete(
    model: LoadedModel, timetable: Timetable, symbol: str, columns: Mapping[str, np.ndarray], store: BarSource | None
) -> Mapping[str, np.ndarray]:
    """A symbol of the context, with stored bars before those that were sent."""
    posted = Bars.of(timetable, {symbol: columns})
    return complete_history(posted, store, model.required_bars)[0].series(symbol)


def _merge_market_context(
    model: LoadedModel, bars: Bars, symbol: str, store: BarSource | None, context: SymbolSeries
) -> Bars:
    """The posted bars among the other members' at the same times."""
    newest, others = bars.newest, [member for member in model.card.members if member != symbol]
    try:
        stored = store.bars(last=model.required_bars, until=newest) if store else None
    except NoBars:
        stored = None
    series: dict[str, Mapping[str, np.ndarray]] = {}
    if stored:
        series |= {s: stored.series(s) for s in others if s in stored.symbols}
    series |= {s: _complete(model, bars.timetable, s, columns, store) for s, columns in context.items() if s != symbol}
    missing = [s for s in others if s not in series or newest not in series[s]["bar_end"]]
    floor = model.settings.policy.min_coverage
    if others and 1 - len(missing) / len(others) < floor:
        raise ContextMissing(
            f"The champion looks at the whole market, and {len(missing)} of {len(others)} other symbols have no bar that "
            f"ends {iso(newest)}, neither stored nor in `context`: {', '.join(missing[:10])}.",
            missing=missing,
            bar_end=iso(newest),
        )
    return bars.with_series(series)
