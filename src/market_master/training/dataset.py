"""Development and hold-out zones, the fitted labeler and the labels of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.config import Settings
from market_master.domain import CLASSES, Bars, ConfigError, TooFewBars
from market_master.labels import Labeler, Labels, LabelWindow, uniqueness
from market_master.plugins import load_family
from market_master.training import folds
from market_master.training.folds import Zones

MIN_CLASS_SHARE = 0.03


@dataclass(frozen=True, eq=False)
class Dataset:
    """The two zones of time, the labeler learned on the first, and the labels it gives to all rows."""

    zones: Zones
    labeler: Labeler
    labels: Labels
    weight: NDArray[np.float64] | None
    """how much of each label is its own news; None where labels never overlap"""
    overlap: int
    """sessions beyond its own that a label's window reaches into"""


def label_bars(bars: Bars, settings: Settings) -> Dataset:
    """Zones, labeler and labels of a run. Raises TooFewBars for too short a history."""
    labeler = new_labeler(settings)
    window = LabelWindow(settings.label.target, settings.label.horizon)
    zones = folds.zones(
        bars.session,
        window.end(bars),
        bars.bar_end,
        share=settings.folds.holdout_share,
        min_holdout=settings.folds.holdout_min_sessions,
        embargo=settings.folds.embargo_sessions,
    )
    labeler = labeler.fit(bars, zones.dev)
    labels = labeler.transform(bars)
    class_shares(labels.action[zones.dev & labels.known])
    weight = uniqueness(bars, labels) if window.horizon > 1 else None
    return Dataset(zones, labeler, labels, weight, overlap(bars, labels))


def shares_by(labels: Labels, rows: NDArray[np.bool_], part: NDArray[Any]) -> dict[str, list[float]]:
    """Class shares of some rows, for each part of them: a slot, a regime."""
    shares = {}
    for name in np.unique(part[rows & labels.known]).tolist():
        action = labels.action[rows & labels.known & (part == name)]
        shares[str(name)] = (np.bincount(action, minlength=len(CLASSES)) / len(action)).round(4).tolist()
    return shares


def new_labeler(settings: Settings) -> Labeler:
    """The configured labeler, not yet fitted."""
    known = load_family("labels")
    if settings.label.kind not in known:
        raise ConfigError(f"label.kind is '{settings.label.kind}'; there are {', '.join(known)}.")
    cost = 2 * settings.costs.bps / 1e4
    labeler: Labeler = known[settings.label.kind].factory(
        hold=settings.label.hold,
        strong=settings.label.strong,
        cost=cost,
        target=settings.label.target,
        horizon=settings.label.horizon,
    )
    return labeler


def class_shares(action: NDArray[np.int8]) -> NDArray[np.float64]:
    """Share of each class among training labels. Raises TooFewBars when one has less than 3 %."""
    shares = np.bincount(action, minlength=len(CLASSES)) / max(len(action), 1)
    if shares.min() < MIN_CLASS_SHARE:
        rare = CLASSES[int(shares.argmin())]
        raise TooFewBars(
            f"Only {shares.min():.1%} of {len(action)} training labels are {rare}, {MIN_CLASS_SHARE:.0%} is needed; lengthen "
            "the history or change label.hold and label.strong.",
            share=float(shares.min()),
        )
    return shares


def overlap(bars: Bars, labels: Labels) -> int:
    """Sessions between the first bar of a label's window and the one that decided it, at most."""
    known = np.flatnonzero(labels.known)
    known = known[known + 1 < len(bars)]
    days = np.unique(bars.session)
    schedule = bars.timetable.between(int(bars.bar_end.min()), int(labels.label_end.max()))
    ends = schedule.session[schedule.by_end(labels.label_end[known])]
    spanned = np.searchsorted(days, ends) - np.searchsorted(days, bars.session[known + 1])
    return int(max(spanned.max(initial=0), 0))
