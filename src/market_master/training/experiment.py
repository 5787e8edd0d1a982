"""market_master.training.experiment"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.config import Settings
from market_master.domain.arrays import Ints
from market_master.market_data.ingest import Market
from market_master.training.compare import Comparison
from market_master.training.dataset import Labelled
from market_master.training.feature_table import FeatureTable


@dataclass(frozen=True, eq=False)
class Trial:
    """What a run has brought before the court."""

    market: Market
    table: FeatureTable
    labelled: Labelled
    comparison: Comparison
    settings: Settings

    @property
    def rows(self) -> Ints:
        """The hold-out's rows that have a label and all features."""
        mask = self.labelled.zones.holdout & self.labelled.labels.known & self.table.complete
        return np.flatnonzero(mask)
