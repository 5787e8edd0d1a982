"""LightGBM."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(
    label="LightGBM",
    complexity=2,
    space={"num_leaves": (4, 32), "n_estimators": (30, 300), "min_child_samples": (50, 2000)},
)
def lightgbm(
    *, symbols: int, seed: int, num_leaves: int = 8, n_estimators: int = 80, min_child_samples: int = 200
) -> Pipeline:
    """Boosted trees of 8 leaves with at least 200 bars in each."""
    from lightgbm import LGBMClassifier

    trees = LGBMClassifier(
        n_estimators=n_estimators,
        learning_rate=0.05,
        num_leaves=num_leaves,
        min_child_samples=min_child_samples,
        reg_lambda=10.0,
        max_bin=63,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbosity=-1,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
