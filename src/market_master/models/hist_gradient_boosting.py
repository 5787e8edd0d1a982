"""Gradient boosting on histograms."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.columns import candidate


@model(label="Histogram gradient boosting", complexity=2)
def hist_gradient_boosting(*, symbols: int, seed: int) -> Pipeline:
    """Boosted trees of 8 leaves; no early stopping, which would split bars at random."""
    trees = HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=200,
        l2_regularization=10.0,
        max_bins=64,
        early_stopping=False,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
