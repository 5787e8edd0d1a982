"""The index's signal at a bar: actions weighted to WSS, and the policy's signal of it."""

from __future__ import annotations

import numpy as np

from market_master.decision import policy, wss
from market_master.decision.wss import Aggregate
from market_master.domain import Action, Constituent, IndexSignal, Missing, PredictionObserver, Thresholds
from market_master.index import uncertainty
from market_master.index.inputs import IndexInputs, read_inputs
from market_master.index.series import signal_rule_kwargs
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.window import BarSource

LOW_INDEX_SHARE = 0.80


def predict_index(
    model: LoadedModel,
    store: BarSource,
    *,
    now: int,
    asof: int | None = None,
    on_predictions: PredictionObserver | None = None,
) -> IndexSignal:
    """The index's signal for the bar after the newest stored one (or the newest closed by `asof`).

    Raises what `read_inputs` raises, and LowCoverage.
    """
    return index_signal(model, read_inputs(model, store, now=now, asof=asof, on_predictions=on_predictions))


def index_signal(model: LoadedModel, inputs: IndexInputs) -> IndexSignal:
    """WSS and signal of some inputs; a constituent counts only with a bar that ends at that very instant.

    Raises LowCoverage when they cover less of the weight than the policy's `min_coverage`.
    """
    settings, weights = model.settings, inputs.weights
    total = wss.aggregate(
        weights.by_symbol,
        {prediction.symbol: Action[prediction.action].score for prediction in inputs.predictions},
        {prediction.symbol: prediction.expected_score for prediction in inputs.predictions},
        floor=settings.policy.min_coverage,
        reasons=inputs.missing,
    )
    newest, spread = inputs.predictions[0], model.card.wss_expected_sd
    interval = uncertainty.level_interval(model, weights, total.wss_expected, inputs.bar_end)
    return IndexSignal(
        index=settings.universe.index,
        signal_for=settings.universe.signal_for,
        signal=str(
            policy.signals_of_wss(np.append(inputs.earlier_wss, total.wss), **signal_rule_kwargs(settings.policy))[-1]
        ),
        wss=total.wss,
        wss_expected=total.wss_expected,
        coverage=total.coverage,
        as_of=newest.as_of,
        predicts_for=newest.predicts_for,
        thresholds=Thresholds(settings.policy.buy, settings.policy.sell),
        missing=tuple(
            Missing(symbol, weights.by_symbol[symbol], why) for symbol, why in sorted(inputs.missing.items())
        ),
        weights_as_of=weights.as_of,
        constituents=_constituents(inputs, total),
        index_share=weights.index_share,
        wss_z=total.wss_expected / spread if spread else None,
        model=model.ref,
        paper=model.ref.provisional,
        warnings=_warnings(inputs, interval, spread),
        filter_coverage=_filter_coverage(model, inputs),
        wss_expected_interval=interval,
    )


def _constituents(inputs: IndexInputs, total: Aggregate) -> tuple[Constituent, ...]:
    return tuple(
        Constituent(
            symbol=prediction.symbol,
            weight=inputs.weights.by_symbol[prediction.symbol],
            action=prediction.action,
            score=Action[prediction.action].score,
            expected_score=prediction.expected_score,
            confidence=prediction.confidence,
            contribution=total.contributions[prediction.symbol],
        )
        for prediction in inputs.predictions
    )


def _warnings(inputs: IndexInputs, interval: tuple[float, float] | None, spread: float | None) -> tuple[str, ...]:
    """The predictions' warnings once each, then the index's."""
    warnings = sorted({warning for prediction in inputs.predictions for warning in prediction.warnings})
    if inputs.weights.index_share < LOW_INDEX_SHARE:
        warnings.append("low_index_share")
    if interval and spread and uncertainty.interval_contains(interval, spread):
        warnings.append("uncertain_signal")
    return tuple(warnings)


def _filter_coverage(model: LoadedModel, inputs: IndexInputs) -> float | None:
    """Weight that the confidence filter let act, of what the rule would have; None without a filter, or where nothing would."""
    predictions = inputs.predictions
    acts = np.array([Action[prediction.action] != Action.hold for prediction in predictions])
    wants = acts | np.array([not prediction.policy.acted for prediction in predictions])
    weight = np.array([inputs.weights.by_symbol[prediction.symbol] for prediction in predictions])
    share = policy.filter_coverage(wants, acts, weight)
    return share if model.confidence_filter.on and np.isfinite(share) else None
