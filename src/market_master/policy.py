"""From probabilities to an action, and from WSS to a signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_master.domain.actions import Action, expected_score
from market_master.domain.bars import Array

HOLD = int(Action.hold)


def act(probabilities: Array, rule: str, cuts: tuple[float, ...] | None) -> NDArray[np.int64]:
    """The action of each row: the expected score's place among the cut points, or the likeliest class.

    Ties go to hold: a score on a cut point takes the action nearer to it. Without cuts every action is hold.
    """
    if rule == "argmax":
        best = probabilities.max(axis=1, keepdims=True)
        return np.where(probabilities[:, HOLD] >= best[:, 0], HOLD, probabilities.argmax(axis=1))
    score = expected_score(probabilities)
    if cuts is None:
        return np.full(len(score), HOLD)
    a, b, c, d = cuts
    return HOLD + (score > c).astype(int) + (score > d) - (score < b) - (score < a)


def filter_confidence(action: NDArray[np.int64], probabilities: Array, least: float | None) -> NDArray[np.int64]:
    """Hold wherever the highest probability is below `least`."""
    if least is None:
        return action
    return np.where(probabilities.max(axis=1) >= least, action, HOLD)


def signal(wss: float, *, buy: float, sell: float) -> str:
    """BUY at `buy` or above, SELL at `sell` or below, else HOLD."""
    return "BUY" if wss >= buy else "SELL" if wss <= sell else "HOLD"
