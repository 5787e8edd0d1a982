"""Four candidates asked together."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.columns import averaged
from market_master.models.extra_trees import extra_trees
from market_master.models.hist_gradient_boosting import hist_gradient_boosting
from market_master.models.lightgbm import lightgbm
from market_master.models.logistic import logistic

MEMBERS = (logistic, extra_trees, hist_gradient_boosting, lightgbm)


@model(label="Vote of logistic, extra trees, histogram boosting and LightGBM", complexity=5)
def vote(*, symbols: int, seed: int) -> Pipeline:
    """The mean of four candidates' raw probabilities: a line, a forest and two boosters err in different ways."""
    return averaged([make(symbols=symbols, seed=seed) for make in MEMBERS], [make.__name__ for make in MEMBERS])
