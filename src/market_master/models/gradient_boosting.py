"""Gradient boosting with exact cuts."""

from __future__ import annotations

from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(label="Gradient boosting", complexity=2, max_rows=10_000, space={"max_depth": (1, 4), "n_estimators": (20, 100)})
def gradient_boosting(*, symbols: int, seed: int, max_depth: int = 2, n_estimators: int = 40) -> Pipeline:
    """Small trees that mend each other's errors; slow, so it learns from a sample of the timestamps."""
    trees = GradientBoostingClassifier(
        n_estimators=n_estimators,
        learning_rate=0.05,
        max_depth=max_depth,
        min_samples_leaf=100,
        subsample=0.5,
        max_features=0.3,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
