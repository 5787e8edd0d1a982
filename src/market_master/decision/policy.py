"""From probabilities to an action, and from WSS to a signal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.domain.actions import SCORES, Action, expected_score
from market_master.domain.arrays import Array, Ints

HOLD = int(Action.hold)
ROUNDING = 1e-9
"""six twelfths do not sum to a half in floating point, and are one"""
MEMORY = 60
"""bars a signal looks back where it has a past at all: a position that is not confirmed within them lapses"""
RANKS = 101
"""sizes of the expected score that a card keeps: its percentiles from 0 to 100"""
WORDS = {1: "BUY", 0: "HOLD", -1: "SELL"}


@dataclass(frozen=True)
class ConfidenceFilter:
    """Which answers are sure enough to be acted upon; both limits may be set, and then both hold."""

    least: float | None = None
    """of the highest probability"""
    size: float | None = None
    """of |expected score|"""

    @property
    def on(self) -> bool:
        """Does it hold anything back?"""
        return self.least is not None or self.size is not None


@dataclass(frozen=True, eq=False)
class PolicyActions:
    """What the policy made of each row of probabilities."""

    wanted: Ints
    """by the rule alone"""
    acted: Ints
    """hold where the filter did not let it act"""


def apply_policy(
    probabilities: Array, rule: str, cuts: tuple[float, ...] | None, sure: ConfidenceFilter
) -> PolicyActions:
    """The action of each row by the rule, and what the filter leaves of it: the one way from answers to actions."""
    wanted = assign_actions(probabilities, rule, cuts)
    return PolicyActions(wanted, filter_confidence(wanted, probabilities, sure))


def assign_actions(probabilities: Array, rule: str, cuts: tuple[float, ...] | None) -> Ints:
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


def filter_confidence(action: Ints, probabilities: Array, sure: ConfidenceFilter) -> Ints:
    """Hold wherever the highest probability, or the size of the expected score, is below what the filter asks for."""
    if sure.least is not None:
        action = np.where(probabilities.max(axis=1) >= sure.least, action, HOLD)
    if sure.size is not None:
        action = np.where(np.abs(expected_score(probabilities)) >= sure.size, action, HOLD)
    return action


def abs_score_percentiles(probabilities: Array) -> tuple[float, ...]:
    """Percentiles 0 to 100 of |expected score|: what a rank means to the model whose out-of-sample answers these are."""
    found = np.quantile(np.abs(expected_score(probabilities)), np.linspace(0, 1, RANKS))
    return tuple(float(size) for size in found)


def abs_score_at_rank(rank: float, sizes: tuple[float, ...]) -> float:
    """The |expected score| that a share `rank` of the answers behind `sizes` stays below; .6 leaves the top 40 %."""
    return float(np.interp(rank, np.linspace(0, 1, len(sizes)), sizes))


def filter_coverage(wants: NDArray[np.bool_], acts: NDArray[np.bool_], weight: Array) -> float:
    """The weight that the filter let act, of what wanted to (is no hold by the rule); NaN where nothing wanted to."""
    asked = weight[wants].sum()
    return float(weight[acts].sum() / asked) if asked > 0 else math.nan


def lookback_bars(*, hysteresis: float, min_hold: int) -> int:
    """How many bars a signal is made of: the newest alone, unless positions are kept."""
    return MEMORY if hysteresis > 0 or min_hold > 1 else 1


def signals(wss: Array, *, buy: float, sell: float, hysteresis: float = 0.0, min_hold: int = 1) -> list[str | None]:
    """The signal of each bar of a series of WSS; None where there is no WSS, which is no HOLD.

    BUY at `buy` or above, SELL at `sell` or below. A position is left when WSS has come back by the share `hysteresis` of
    its threshold (0 = at the threshold itself: the plain rule; 1 = at 0), or turned round at the other threshold, and
    never within `min_hold` bars. A bar without WSS leaves it as it was. Each signal is made of the last `memory` bars
    alone, begun flat: so whoever has those bars makes the same one, and none depends on what was said before.
    """
    count, back = len(wss), lookback_bars(hysteresis=hysteresis, min_hold=min_hold)
    enter = (buy - ROUNDING, sell + ROUNDING)
    leave = (buy * (1 - hysteresis) - ROUNDING, sell * (1 - hysteresis) + ROUNDING)
    padded = np.concatenate([np.full(back - 1, np.nan), np.asarray(wss, dtype=float)])
    position, age = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for ago in range(back):
        now = padded[ago : ago + count]
        entered = (now >= enter[0]).astype(np.int64) - (now <= enter[1])
        kept = ((position > 0) & (now >= leave[0])) | ((position < 0) & (now <= leave[1]))
        held = ~np.isfinite(now) | ((position != 0) & (age < min_hold))
        new = np.where(held, position, np.where(entered != 0, entered, np.where(kept, position, 0)))
        age = np.where(new == position, age + 1, 1)
        position = new
    return [WORDS[word] if there else None for word, there in zip(position.tolist(), np.isfinite(wss), strict=True)]
