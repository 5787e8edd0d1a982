"""Result of a batch run: predictions, the index's series and realised labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.decision.wss import weighted_by_bar
from market_master.domain import Array
from market_master.index.series import IndexSeries
from market_master.labels import Labels
from market_master.prediction.prediction_history import PredictionHistory


@dataclass(frozen=True, eq=False)
class BatchResult:
    """A model's predictions for some bars, the index made of them, and the outcomes."""

    predictions: PredictionHistory
    index: IndexSeries
    labels: Labels
    """of all bars, by the model's own label"""
    in_sample_until: int
    """the last label the model was fitted on was known then; later bars are out of sample, the hold-out among them"""

    @property
    def basket_z(self) -> Array:
        """Weighted z of the constituents over the bar after each of the index's; NaN where none is known."""
        bars, index = self.predictions.bars, self.index
        tables = list({id(table): table for table in index.weights}.values())
        weight = np.array([[table.get(symbol, 0.0) for symbol in bars.symbols] for table in tables])
        number_of_table = {id(table): number for number, table in enumerate(tables)}
        table_of_bar = np.array([number_of_table[id(table)] for table in index.weights], dtype=np.int64)
        rows = np.flatnonzero(self.labels.known & np.isin(bars.bar_end, index.bar_end))
        table_of_row = table_of_bar[np.searchsorted(index.bar_end, bars.bar_end[rows])]
        by_bar = weighted_by_bar(bars.bar_end[rows], weight[table_of_row, bars.code[rows]], self.labels.z[rows])
        basket_z = np.full(len(index), np.nan)
        basket_z[np.searchsorted(index.bar_end, by_bar.bar_end)] = by_bar.means[0]
        return basket_z
