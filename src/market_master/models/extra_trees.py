"""Extremely randomised trees."""

from __future__ import annotations

from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.columns import candidate


@model(label="Extra trees", complexity=3, max_rows=120_000)
def extra_trees(*, symbols: int, seed: int) -> Pipeline:
    """A forest whose cuts are drawn at random: smoother than a random forest, and faster."""
    trees = ExtraTreesClassifier(
        n_estimators=100,
        min_samples_leaf=100,
        max_features=0.3,
        bootstrap=True,
        max_samples=0.5,
        n_jobs=1,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
