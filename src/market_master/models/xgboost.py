"""XGBoost."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(
    label="XGBoost",
    complexity=2,
    space={"max_depth": (2, 6), "n_estimators": (30, 300), "min_child_weight": (10.0, 500.0)},
)
def xgboost(
    *, symbols: int, seed: int, max_depth: int = 3, n_estimators: int = 80, min_child_weight: float = 50.0
) -> Pipeline:
    """Boosted trees of depth 3, each on half of the bars."""
    from xgboost import XGBClassifier

    trees = XGBClassifier(
        n_estimators=n_estimators,
        max_depth=max_depth,
        learning_rate=0.05,
        min_child_weight=min_child_weight,
        subsample=0.5,
        reg_lambda=10.0,
        tree_method="hist",
        max_bin=64,
        n_jobs=1,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
