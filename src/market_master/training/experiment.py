"""Experiment: market, features, labels and settings of one run, as one record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.config import Settings
from market_master.domain import Ints
from market_master.market_data.ingest import Market
from market_master.training.dataset import Dataset, label_bars
from market_master.training.feature_table import FeatureTable, compute_features


@dataclass(frozen=True, eq=False)
class Experiment:
    """What a run works on; rows are those of the market's bars."""

    market: Market
    features: FeatureTable
    dataset: Dataset
    settings: Settings

    @property
    def dev_rows(self) -> Ints:
        """The development rows that have a label and all features."""
        return np.flatnonzero(self.dataset.zones.dev & self.dataset.labels.known & self.features.complete)

    @property
    def holdout_rows(self) -> Ints:
        """The hold-out's rows that have a label and all features."""
        return np.flatnonzero(self.dataset.zones.holdout & self.dataset.labels.known & self.features.complete)


def build_experiment(market: Market, settings: Settings) -> Experiment:
    """The configured features and labels over a market's bars. Raises what `label_bars` raises."""
    table = compute_features(market.bars, settings, market.members)
    return Experiment(market, table, label_bars(market.bars, settings), settings)
