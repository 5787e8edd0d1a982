"""Predict: the newest closed bar of each symbol, through the same features as in training, to an action. No label is in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from market_master import features
from market_master.domain.actions import CLASSES, Action, expected_score
from market_master.domain.arrays import SymbolSeries
from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import ContextMissing, NoBars, TooFewBars
from market_master.domain.model_inputs import UNSEEN, model_inputs
from market_master.domain.records import ActedPolicy, Prediction, PredictionObserver, Provenance, Span
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.window import BarSource, load_context_bars, require_fresh, require_warmup


def predict_stored(
    champion: LoadedModel,
    store: BarSource,
    symbols: Sequence[str],
    *,
    now: int,
    asof: int | None = None,
    seen: PredictionObserver | None = None,
) -> list[Prediction]:
    """One prediction for each symbol from its newest stored bar (closed by `asof`, if given).

    Raises UnknownSymbol, TooFewBars, or StaleData when a live provider's bar is older than the policy allows.
    """
    window = load_context_bars(champion, store, symbols, asof)
    answered = predict_bars(champion, window, symbols, now=now, seen=seen)
    for prediction, symbol in zip(answered, symbols, strict=True):
        require_fresh(champion, int(window.bar_end[window.rows(symbol)][-1]), now, prediction.symbol)
    return answered


def predict_posted(
    champion: LoadedModel,
    posted: Bars,
    symbol: str,
    store: BarSource | None,
    *,
    context: SymbolSeries,
    now: int,
    seen: PredictionObserver | None = None,
) -> Prediction:
    """A prediction from bars a client sent; market features take the other symbols from `context`, else from the store.

    Raises TooFewBars, or ContextMissing when the market at the same bar_end is in neither.
    """
    require_warmup(champion, len(posted))
    bars = posted.tail(champion.card.warmup + 1)
    if champion.needs_market:
        bars = _merge_market_context(champion, bars, symbol, store, context)
    return predict_bars(champion, bars, [symbol], now=now, provider="posted", seen=seen)[0]


def predict_bars(
    champion: LoadedModel,
    bars: Bars,
    symbols: Sequence[str],
    *,
    now: int,
    provider: str | None = None,
    seen: PredictionObserver | None = None,
) -> list[Prediction]:
    """Predictions for the newest bar of some symbols, from bars that hold their warm-up (and the market, if needed).

    `seen` is told of the predictions and of the model inputs behind them.
    """
    card = champion.card
    for symbol in symbols:
        require_warmup(champion, len(bars.bar_end[bars.rows(symbol)]), symbol)
    newest = np.array([bars.rows(symbol).stop - 1 for symbol in symbols])
    order = newest.argsort()
    values = features.compute(bars, card.features, members=card.members, only=newest[order])[order.argsort()]
    incomplete = ~np.isfinite(values).all(axis=1)
    if incomplete.any():
        at = int(np.flatnonzero(incomplete)[0])
        lacking = [name for name, value in zip(card.features, values[at], strict=True) if not np.isfinite(value)]
        raise TooFewBars(
            f"{symbols[at]} has no value for {len(lacking)} features, the first '{lacking[0]}'; send more bars."
        )
    inputs = model_inputs(values, bars.symbols, bars.code[newest], card.symbols)
    probabilities, decided = champion.answer(inputs)
    scores = expected_score(probabilities)
    answered = [
        Prediction(
            symbol=symbol,
            action=Action(int(decided.acted[n])).name,
            expected_score=float(scores[n]),
            confidence=float(probabilities[n].max()),
            probabilities=dict(zip(CLASSES, probabilities[n].tolist(), strict=True)),
            as_of=iso(bars.bar_end[row]),
            predicts_for=Span(iso(bars.next_start[row]), iso(bars.next_end[row])),
            model=champion.ref,
            policy=ActedPolicy(champion.settings.policy.rule, bool(decided.acted[n] == decided.wanted[n])),
            provenance=Provenance(provider or card.settings["provider"]["kind"], int(now - bars.bar_end[row])),
            warnings=_warnings(champion, inputs[n, -1] == UNSEEN),
        )
        for n, (symbol, row) in enumerate(zip(symbols, newest, strict=True))
    ]
    if seen:
        seen(answered, inputs)
    return answered


def _warnings(champion: LoadedModel, unseen: bool) -> tuple[str, ...]:
    said = {"unseen_symbol": unseen, "no_directional_edge": champion.calibration.shrinkage == 0}
    return tuple(word for word, holds in said.items() if holds)


def _merge_market_context(
    champion: LoadedModel, bars: Bars, symbol: str, store: BarSource | None, context: SymbolSeries
) -> Bars:
    """The posted bars among the other members' at the same times."""
    newest, others = bars.newest, [member for member in champion.card.members if member != symbol]
    try:
        stored = store.bars(last=champion.card.warmup + 1, until=newest) if store else None
    except NoBars:
        stored = None
    series: dict[str, Mapping[str, np.ndarray]] = {}
    if stored:
        series |= {s: stored.series(s) for s in others if s in stored.symbols}
    series |= {s: columns for s, columns in context.items() if s != symbol}
    missing = [s for s in others if s not in series or newest not in series[s]["bar_end"]]
    floor = champion.settings.policy.min_coverage
    if others and 1 - len(missing) / len(others) < floor:
        raise ContextMissing(
            f"The champion looks at the whole market, and {len(missing)} of {len(others)} other symbols have no bar that "
            f"ends {iso(newest)}, neither stored nor in `context`: {', '.join(missing[:10])}.",
            missing=missing,
            bar_end=iso(newest),
        )
    return bars.with_series(series)
