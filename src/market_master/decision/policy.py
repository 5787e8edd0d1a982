"""Policy: probabilities to an action, and WSS to a signal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.domain import SCORES, Action, Array, Ints, expected_score

HOLD = int(Action.hold)
THRESHOLD_TOLERANCE = 1e-9
"""six twelfths do not sum to a half in floating point, and are one"""
LOOKBACK_BARS = 60
"""where positions are kept at all: one that is not confirmed within them lapses"""
PERCENTILES = 101
"""of |expected score| that a card holds, from 0 to 100"""
SIGNALS = {1: "BUY", 0: "HOLD", -1: "SELL"}


@dataclass(frozen=True)
class ConfidenceFilter:
    """The limits below which a prediction is not acted upon; both may be set, and then both hold."""

    min_probability: float | None = None
    """of the likeliest class"""
    min_abs_score: float | None = None
    """of |expected score|"""

    @property
    def on(self) -> bool:
        """True where it holds anything back."""
        return self.min_probability is not None or self.min_abs_score is not None


@dataclass(frozen=True, eq=False)
class PolicyActions:
    """Action of each row of probabilities, in CLASSES' order."""

    rule_action: Ints
    """by the rule alone"""
    action: Ints
    """after the filter: hold where it did not let the rule act"""


def apply_policy(
    probabilities: Array,
    rule: str,
    action_thresholds: tuple[float, ...] | None,
    confidence_filter: ConfidenceFilter,
) -> PolicyActions:
    """The action of each row by the rule, and after the filter: the one way from probabilities to actions."""
    rule_action = assign_actions(probabilities, rule, action_thresholds)
    return PolicyActions(rule_action, filter_confidence(rule_action, probabilities, confidence_filter))


def assign_actions(probabilities: Array, rule: str, action_thresholds: tuple[float, ...] | None) -> Ints:
    """The action of each row: the expected score's place among four thresholds, or (rule "argmax") the likeliest class.

    Ties go to hold: a score on a threshold, or two likeliest classes, take the action nearer to it, and up against down
    is hold. Without thresholds every action is hold.
    """
    if rule == "argmax":
        likeliest = probabilities == probabilities.max(axis=1, keepdims=True)
        lean = np.trunc(likeliest @ SCORES / likeliest.sum(axis=1)).astype(int)
        return HOLD + np.where(likeliest[:, HOLD], 0, lean)
    score = expected_score(probabilities)
    if action_thresholds is None:
        return np.full(len(score), HOLD)
    strong_sell, sell, buy, strong_buy = action_thresholds
    return HOLD + (score > buy).astype(int) + (score > strong_buy) - (score < sell) - (score < strong_sell)


def filter_confidence(action: Ints, probabilities: Array, confidence_filter: ConfidenceFilter) -> Ints:
    """Hold wherever the highest probability, or the size of the expected score, is below the filter's limit."""
    min_probability, min_abs_score = confidence_filter.min_probability, confidence_filter.min_abs_score
    if min_probability is not None:
        action = np.where(probabilities.max(axis=1) >= min_probability, action, HOLD)
    if min_abs_score is not None:
        action = np.where(np.abs(expected_score(probabilities)) >= min_abs_score, action, HOLD)
    return action


def abs_score_percentiles(probabilities: Array) -> tuple[float, ...]:
    """Percentiles 0 to 100 of a model's out-of-sample |expected score|, by which a rank is read."""
    percentiles = np.quantile(np.abs(expected_score(probabilities)), np.linspace(0, 1, PERCENTILES))
    return tuple(float(value) for value in percentiles)


def abs_score_at_rank(rank: float, percentiles: tuple[float, ...]) -> float:
    """The |expected score| that a share `rank` of the predictions stays below; .6 leaves the top 40 %."""
    return float(np.interp(rank, np.linspace(0, 1, len(percentiles)), percentiles))


def filter_coverage(rule_acts: NDArray[np.bool_], acts: NDArray[np.bool_], weight: Array) -> float:
    """The weight that the filter let act, of that for which the rule's action is no hold; NaN where there is none of it."""
    total = weight[rule_acts].sum()
    return float(weight[acts].sum() / total) if total > 0 else math.nan


def lookback_bars(*, hysteresis: float, min_hold: int) -> int:
    """How many bars a signal is made of: the newest alone, unless positions are kept."""
    return LOOKBACK_BARS if hysteresis > 0 or min_hold > 1 else 1


def signals_of_wss(
    wss: Array, *, buy: float, sell: float, hysteresis: float = 0.0, min_hold: int = 1
) -> list[str | None]:
    """The signal of each bar of a series of WSS; None where there is no WSS, which is no HOLD.

    BUY at `buy` or above, SELL at `sell` or below. A position is left when WSS has come back by the share `hysteresis` of
    its threshold (0 = at the threshold itself: the plain rule; 1 = at 0), or turned round at the other threshold, and
    never within `min_hold` bars. A bar without WSS leaves it as it was. Each signal is made of the last `lookback_bars`
    alone, begun flat: so whoever has those bars makes the same one, and none depends on an earlier signal.
    """
    count, back = len(wss), lookback_bars(hysteresis=hysteresis, min_hold=min_hold)
    enter_long, enter_short = buy - THRESHOLD_TOLERANCE, sell + THRESHOLD_TOLERANCE
    stay_long = buy * (1 - hysteresis) - THRESHOLD_TOLERANCE
    stay_short = sell * (1 - hysteresis) + THRESHOLD_TOLERANCE
    padded = np.concatenate([np.full(back - 1, np.nan), np.asarray(wss, dtype=float)])
    position, age = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for ago in range(back):
        now = padded[ago : ago + count]
        entry = (now >= enter_long).astype(np.int64) - (now <= enter_short)
        stays = ((position > 0) & (now >= stay_long)) | ((position < 0) & (now <= stay_short))
        unchanged = ~np.isfinite(now) | ((position != 0) & (age < min_hold))
        new = np.where(unchanged, position, np.where(entry != 0, entry, np.where(stays, position, 0)))
        age = np.where(new == position, age + 1, 1)
        position = new
    known = np.isfinite(wss).tolist()
    return [SIGNALS[side] if has_wss else None for side, has_wss in zip(position.tolist(), known, strict=True)]
