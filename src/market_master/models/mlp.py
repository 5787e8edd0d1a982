"""A small neural network."""

from __future__ import annotations

from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from market_master.models import model
from market_master.models.pipeline import candidate

EPOCHS = 20


@model(label="Neural network (one layer of 32)", complexity=4, space={"width": (8, 64), "alpha": (0.1, 30.0)})
def mlp(*, symbols: int, seed: int, width: int = 32, alpha: float = 3.0) -> Pipeline:
    """One layer of 32 units and a fixed number of passes; early stopping would split bars at random."""
    network = MLPClassifier(
        hidden_layer_sizes=(width,),
        alpha=alpha,
        batch_size=256,
        learning_rate_init=2e-3,
        # no loss ever falls by 100: training ends after EPOCHS passes, and max_iter is never reached
        tol=100.0,
        n_iter_no_change=EPOCHS - 2,
        max_iter=EPOCHS + 1,
        random_state=seed,
    )
    return candidate(network, symbols=symbols, standardised=True)
