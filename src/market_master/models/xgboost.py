"""XGBoost."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.columns import candidate


@model(label="XGBoost", complexity=2)
def xgboost(*, symbols: int, seed: int) -> Pipeline:
    """Boosted trees of depth 3, each on half of the bars."""
    from xgboost import XGBClassifier

    trees = XGBClassifier(
        n_estimators=80,
        max_depth=3,
        learning_rate=0.05,
        min_child_weight=50,
        subsample=0.5,
        reg_lambda=10.0,
        tree_method="hist",
        max_bin=64,
        n_jobs=1,
        random_state=seed,
    )
    return candidate(trees, symbols=symbols, standardised=False)
