"""Aggregate: the constituents' actions, weighted, to one signal for the index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from market_master.decision import policy, wss
from market_master.domain.actions import Action
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars, digest
from market_master.domain.clock import instant
from market_master.domain.errors import NoBars, TooFewBars
from market_master.domain.records import Constituent, IndexSignal, Missing, Prediction, PredictionObserver, Thresholds
from market_master.index import uncertainty
from market_master.index.series import index_series, lookback_bars, missing_bar_reason, signal_rule_kwargs
from market_master.index.uncertainty import interval
from market_master.market_data.weights import Weights, weigh
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.predict import predict_bars
from market_master.prediction.window import BarSource, load_context_bars, require_fresh, require_warmup

LOW_SHARE = 0.80


def index_signal(
    champion: LoadedModel,
    store: BarSource,
    *,
    now: int,
    asof: int | None = None,
    known: Mapping[str, Prediction] | None = None,
    seen: PredictionObserver | None = None,
) -> IndexSignal:
    """The index's signal for the bar after the newest one (or the newest closed by `asof`).

    `known` are predictions that were made already of the newest bars in this store; `seen` is told of those that are
    made here. A constituent counts only with a bar
    that ends at that very instant. Raises StaleData, LowCoverage, NoBars.
    """
    eligible, window = _window(champion, store, asof)
    newest = max(int(window.bar_end[window.rows(symbol)].max(initial=0)) for symbol in eligible)
    require_fresh(champion, newest, now, champion.settings.universe.index)
    table = _weights(champion, window, newest)
    fresh, reasons = [], {}
    for symbol in table.by_symbol:
        ends = window.bar_end[window.rows(symbol)]
        if len(ends) == 0 or ends[-1] != newest:
            reasons[symbol] = missing_bar_reason(newest)
            continue
        try:
            require_warmup(champion, len(ends))
            fresh.append(symbol)
        except TooFewBars as error:
            reasons[symbol] = str(error)
    if known and all(symbol in known for symbol in fresh):
        made = [known[symbol] for symbol in fresh]
    else:
        made = predict_bars(champion, window, fresh, now=now, seen=seen) if fresh else []
    return aggregate_signal(champion, made, table, reasons, _earlier(champion, window, eligible))


def input_hashes(champion: LoadedModel, store: BarSource, bar_end: int) -> dict[str, str]:
    """What a signal at a bar is made of: bars, weights, the features' code, the graph."""
    _, window = _window(champion, store, bar_end)
    table = _weights(champion, window, bar_end)
    return {
        "bars": digest(window, head=repr(window.symbols)),
        "weights": hashlib.sha256(json.dumps(table.by_symbol, sort_keys=True).encode()).hexdigest(),
        "features": champion.card.fingerprint,
        "graph": champion.model.graph.sha256,
    }


def aggregate_signal(
    champion: LoadedModel, answers: list[Prediction], table: Weights, reasons: dict[str, str], earlier: Array
) -> IndexSignal:
    """WSS and signal of fresh predictions; `earlier` is the WSS of the bars before, where the policy looks back.

    Raises LowCoverage.
    """
    settings = champion.settings
    scores = {answer.symbol: Action[answer.action].score for answer in answers}
    total = wss.aggregate(
        table.by_symbol,
        scores,
        {answer.symbol: answer.expected_score for answer in answers},
        floor=settings.policy.min_coverage,
        reasons=reasons,
    )
    spread = champion.card.wss_expected_sd
    around = interval(champion, table, total.wss_expected, instant(answers[0].as_of))
    warnings = sorted({warning for answer in answers for warning in answer.warnings})
    if table.index_share < LOW_SHARE:
        warnings.append("low_index_share")
    if around and spread and uncertainty.interval_contains(around, spread):
        warnings.append("uncertain_signal")
    return IndexSignal(
        index=settings.universe.index,
        signal_for=settings.universe.signal_for,
        signal=str(policy.signals(np.append(earlier, total.wss), **signal_rule_kwargs(settings.policy))[-1]),
        wss=total.wss,
        wss_expected=total.wss_expected,
        coverage=total.coverage,
        as_of=answers[0].as_of,
        predicts_for=answers[0].predicts_for,
        thresholds=Thresholds(settings.policy.buy, settings.policy.sell),
        missing=tuple(Missing(symbol, table.by_symbol[symbol], why) for symbol, why in sorted(reasons.items())),
        weights_as_of=table.as_of,
        constituents=tuple(
            Constituent(
                symbol=answer.symbol,
                weight=table.by_symbol[answer.symbol],
                action=answer.action,
                score=scores[answer.symbol],
                expected_score=answer.expected_score,
                confidence=answer.confidence,
                contribution=total.contributions[answer.symbol],
            )
            for answer in answers
        ),
        index_share=table.index_share,
        wss_z=total.wss_expected / spread if spread else None,
        model=champion.ref,
        paper=champion.ref.provisional,
        warnings=tuple(warnings),
        filter_coverage=_filter_coverage(champion, answers, table),
        wss_expected_interval=around,
    )


def _filter_coverage(champion: LoadedModel, answers: list[Prediction], table: Weights) -> float | None:
    acts = np.array([Action[answer.action] != Action.hold for answer in answers])
    wants = acts | np.array([not answer.policy.acted for answer in answers])
    weight = np.array([table.by_symbol[answer.symbol] for answer in answers])
    share = policy.filter_coverage(wants, acts, weight)
    return share if champion.sure.on and np.isfinite(share) else None


def _earlier(champion: LoadedModel, window: Bars, eligible: list[str]) -> Array:
    """WSS of the bars before the newest, as far as the policy looks back."""
    back = lookback_bars(champion.settings.policy)
    if not back:
        return np.array([])
    ends = np.unique(window.bar_end[np.isin(window.code, [window.symbols.index(symbol) for symbol in eligible])])
    said = predict_history(champion, window, since=int(ends[-back - 1 :][0]))
    settings = champion.settings
    return index_series(said, settings.universe, settings.policy, needed=champion.needed).wss[-back - 1 : -1]


def _window(champion: LoadedModel, store: BarSource, asof: int | None) -> tuple[list[str], Bars]:
    """The symbols that may be constituents, and the bars their answers need."""
    universe, held = champion.settings.universe, set(store.symbols())
    eligible = sorted(set(universe.symbols or held) & held - {universe.benchmark})
    if not eligible:
        raise NoBars(f"The store has no bars of the index's constituents; run the pipeline to fetch '{store.source}'.")
    return eligible, load_context_bars(champion, store, eligible, asof, back=lookback_bars(champion.settings.policy))


def _weights(champion: LoadedModel, window: Bars, instant: int) -> Weights:
    """Among the symbols that had a bar by then: one that was listed later is not missed."""
    return weigh(champion.settings.universe, instant, [symbol for symbol, rows in window if rows.stop > rows.start])
