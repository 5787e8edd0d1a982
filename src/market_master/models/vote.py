"""Soft vote of four candidates."""

from __future__ import annotations

from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.extra_trees import extra_trees
from market_master.models.lightgbm import lightgbm
from market_master.models.logistic import logistic
from market_master.models.mlp import mlp
from market_master.models.pipeline import soft_vote

MEMBERS = (logistic, extra_trees, lightgbm, mlp)


@model(label="Vote of logistic, extra trees, LightGBM and the neural network", complexity=5)
def vote(*, symbols: int, seed: int) -> Pipeline:
    """The mean of four candidates' raw probabilities: a line, a forest, a booster and a network err in different ways."""
    return soft_vote([make(symbols=symbols, seed=seed) for make in MEMBERS], [make.__name__ for make in MEMBERS])
