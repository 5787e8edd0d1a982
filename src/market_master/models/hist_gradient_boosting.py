"""Gradient boosting on histograms."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(
    label="Histogram gradient boosting",
    complexity=2,
    space={"max_leaf_nodes": (4, 32), "max_iter": (30, 300), "min_samples_leaf": (50, 2000)},
)
def hist_gradient_boosting(
    *, symbols: int, seed: int, max_leaf_nodes: int = 8, max_iter: int = 80, min_samples_leaf: int = 200
) -> Pipeline:
    """Boosted trees of 8 leaves; no early stopping, which would split bars at random."""
    trees = HistGradientBoostingClassifier(
        max_iter=max_iter,
        learning_rate=0.05,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        l2_regularization=10.0,
        max_bins=64,
        early_stopping=False,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
