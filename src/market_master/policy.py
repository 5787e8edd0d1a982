"""From probabilities to an action, and from WSS to a signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_master.domain.actions import SCORES, Action, expected_score
from market_master.domain.bars import Array

HOLD = int(Action.hold)
ROUNDING = 1e-9
"""six twelfths do not sum to a half in floating point, and are one"""


def act(probabilities: Array, rule: str, cuts: tuple[float, ...] | None) -> NDArray[np.int64]:
    """The action of each row: the expected score's place among the cut points, or the likeliest class.

    Ties go to hold: a score on a cut point, or two likeliest classes, take the action nearer to it, and up against down
    is hold. Without cuts every action is hold.
    """
    if rule == "argmax":
        likeliest = probabilities == probabilities.max(axis=1, keepdims=True)
        lean = np.trunc(likeliest @ SCORES / likeliest.sum(axis=1)).astype(int)
        return HOLD + np.where(likeliest[:, HOLD], 0, lean)
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
    return "BUY" if wss >= buy - ROUNDING else "SELL" if wss <= sell + ROUNDING else "HOLD"
