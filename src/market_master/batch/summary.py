"""Summary of a batch run: predictions, realised labels and evaluation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from market_master.batch.result import BatchResult
from market_master.decision import policy
from market_master.domain import CLASSES, Array, as_json, iso
from market_master.index.series import IndexSeries
from market_master.index.signal import LOW_INDEX_SHARE
from market_master.market_data.providers import FetchResult
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.prediction_history import PredictionHistory
from market_master.prediction.window import warmup_shortfall
from market_master.stats import metrics
from market_master.stats.daily import day_t
from market_master.training.dataset import overlap

MIN_EVALUATED_SESSIONS = 10
"""below them nothing is evaluated"""
LOW_SAMPLE_SESSIONS = 30
"""below them the evaluation is marked as resting on few sessions"""
SILENT_FILTER_COVERAGE = 0.01
"""a confidence filter that lets less act than this share decides nothing"""


def summarise_batch(
    model: LoadedModel, result: BatchResult, fetched: FetchResult, path: Path, weights: Path | None
) -> dict[str, Any]:
    """Bars read, predictions, what is missing and why, and the evaluation where there is one; for `summary.json`."""
    predictions, bars = result.predictions, result.predictions.bars
    ends = bars.bar_end[predictions.rows]
    evaluation, reason = _evaluation(model, result)
    return {
        "model": as_json(model.ref),
        "bars": {
            "path": str(path),
            "timetable": vars(fetched.timetable),
            "symbols": len(bars.symbols),
            "bars": len(bars),
            "answered": len(predictions.rows),
            "first": iso(int(ends.min())),
            "last": iso(int(ends.max())),
        },
        "in_sample": {
            "until": iso(result.in_sample_until),
            "answers": int((ends <= result.in_sample_until).sum()),
            "told": "The champion learned from this time, or from labels of it: these rows are marked and not evaluated.",
        },
        "actions": {name: int((predictions.action == number).sum()) for number, name in enumerate(CLASSES)},
        "index": _index_summary(model, result.index, weights),
        "filter_coverage": _filter_coverage(model, predictions),
        "missing": _missing(model, result),
        "evaluation": evaluation,
        "evaluation_reason": reason,
        "notes": list(fetched.notes),
        "warnings": _warnings(model, result, fetched),
    }


def summary_metrics(summary: dict[str, Any]) -> dict[str, float | None]:
    """The summary's numbers, flat, for MLflow."""
    flat: dict[str, float | None] = {
        "answered": summary["bars"]["answered"],
        "bars_without_signal": summary["index"]["without_signal"],
        "coverage": summary["index"]["coverage"],
        "filter_coverage": summary["filter_coverage"],
    }
    evaluation = summary["evaluation"] or {}
    for part in ("scorecard", "index"):
        flat |= {k: v for k, v in evaluation.get(part, {}).items() if isinstance(v, (int, float))}
    return flat


def _index_summary(model: LoadedModel, index: IndexSeries, weights: Path | None) -> dict[str, Any]:
    return {
        "index": model.settings.universe.index,
        "signal_for": model.settings.universe.signal_for,
        "weights": str(weights) if weights else "equal",
        "weights_as_of": sorted({as_of for as_of in index.weights_as_of if as_of is not None}),
        "bars": len(index),
        "signals": dict(Counter(signal for signal in index.signal if signal)),
        "without_signal": sum(signal is None for signal in index.signal),
        "coverage": _statistic(np.nanmean, index.coverage),
        "index_share": _statistic(np.nanmin, index.index_share),
        "wss_sd": _statistic(np.nanstd, index.wss),
    }


def _evaluation(model: LoadedModel, result: BatchResult) -> tuple[dict[str, Any] | None, str | None]:
    """The scorecard of the out-of-sample predictions with an outcome, and WSS against the basket's next z; or why there is none."""
    predictions, bars, labels = result.predictions, result.predictions.bars, result.labels
    chosen = np.flatnonzero(labels.known[predictions.rows] & (bars.bar_end[predictions.rows] > result.in_sample_until))
    rows = predictions.rows[chosen]
    sessions = len(np.unique(bars.session[rows]))
    if sessions < MIN_EVALUATED_SESSIONS:
        return None, (
            f"{len(rows)} answers of {sessions} sessions have an outcome and are not in sample; {MIN_EVALUATED_SESSIONS} sessions "
            "are needed."
        )
    lag = overlap(bars, labels)
    card = metrics.scorecard(
        model.card.candidate,
        "model",
        probabilities=predictions.probabilities[chosen],
        prior=np.tile(model.calibration.prior, (len(rows), 1)),
        decided=predictions.action[chosen],
        action=labels.action[rows],
        z=labels.z[rows],
        session=bars.session[rows],
        fit_seconds=0.0,
        folds=1,
        bar_end=bars.bar_end[rows],
        overlap=lag,
    )
    return {
        "rows": len(rows),
        "sessions": sessions,
        "low_sample": sessions < LOW_SAMPLE_SESSIONS,
        "scorecard": as_json(card),
        "index": _index_evaluation(result, lag),
    }, None


def _index_evaluation(result: BatchResult, lag: int) -> dict[str, Any]:
    """WSS and its expected twin against the basket's next z: correlation over time, and its t by day (Newey and West)."""
    index, bars, z = result.index, result.predictions.bars, result.basket_z
    known = np.isfinite(z) & np.isfinite(index.wss) & (index.bar_end > result.in_sample_until)
    if not known.any():
        return {"bars": 0}
    ends, first_row = np.unique(bars.bar_end, return_index=True)
    session = bars.session[first_row][np.searchsorted(ends, index.bar_end[known])]
    evaluation: dict[str, Any] = {"bars": int(known.sum())}
    for name, score in (("wss", index.wss[known]), ("wss_expected", index.wss_expected[known])):
        evaluation[f"{name}_ic"] = metrics.ic(score, z[known])
        evaluation[f"{name}_ic_t"] = day_t(metrics.ic_terms(score, z[known]), session, lag)
    return evaluation


def _missing(model: LoadedModel, result: BatchResult) -> list[dict[str, Any]]:
    """Constituents missing at some bars of the index, how often, and the first reason; symbols without any prediction."""
    bars = result.predictions.bars
    bars_missed, reasons = Counter[str](), dict[str, str]()
    for constituents in result.index.missing:
        for symbol, _, reason in constituents:
            bars_missed[symbol] += 1
            reasons.setdefault(symbol, reason)
    predicted = set(np.unique(bars.code[result.predictions.rows]).tolist())
    for code, symbol in enumerate(bars.symbols):
        if code not in predicted:
            available = int(bars.offsets[code + 1] - bars.offsets[code])
            reasons[symbol] = warmup_shortfall(available, model.required_bars)
    return [{"symbol": symbol, "bars": bars_missed[symbol], "reason": reasons[symbol]} for symbol in sorted(reasons)]


def _filter_coverage(model: LoadedModel, predictions: PredictionHistory) -> float | None:
    """Of all predictions on which the rule would act, the share that the confidence filter let; None without a filter."""
    rule_acts, acts = predictions.rule_action != policy.HOLD, predictions.action != policy.HOLD
    share = policy.filter_coverage(rule_acts, acts, np.ones(len(rule_acts)))
    return _finite(share) if model.confidence_filter.on else None


def _warnings(model: LoadedModel, result: BatchResult, fetched: FetchResult) -> list[str]:
    share, card = _filter_coverage(model, result.predictions), model.card
    low = np.isfinite(result.index.index_share) & (result.index.index_share < LOW_INDEX_SHARE)
    warnings = {
        "low_index_share": bool(low.any()),
        "no_directional_edge": model.calibration.shrinkage == 0,
        "other_grid": fetched.timetable.grid != card.times.grid,
        "silent_filter": share is not None and share < SILENT_FILTER_COVERAGE,
        "unseen_symbol": bool(set(result.predictions.bars.symbols) - set(card.symbols)),
    }
    return [warning for warning, holds in warnings.items() if holds]


def _statistic(function: Any, values: Array) -> float | None:
    """A statistic of the finite values; None where there is none."""
    return _finite(float(function(values))) if np.isfinite(values).any() else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
