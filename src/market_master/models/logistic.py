"""Multinomial logistic regression."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(label="Logistic regression", complexity=0, space={"C": (1e-5, 0.1)})
def logistic(*, symbols: int, seed: int, C: float = 0.001) -> Pipeline:
    """A straight line for each action: the hardest to overfit, and on weak signals the hardest to beat."""
    line = LogisticRegression(C=C, tol=1e-5, max_iter=1000, random_state=seed)
    return candidate(line, symbols=symbols, standardised=True)
