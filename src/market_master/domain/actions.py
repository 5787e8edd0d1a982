"""The five actions, in their one order, and their scores."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Action(IntEnum):
    """What to do with a symbol over its next bar; the number is the class the models predict."""

    strong_sell = 0
    sell = 1
    hold = 2
    buy = 3
    strong_buy = 4

    @property
    def score(self) -> int:
        """-2 for strong_sell to +2 for strong_buy."""
        return self.value - 2


CLASSES: tuple[str, ...] = tuple(action.name for action in Action)
SCORES = np.array([action.score for action in Action], dtype=float)


def expected_score(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of probability x score of each row, -2 to +2; to the last bit the same whatever rows stand beside it."""
    return 2 * (probabilities[..., 4] - probabilities[..., 0]) + (probabilities[..., 3] - probabilities[..., 1])


def without_direction(probabilities: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same probabilities without direction: volatility and base rate stay, buy against sell is the prior's."""
    return (probabilities + probabilities[:, ::-1]) * (prior / (prior + prior[..., ::-1]))
