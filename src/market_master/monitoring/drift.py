"""Drift: have the features, the answers or the labels moved from what the version was made with?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master import features
from market_master.artifact.reference_window import Reference, sample
from market_master.decision import policy
from market_master.domain.actions import expected_score
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.monitoring.performance import LoggedPredictions
from market_master.monitoring.reading import (
    IN_A_ROW,
    LEAST_BLOCKS,
    TOO_LITTLE,
    Reading,
    compare_with_past_blocks,
    enough,
    evaluate_limit,
    insufficient_history,
)
from market_master.plugins import load_family
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats import metrics
from market_master.stats.distances import FAR, STATISTICS, Counts, unusual, windows
from market_master.stats.domain_classifier import domain_auc

WINDOWS = (5, 20)
"""sessions"""
LEVELS = ("ln", "days", "")
"""units of features that follow the level of prices' spread or volume, or the clock: told, never an alarm"""
FAR_APART = 0.75
"""AUC at which two samples are different whatever the past says"""
MOST = 1500
"""rows of each side of the classifier"""
FAR_OUT = f"the largest, and at least {FAR:g} deviations above the mean,"
USUAL = 0.95
"""quantile of the past blocks' AUC"""


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
    schedule = bars.timetable.between(bars.newest, bars.newest)
    per_session = int(schedule.slot.max()) + 1
    ends = schedule.end[schedule.session == bars.session.max()]
    days = np.unique(bars.session)
    days = days[: len(days) - (bars.newest < ends.max())][-(max(WINDOWS) + IN_A_ROW - 1) :]
    recent = bars.tail(card.warmup + 1 + per_session * (len(days) + 1))
    values = features.compute(recent, card.features, members=card.members)
    known = np.isin(np.asarray(recent.symbols)[recent.code], card.members)
    rows = np.flatnonzero(np.isfinite(values).all(axis=1) & np.isin(recent.session, days) & known)
    rows = rows[sample(recent.session[rows])]
    rows = rows[np.argsort(recent.bar_end[rows], kind="stable")]
    return CurrentWindow(values[rows].astype(np.float32).astype(float), recent.session[rows], recent, rows)


@dataclass(frozen=True, eq=False)
class ReferenceDistances:
    """What is usual of the features: their counts in the training window, and how far its own blocks lie apart."""

    names: tuple[str, ...]
    watched: NDArray[np.bool_]
    values: Array
    """of the watched features in the training window, as are the sessions"""
    session: Ints
    counts: Counts
    past: dict[int, Array]
    """distances of blocks, by length in sessions"""

    @classmethod
    def of(cls, reference: Reference) -> ReferenceDistances:
        """Of a version's training window."""
        known = load_family("features")
        watched = np.array([known[name].metadata["unit"] not in LEVELS for name in reference.names.tolist()])
        values, session = reference.values[reference.learned].astype(float), reference.session[reference.learned]
        counts = Counts.of(values, session)
        past = {length: counts.past(length) for length in WINDOWS}
        return cls(tuple(reference.names.tolist()), watched, values[:, watched], session, counts, past)

    @cached_property
    def told_apart(self) -> Array:
        """AUC of a classifier between a block as long as the longest window and the rest; empty for too few blocks."""
        days, sessions = np.unique(self.session), max(WINDOWS)
        if len(days) - sessions < LEAST_BLOCKS:
            return np.empty(0)
        starts = np.linspace(0, len(days) - sessions, LEAST_BLOCKS).astype(int)
        blocks = [np.isin(self.session, days[start : start + sessions]) for start in starts]
        return np.array([self.auc(~block, self.values[block], self.session[block]) for block in blocks])

    def auc(self, rest: NDArray[np.bool_], values: Array, session: Ints) -> float:
        """Between some of its rows and other rows of the watched features."""
        return domain_auc(self.values[rest], self.session[rest], values, session, most=MOST)


@lru_cache(maxsize=2)
def load_reference_distances(folder: Path) -> tuple[Reference, ReferenceDistances]:
    """The reference that lies beside a version, and what is usual of it: it never changes."""
    reference = Reference.read(folder)
    return reference, ReferenceDistances.of(reference)


def feature_drift(usual: ReferenceDistances, current: CurrentWindow) -> list[Reading]:
    """Each feature's own distances, and for each window the most unusual of all that are no levels, as one alarm."""
    told, fresh = [], usual.counts.counted(current.values, current.session)
    for sessions, past in usual.past.items():
        now = usual.counts.now(fresh, sessions, IN_A_ROW)
        told.append(_family("features", sessions, past[:, usual.watched], now[:, usual.watched]))
        if told[-1].state == TOO_LITTLE:
            continue
        for column, name in enumerate(usual.names):
            cause = "feature" if usual.watched[column] else "level"
            told += [
                compare_with_past_blocks(
                    cause, f"{name} {kind}", sessions, past=past[:, column, k], now=now[:, column, k]
                )
                for k, kind in enumerate(STATISTICS)
            ]
    return told


def joint_drift(usual: ReferenceDistances, current: CurrentWindow) -> Reading:
    """Can a classifier tell the newest sessions from the training window better than it can tell that one's own blocks?"""
    sessions, days = max(WINDOWS), np.unique(current.session)
    ends = range(max(sessions, len(days) - IN_A_ROW + 1), len(days) + 1) if len(usual.told_apart) else range(0)
    whole = np.ones(len(usual.session), dtype=bool)
    parts = [np.isin(current.session, days[end - sessions : end]) for end in ends]
    now = [usual.auc(whole, current.values[part][:, usual.watched], current.session[part]) for part in parts]
    past = usual.told_apart
    limit = min(float(np.quantile(past, USUAL)), FAR_APART) if len(past) else FAR_APART
    whence = f"the {USUAL:.0%} quantile, at most {FAR_APART},"
    return compare_with_past_blocks(
        "domain", "domain classifier's AUC", sessions, past=past, now=np.array(now), limit=limit, whence=whence
    )


def answer_drift(reference: Reference, settled: LoggedPredictions, champion: LoadedModel) -> list[Reading]:
    """Shares of the actions, expected score, its spread and the entropy, against out-of-sample answers; one alarm a window."""
    there = np.isfinite(reference.probabilities[:, 0])
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
            (columns(reference.probabilities[there]), reference.session[there]),
            (columns(settled.all_probabilities), settled.all_session),
        ),
        *_mean_drift(
            "labels", (np.eye(5)[reference.action], reference.session), (np.eye(5)[settled.action], settled.session)
        ),
    ]


def calibration_drift(reference: Reference, settled: LoggedPredictions) -> Reading:
    """Expected calibration error of settled predictions against that of past blocks of out-of-sample answers."""
    sessions, there = max(WINDOWS), np.isfinite(reference.probabilities[:, 0])

    def errors(probabilities: Array, action: NDArray[np.int8], session: Ints, most: int | None) -> Array:
        days = np.unique(session)
        ends = range(sessions, len(days) + 1)[-most if most else None :]
        parts = [np.isin(session, days[end - sessions : end]) for end in ends]
        return np.array([metrics.ece(probabilities[part], action[part]) for part in parts])

    past = errors(reference.probabilities[there], reference.action[there], reference.session[there], None)
    now = errors(settled.probabilities, settled.action, settled.session, IN_A_ROW)
    return compare_with_past_blocks("calibration", "expected calibration error", sessions, past=past, now=now)


def constant_answers(settled: LoggedPredictions, champion: LoadedModel) -> Reading:
    """Does a model that knows direction say the same of everything? The newest session says."""
    score = expected_score(settled.all_probabilities[settled.all_session == settled.all_session.max(initial=-1)])
    if champion.calibration.shrinkage == 0 or len(score) < 2:
        return insufficient_history(
            "constant", "spread of expected scores", 1, "No directional edge, or no prediction in the log."
        )
    still = np.array([float(np.ptp(score) < 1e-9)])
    return evaluate_limit("constant", "all expected scores alike", 1, still, 0.5, "1 is yes", needed=1)


def _mean_drift(cause: str, before: tuple[Array, Ints], after: tuple[Array, Ints]) -> list[Reading]:
    """How far window means lie from the mean of the rest, over all columns as one family."""
    told = []
    sums = [_sums(*rows) for rows in (before, after)]
    for sessions in WINDOWS:
        blocks, now = windows(sums[0], sessions), windows(sums[1], sessions)[-IN_A_ROW:]
        total = sums[0].sum(axis=0)
        gaps = [np.abs(_mean(part) - _mean(rest))[..., None] for part, rest in ((blocks, total - blocks), (now, total))]
        told.append(_family(cause, sessions, *gaps))
    return told


def _family(cause: str, sessions: int, past: Array, now: Array) -> Reading:
    """The most unusual of many columns, as one reading."""
    worst = unusual(past, now) if enough(past, now) else (past, now, None)
    return compare_with_past_blocks(cause, cause, sessions, past=worst[0], now=worst[1], limit=worst[2], whence=FAR_OUT)


def _sums(values: Array, session: Ints) -> Array:
    """[sessions, columns + 1]: sums, and rows in the last column."""
    days, place = np.unique(session, return_inverse=True)
    stacked = np.column_stack([values, np.ones(len(values))])
    return np.column_stack([np.bincount(place, weights=column, minlength=len(days)) for column in stacked.T])


def _mean(sums: Array) -> Array:
    """NaN where there is no row."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sums[..., :-1] / sums[..., -1:])
