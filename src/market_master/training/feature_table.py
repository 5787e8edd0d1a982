"""Feature table of a run: the configured sets over all bars."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master import features as room
from market_master.config import Settings
from market_master.domain import Array, Bars


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of every bar, one column a name; rows as the bars'."""

    names: tuple[str, ...]
    values: Array
    left_out: dict[str, str]
    """features the configured sets have and this interval does not allow, with the reason"""

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Rows past the warm-up, with every feature there."""
        return np.asarray(np.isfinite(self.values).all(axis=1))


def compute_features(bars: Bars, settings: Settings, members: Collection[str]) -> FeatureTable:
    """The configured feature sets over all bars."""
    names = room.select(settings.features.sets, settings.interval)
    values = room.compute(bars, names, members=members)
    return FeatureTable(names, values, room.left_out(settings.features.sets, settings.interval))
