"""Random forest."""

from __future__ import annotations

from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(
    label="Random forest",
    complexity=3,
    max_rows=60_000,
    space={"min_samples_leaf": (30, 1000), "max_features": (0.05, 0.6)},
)
def random_forest(*, symbols: int, seed: int, min_samples_leaf: int = 100, max_features: float = 0.2) -> Pipeline:
    """The mean of many trees, each on its own sample of bars; leaves of 100 keep them from learning single bars."""
    trees = RandomForestClassifier(
        n_estimators=100,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        max_samples=0.3,
        n_jobs=1,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
