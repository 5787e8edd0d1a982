"""A reading: one number of the newest sessions beside what as many sessions had shown before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.domain.arrays import Array

OK, MOVED, TOO_LITTLE = "ok", "moved", "not_enough_history"
IN_A_ROW = 3
"""evaluations, a session apart, that have to agree"""
LEAST_BLOCKS = 20
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
    whence: str = "the largest",
) -> Reading:
    """The newest evaluations, oldest first, against the largest value of the past blocks (or another limit of theirs)."""
    if not enough(past, now):
        return insufficient_history(
            cause,
            statistic,
            sessions,
            f"{len(past)} past blocks of {sessions} sessions and {len(now)} evaluations; {LEAST_BLOCKS} and {IN_A_ROW} needed.",
        )
    bound = float(past.max()) if limit is None else limit
    return evaluate_limit(cause, statistic, sessions, now, bound, f"{whence} of {len(past)} past blocks")


def enough(past: Array, now: Array) -> bool:
    """Past blocks and evaluations to say something by."""
    return len(past) >= LEAST_BLOCKS and len(now) >= IN_A_ROW


def evaluate_limit(
    cause: str, statistic: str, sessions: int, now: Array, limit: float, whence: str, *, needed: int = IN_A_ROW
) -> Reading:
    """The newest evaluations, oldest first, against a limit."""
    inside = np.flatnonzero(now[::-1] <= limit)
    run = int(inside[0]) if len(inside) else len(now)
    value, lasting = float(now[-1]), f", beyond it {run} evaluations in a row" if run else ""
    return Reading(
        cause,
        statistic,
        sessions,
        value,
        limit,
        run,
        MOVED if run >= needed else OK,
        f"{statistic} {value:.4g}, limit {limit:.4g} ({whence}){lasting}.",
    )


def insufficient_history(cause: str, statistic: str, sessions: int, reason: str) -> Reading:
    """There is not enough to say anything."""
    return Reading(cause, statistic, sessions, None, None, 0, TOO_LITTLE, reason)
