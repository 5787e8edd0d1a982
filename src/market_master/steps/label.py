"""Label: cut time into development and hold-out, and learn what counts as strong on the development part only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master import folds
from market_master.config import Settings
from market_master.domain.actions import CLASSES
from market_master.domain.bars import Bars
from market_master.domain.errors import ConfigError, TooFewBars
from market_master.folds import Zones
from market_master.labels import Labeler, Labels
from market_master.plugins import family

LEAST_SHARE = 0.03


@dataclass(frozen=True, eq=False)
class Labelled:
    """The two zones of time, the labeler learned on the first, and the labels it gives to all rows."""

    zones: Zones
    labeler: Labeler
    labels: Labels


def label(bars: Bars, settings: Settings) -> Labelled:
    """Zones, labeler and labels of a run. Raises TooFewBars for too short a history."""
    zones = folds.zones(
        bars.session,
        bars.next_end,
        bars.bar_end,
        share=settings.folds.holdout_share,
        least=settings.folds.holdout_min_sessions,
        embargo=settings.folds.embargo_sessions,
    )
    labeler = new_labeler(settings).fit(bars, zones.dev)
    labels = labeler.transform(bars)
    class_shares(labels.action[zones.dev & labels.known])
    return Labelled(zones, labeler, labels)


def new_labeler(settings: Settings) -> Labeler:
    """The configured labeler, not yet fitted."""
    known = family("labels")
    if settings.label.kind not in known:
        raise ConfigError(f"label.kind is '{settings.label.kind}'; there are {', '.join(known)}.")
    cost = 2 * settings.costs.bps / 1e4
    labeler: Labeler = known[settings.label.kind].make(
        hold=settings.label.hold, strong=settings.label.strong, cost=cost
    )
    return labeler


def class_shares(action: NDArray[np.int8]) -> NDArray[np.float64]:
    """Share of each class among training labels. Raises TooFewBars when one has less than 3 %."""
    shares = np.bincount(action, minlength=len(CLASSES)) / max(len(action), 1)
    if shares.min() < LEAST_SHARE:
        rare = CLASSES[int(shares.argmin())]
        raise TooFewBars(
            f"Only {shares.min():.1%} of {len(action)} training labels are {rare}, {LEAST_SHARE:.0%} is needed; lengthen "
            "the history or change label.hold and label.strong.",
            share=float(shares.min()),
        )
    return shares
