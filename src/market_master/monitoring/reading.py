"""Readings: one statistic of the newest sessions against its limit, and whether it alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.domain import Array

OK, MOVED, NOT_ENOUGH_HISTORY = "ok", "moved", "not_enough_history"
ALARM_STREAK = 3
"""evaluations in a row, a session apart, that have to lie beyond a limit before it alarms"""
MIN_PAST_BLOCKS = 20
"""past blocks of the same length, overlapping ones too, below which nothing is said"""


@dataclass(frozen=True)
class Reading:
    """What is watched, over how many sessions, its value now, its limit, and for how many evaluations in a row it lay beyond."""

    cause: str
    statistic: str
    sessions: int
    value: float | None
    limit: float | None
    in_a_row: int
    state: str
    """ok, moved, or not_enough_history: which is never ok"""
    reason: str

    @property
    def moved(self) -> bool:
        """Beyond its limit for long enough."""
        return self.state == MOVED


def compare_with_past_blocks(
    cause: str,
    statistic: str,
    sessions: int,
    *,
    past: Array,
    now: Array,
    limit: float | None = None,
    limit_origin: str = "the largest",
) -> Reading:
    """The newest evaluations, oldest first, against the largest value of the past blocks (or another limit of theirs)."""
    if not has_enough_history(past, now):
        available = f"{len(past)} past blocks of {sessions} sessions and {len(now)} evaluations"
        reason = f"{available}; {MIN_PAST_BLOCKS} and {ALARM_STREAK} needed."
        return insufficient_history(cause, statistic, sessions, reason)
    bound = float(past.max()) if limit is None else limit
    return evaluate_limit(cause, statistic, sessions, now, bound, f"{limit_origin} of {len(past)} past blocks")


def has_enough_history(past: Array, now: Array) -> bool:
    """Past blocks and evaluations to say something by."""
    return len(past) >= MIN_PAST_BLOCKS and len(now) >= ALARM_STREAK


def evaluate_limit(
    cause: str,
    statistic: str,
    sessions: int,
    now: Array,
    limit: float,
    limit_origin: str,
    *,
    min_streak: int = ALARM_STREAK,
) -> Reading:
    """The newest evaluations, oldest first, against a limit."""
    inside = np.flatnonzero(now[::-1] <= limit)
    streak = int(inside[0]) if len(inside) else len(now)
    value = float(now[-1])
    duration = f", beyond it {streak} evaluations in a row" if streak else ""
    return Reading(
        cause,
        statistic,
        sessions,
        value,
        limit,
        streak,
        MOVED if streak >= min_streak else OK,
        f"{statistic} {value:.4g}, limit {limit:.4g} ({limit_origin}){duration}.",
    )


def insufficient_history(cause: str, statistic: str, sessions: int, reason: str) -> Reading:
    """There is not enough to say anything."""
    return Reading(cause, statistic, sessions, None, None, 0, NOT_ENOUGH_HISTORY, reason)
