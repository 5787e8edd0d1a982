"""Drift of features, predictions and labels from a version's training window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master import features
from market_master.artifact.reference_window import Reference, sample
from market_master.decision import policy
from market_master.domain import Array, Bars, Ints, expected_score
from market_master.monitoring.performance import LoggedPredictions
from market_master.monitoring.reading import (
    ALARM_STREAK,
    MIN_PAST_BLOCKS,
    NOT_ENOUGH_HISTORY,
    Reading,
    compare_with_past_blocks,
    evaluate_limit,
    has_enough_history,
    insufficient_history,
)
from market_master.plugins import load_family
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats import metrics
from market_master.stats.distances import FAR, STATISTICS, Counts, unusual, windows
from market_master.stats.domain_classifier import domain_auc

WINDOWS = (5, 20)
"""sessions"""
LEVEL_UNITS = ("ln", "days", "")
"""units of features that follow the level of prices' spread or volume, or the clock: told, never an alarm"""
MAX_DOMAIN_AUC = 0.75
"""AUC above which two samples are different whatever the past says"""
CLASSIFIER_ROWS = 1500
"""at most, of each side of the classifier"""
FAMILY_LIMIT_ORIGIN = f"the largest, and at least {FAR:g} deviations above the mean,"
NULL_AUC_QUANTILE = 0.95
"""of the past blocks' AUC: the limit"""


@dataclass(frozen=True, eq=False)
class CurrentWindow:
    """The features of the newest whole sessions, with no more rows of each than the reference keeps."""

    values: Array
    session: Ints
    bars: Bars
    rows: Ints
    """of these bars"""


def current_window(champion: LoadedModel, bars: Bars) -> CurrentWindow:
    """Of stored bars, as many sessions as the longest window's evaluations need."""
    card = champion.card
    card.verify_features(features.fingerprint(card.features))
    schedule = bars.timetable.between(bars.newest, bars.newest)
    per_session = int(schedule.slot.max()) + 1
    ends = schedule.end[schedule.session == bars.session.max()]
    days = np.unique(bars.session)
    days = days[: len(days) - (bars.newest < ends.max())][-(max(WINDOWS) + ALARM_STREAK - 1) :]
    recent = bars.tail(card.warmup + 1 + per_session * (len(days) + 1))
    values = features.compute(recent, card.features, members=card.members)
    is_member = np.isin(np.asarray(recent.symbols)[recent.code], card.members)
    rows = np.flatnonzero(np.isfinite(values).all(axis=1) & np.isin(recent.session, days) & is_member)
    rows = rows[sample(recent.session[rows])]
    rows = rows[np.argsort(recent.bar_end[rows], kind="stable")]
    return CurrentWindow(values[rows].astype(np.float32).astype(float), recent.session[rows], recent, rows)


@dataclass(frozen=True, eq=False)
class ReferenceDistances:
    """Counts of the features in the training window, and how far its own blocks lie from the others."""

    names: tuple[str, ...]
    can_alarm: NDArray[np.bool_]
    """by feature: no level"""
    values: Array
    """of the features that can alarm, in the training window, as are the sessions"""
    session: Ints
    counts: Counts
    past: dict[int, Array]
    """distances of blocks, by length in sessions"""

    @classmethod
    def of(cls, reference: Reference) -> ReferenceDistances:
        """Of a version's training window."""
        plugins = load_family("features")
        can_alarm = np.array([plugins[name].metadata["unit"] not in LEVEL_UNITS for name in reference.names.tolist()])
        values, session = reference.values[reference.learned].astype(float), reference.session[reference.learned]
        counts = Counts.of(values, session)
        past = {length: counts.past(length) for length in WINDOWS}
        return cls(tuple(reference.names.tolist()), can_alarm, values[:, can_alarm], session, counts, past)

    @cached_property
    def null_auc(self) -> Array:
        """AUC of a classifier between a block as long as the longest window and the rest; empty for too few blocks."""
        days, sessions = np.unique(self.session), max(WINDOWS)
        if len(days) - sessions < MIN_PAST_BLOCKS:
            return np.empty(0)
        starts = np.linspace(0, len(days) - sessions, MIN_PAST_BLOCKS).astype(int)
        blocks = [np.isin(self.session, days[start : start + sessions]) for start in starts]
        return np.array([self.auc(~block, self.values[block], self.session[block]) for block in blocks])

    def auc(self, reference_rows: NDArray[np.bool_], values: Array, session: Ints) -> float:
        """Of a classifier between some of its rows and another window's, of the features that can alarm."""
        return domain_auc(
            self.values[reference_rows], self.session[reference_rows], values, session, max_rows=CLASSIFIER_ROWS
        )


@lru_cache(maxsize=2)
def load_reference_distances(folder: Path) -> tuple[Reference, ReferenceDistances]:
    """A version's reference window, which never changes, and the distances within it."""
    reference = Reference.read(folder)
    return reference, ReferenceDistances.of(reference)


def feature_drift(distances: ReferenceDistances, current: CurrentWindow) -> list[Reading]:
    """Each feature's own distances, and for each window the most unusual of all that are no levels, as one alarm."""
    readings, counts = [], distances.counts.counted(current.values, current.session)
    for sessions, past in distances.past.items():
        now = distances.counts.now(counts, sessions, ALARM_STREAK)
        readings.append(
            _family_reading("features", sessions, past[:, distances.can_alarm], now[:, distances.can_alarm])
        )
        if readings[-1].state == NOT_ENOUGH_HISTORY:
            continue
        for column, name in enumerate(distances.names):
            cause = "feature" if distances.can_alarm[column] else "level"
            readings += [
                compare_with_past_blocks(
                    cause, f"{name} {kind}", sessions, past=past[:, column, k], now=now[:, column, k]
                )
                for k, kind in enumerate(STATISTICS)
            ]
    return readings


def joint_drift(distances: ReferenceDistances, current: CurrentWindow) -> Reading:
    """AUC of a classifier between the newest sessions and the training window, against that of the window's own blocks."""
    sessions, days = max(WINDOWS), np.unique(current.session)
    ends = range(max(sessions, len(days) - ALARM_STREAK + 1), len(days) + 1) if len(distances.null_auc) else range(0)
    all_rows = np.ones(len(distances.session), dtype=bool)
    parts = [np.isin(current.session, days[end - sessions : end]) for end in ends]
    now = [
        distances.auc(all_rows, current.values[part][:, distances.can_alarm], current.session[part]) for part in parts
    ]
    past = distances.null_auc
    limit = min(float(np.quantile(past, NULL_AUC_QUANTILE)), MAX_DOMAIN_AUC) if len(past) else MAX_DOMAIN_AUC
    origin = f"the {NULL_AUC_QUANTILE:.0%} quantile, at most {MAX_DOMAIN_AUC},"
    return compare_with_past_blocks(
        "domain", "domain classifier's AUC", sessions, past=past, now=np.array(now), limit=limit, limit_origin=origin
    )


def prediction_drift(reference: Reference, predictions: LoggedPredictions, champion: LoadedModel) -> list[Reading]:
    """Shares of the actions, expected score, its spread and the entropy, against out-of-sample answers; one alarm a window."""
    rows = np.isfinite(reference.probabilities[:, 0])
    rule, cuts = champion.settings.policy.rule, champion.calibration.cuts

    def columns(probabilities: Array) -> Array:
        score = expected_score(probabilities)
        entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
        return np.column_stack(
            [np.eye(5)[policy.assign_actions(probabilities, rule, cuts)], score, np.abs(score), entropy]
        )

    return [
        *_mean_drift(
            "predictions",
            (columns(reference.probabilities[rows]), reference.session[rows]),
            (columns(predictions.all_probabilities), predictions.all_session),
        ),
        *_mean_drift(
            "labels",
            (np.eye(5)[reference.action], reference.session),
            (np.eye(5)[predictions.action], predictions.session),
        ),
    ]


def calibration_drift(reference: Reference, predictions: LoggedPredictions) -> Reading:
    """Expected calibration error of predictions with an outcome against that of past blocks of out-of-sample answers."""
    sessions, rows = max(WINDOWS), np.isfinite(reference.probabilities[:, 0])

    def errors(probabilities: Array, action: NDArray[np.int8], session: Ints, newest: int | None) -> Array:
        days = np.unique(session)
        ends = range(sessions, len(days) + 1)[-newest if newest else None :]
        parts = [np.isin(session, days[end - sessions : end]) for end in ends]
        return np.array([metrics.ece(probabilities[part], action[part]) for part in parts])

    past = errors(reference.probabilities[rows], reference.action[rows], reference.session[rows], None)
    now = errors(predictions.probabilities, predictions.action, predictions.session, ALARM_STREAK)
    return compare_with_past_blocks("calibration", "expected calibration error", sessions, past=past, now=now)


def constant_predictions(predictions: LoggedPredictions, champion: LoadedModel) -> Reading:
    """Whether a model that knows direction gave every row of the newest session the same expected score."""
    score = expected_score(
        predictions.all_probabilities[predictions.all_session == predictions.all_session.max(initial=-1)]
    )
    if champion.calibration.shrinkage == 0 or len(score) < 2:
        return insufficient_history(
            "constant", "spread of expected scores", 1, "No directional edge, or no prediction in the log."
        )
    constant = np.array([float(np.ptp(score) < 1e-9)])
    return evaluate_limit("constant", "all expected scores alike", 1, constant, 0.5, "1 is yes", min_streak=1)


def _mean_drift(cause: str, before: tuple[Array, Ints], after: tuple[Array, Ints]) -> list[Reading]:
    """How far window means lie from the mean of all other sessions, over all columns as one family."""
    readings = []
    sums = [_sums(*rows) for rows in (before, after)]
    for sessions in WINDOWS:
        blocks, now = windows(sums[0], sessions), windows(sums[1], sessions)[-ALARM_STREAK:]
        total = sums[0].sum(axis=0)
        gaps = [
            np.abs(_mean(part) - _mean(others))[..., None] for part, others in ((blocks, total - blocks), (now, total))
        ]
        readings.append(_family_reading(cause, sessions, *gaps))
    return readings


def _family_reading(cause: str, sessions: int, past: Array, now: Array) -> Reading:
    """The most unusual of many columns, as one reading."""
    past_worst, worst, limit = unusual(past, now) if has_enough_history(past, now) else (past, now, None)
    return compare_with_past_blocks(
        cause, cause, sessions, past=past_worst, now=worst, limit=limit, limit_origin=FAMILY_LIMIT_ORIGIN
    )


def _sums(values: Array, session: Ints) -> Array:
    """[sessions, columns + 1]: sums, and rows in the last column."""
    days, day_index = np.unique(session, return_inverse=True)
    stacked = np.column_stack([values, np.ones(len(values))])
    return np.column_stack([np.bincount(day_index, weights=column, minlength=len(days)) for column in stacked.T])


def _mean(sums: Array) -> Array:
    """NaN where there is no row."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sums[..., :-1] / sums[..., -1:])
