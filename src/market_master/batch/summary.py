"""Outcome: what a champion said of some bars, what came of it, and both in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from market_master.decision import policy
from market_master.domain.actions import CLASSES
from market_master.domain.arrays import Array
from market_master.domain.clock import iso
from market_master.domain.records import as_json
from market_master.index.series import IndexSeries
from market_master.index.signal import LOW_SHARE
from market_master.labels import Labels
from market_master.market_data.providers import FetchResult
from market_master.prediction.history import PredictionHistory
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats import metrics
from market_master.stats.daily import day_t
from market_master.training.dataset import overlap

LEAST_SESSIONS, LOW_SAMPLE = 10, 30
"""below the first nothing is evaluated; below the second the numbers say of themselves that they rest on few sessions"""
SILENT = 0.01
"""of what wants to act: a confidence filter that lets less through decides nothing"""


@dataclass(frozen=True, eq=False)
class BatchResult:
    """What a champion said of all bars, and what came of it."""

    said: PredictionHistory
    index: IndexSeries
    labels: Labels
    """of all bars, by the champion's own label"""
    learned_until: int
    """the last label the champion learned from was known then; later bars are out of sample, the hold-out among them"""

    @property
    def basket_z(self) -> Array:
        """Weighted z of the constituents over the bar after each of the index's; NaN where none is known."""
        bars, index = self.said.bars, self.index
        tables = list({id(table): table for table in index.weights}.values())
        weight = np.array([[table.get(symbol, 0.0) for symbol in bars.symbols] for table in tables])
        place = {id(table): number for number, table in enumerate(tables)}
        table_of = np.array([place[id(table)] for table in index.weights], dtype=np.int64)
        rows = np.flatnonzero(self.labels.known & np.isin(bars.bar_end, index.bar_end))
        at = np.searchsorted(index.bar_end, bars.bar_end[rows])
        part = weight[table_of[at], bars.code[rows]]
        covered = np.bincount(at, weights=part, minlength=len(index))
        total = np.bincount(at, weights=part * self.labels.z[rows], minlength=len(index))
        return np.where(covered > 0, total / np.where(covered > 0, covered, 1.0), np.nan)


def summarise(
    champion: LoadedModel, came: BatchResult, fetched: FetchResult, path: Path, weights: Path | None
) -> dict[str, Any]:
    """What was read, said, missing and why, and how good it was where that can be told; plain values for `summary.json`."""
    said, index, bars = came.said, came.index, came.said.bars
    ends = bars.bar_end[said.rows]
    evaluation, reason = _evaluation(champion, came)
    return {
        "model": as_json(champion.ref),
        "bars": {
            "path": str(path),
            "timetable": vars(fetched.timetable),
            "symbols": len(bars.symbols),
            "bars": len(bars),
            "answered": len(said.rows),
            "first": iso(int(ends.min())),
            "last": iso(int(ends.max())),
        },
        "in_sample": {
            "until": iso(came.learned_until),
            "answers": int((ends <= came.learned_until).sum()),
            "told": "The champion learned from this time, or from labels of it: these rows are marked and not evaluated.",
        },
        "actions": {name: int((said.action == place).sum()) for place, name in enumerate(CLASSES)},
        "index": {
            "index": champion.settings.universe.index,
            "signal_for": champion.settings.universe.signal_for,
            "weights": str(weights) if weights else "equal",
            "weights_as_of": sorted({as_of for as_of in index.weights_as_of if as_of is not None}),
            "bars": len(index),
            "signals": dict(Counter(word for word in index.signal if word)),
            "without_signal": sum(word is None for word in index.signal),
            "coverage": _finite(float(np.nanmean(index.coverage))) if np.isfinite(index.coverage).any() else None,
            "index_share": _finite(float(np.nanmin(index.index_share)))
            if np.isfinite(index.index_share).any()
            else None,
            "wss_sd": _finite(float(np.nanstd(index.wss))) if np.isfinite(index.wss).any() else None,
        },
        "filter_coverage": _filter_coverage(champion, said),
        "missing": _missing(came, champion),
        "evaluation": evaluation,
        "evaluation_reason": reason,
        "notes": list(fetched.notes),
        "warnings": _warnings(champion, came, fetched),
    }


def numbers(summary: dict[str, Any]) -> dict[str, float | None]:
    """The summary's numbers, flat, for MLflow."""
    told: dict[str, float | None] = {
        "answered": summary["bars"]["answered"],
        "bars_without_signal": summary["index"]["without_signal"],
        "coverage": summary["index"]["coverage"],
        "filter_coverage": summary["filter_coverage"],
    }
    parts = summary["evaluation"] or {}
    for part in ("scorecard", "index"):
        told |= {k: v for k, v in parts.get(part, {}).items() if isinstance(v, (int, float))}
    return told


def _evaluation(champion: LoadedModel, came: BatchResult) -> tuple[dict[str, Any] | None, str | None]:
    """The scorecard of the answers that are out of sample and have an outcome, and the WSS beside the basket's next z."""
    said, bars, labels = came.said, came.said.bars, came.labels
    chosen = np.flatnonzero(labels.known[said.rows] & (bars.bar_end[said.rows] > came.learned_until))
    rows = said.rows[chosen]
    sessions = len(np.unique(bars.session[rows]))
    if sessions < LEAST_SESSIONS:
        return None, (
            f"{len(rows)} answers of {sessions} sessions have an outcome and are not in sample; {LEAST_SESSIONS} sessions "
            "are needed."
        )
    lag = overlap(bars, labels)
    card = metrics.scorecard(
        champion.card.candidate,
        "model",
        probabilities=said.probabilities[chosen],
        prior=np.tile(champion.calibration.prior, (len(rows), 1)),
        decided=said.action[chosen],
        action=labels.action[rows],
        z=labels.z[rows],
        session=bars.session[rows],
        fit_seconds=0.0,
        folds=1,
        bar_end=bars.bar_end[rows],
        overlap=lag,
    )
    told = {"rows": len(rows), "sessions": sessions, "low_sample": sessions < LOW_SAMPLE, "scorecard": as_json(card)}
    return told | {"index": _index_evaluation(came, lag)}, None


def _index_evaluation(came: BatchResult, lag: int) -> dict[str, Any]:
    """WSS and its expected twin against the basket's next z: correlation over time, and its t by day (Newey and West)."""
    index, bars, z = came.index, came.said.bars, came.basket_z
    there = np.isfinite(z) & np.isfinite(index.wss) & (index.bar_end > came.learned_until)
    if not there.any():
        return {"bars": 0}
    ends, first = np.unique(bars.bar_end, return_index=True)
    session = bars.session[first][np.searchsorted(ends, index.bar_end[there])]
    found: dict[str, Any] = {"bars": int(there.sum())}
    for name, score in (("wss", index.wss[there]), ("wss_expected", index.wss_expected[there])):
        found[f"{name}_ic"] = metrics.ic(score, z[there])
        found[f"{name}_ic_t"] = day_t(metrics.ic_terms(score, z[there]), session, lag)
    return found


def _missing(came: BatchResult, champion: LoadedModel) -> list[dict[str, Any]]:
    """Constituents that were missing at some bars of the index, how often, and the first reason; symbols never answered."""
    index, bars = came.index, came.said.bars
    times, why = Counter[str](), dict[str, str]()
    for lost in index.missing:
        for symbol, _, words in lost:
            times[symbol] += 1
            why.setdefault(symbol, words)
    answered = set(np.unique(bars.code[came.said.rows]).tolist())
    for code, symbol in enumerate(bars.symbols):
        if code not in answered:
            given = int(bars.offsets[code + 1] - bars.offsets[code])
            why[symbol] = f"{given} bars were given, {champion.required_bars} are needed for the features' warm-up."
    return [{"symbol": symbol, "bars": times[symbol], "reason": why[symbol]} for symbol in sorted(why)]


def _filter_coverage(champion: LoadedModel, said: PredictionHistory) -> float | None:
    """Of all answers that wanted to act, the share that the confidence filter let; None without a filter."""
    wants, acts = said.rule_action != policy.HOLD, said.action != policy.HOLD
    share = policy.filter_coverage(wants, acts, np.ones(len(wants)))
    return _finite(share) if champion.confidence_filter.on else None


def _warnings(champion: LoadedModel, came: BatchResult, fetched: FetchResult) -> list[str]:
    share, card = _filter_coverage(champion, came.said), champion.card
    low = np.isfinite(came.index.index_share) & (came.index.index_share < LOW_SHARE)
    said = {
        "low_index_share": bool(low.any()),
        "no_directional_edge": champion.calibration.shrinkage == 0,
        "other_grid": fetched.timetable.grid != card.times.grid,
        "silent_filter": share is not None and share < SILENT,
        "unseen_symbol": bool(set(came.said.bars.symbols) - set(card.symbols)),
    }
    return [word for word, holds in said.items() if holds]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
