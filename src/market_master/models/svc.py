"""Support-vector kernel by Nystroem's map, then logistic regression.

At a size that can be trained.
"""

from __future__ import annotations

from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate


@model(
    label="SVC (Nystroem kernel map + logistic)",
    complexity=1,
    max_rows=60_000,
    space={"n_components": (50, 300), "C": (0.01, 10.0)},
)
def svc(*, symbols: int, seed: int, n_components: int = 100, C: float = 1.0) -> Pipeline:
    """Likeness to 100 bars, weighed by a straight line; an exact SVC would take hours and give no probabilities."""
    kernel = Nystroem(kernel="rbf", n_components=n_components, random_state=seed)
    line = LogisticRegression(C=C, tol=1e-4, max_iter=1000, random_state=seed)
    return candidate(kernel, line, symbols=symbols, standardised=True)
