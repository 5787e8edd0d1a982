"""Event study: what followed an event, beside what followed other days' bars.

The null deals whole days of outcomes to other days: a day keeps its shape and its cross-section, and an outcome its symbol
and its time of day, so that neither a common move of all symbols nor a busy hour passes for the event's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, Ints
from market_master.stats.bootstrap import DRAWS, SEED, day_draws

FEWEST_EVENTS, FEWEST_DAYS = 30, 15
"""below either, nothing is concluded"""
MAX_DAYS = 1500
"""the newest that are looked at; memory grows with their square"""


@dataclass(frozen=True)
class EventStudy:
    """What followed an event: mean outcomes, and how likely a mean as far from the null's is by luck."""

    count: int
    days: int
    """on which it was"""
    mean: float | None
    low: float | None
    """90 % interval of the mean, from a bootstrap of blocks of days"""
    high: float | None
    otherwise: float | None
    """mean outcome of the same symbols and times on other days"""
    p_value: float | None
    """two-sided; null for fewer than 30 events or 15 days"""


class OutcomesByDay:
    """Outcomes of bars as a table of days, for the studies of any number of events."""

    def __init__(self, outcome: Array, code: Ints, slot: Ints, session: Ints, *, seed: int = SEED) -> None:
        """Outcomes are NaN where not known; `code` is the symbol's number, `slot` the time of day."""
        days = np.unique(session)[-MAX_DAYS:]
        self._rows = np.flatnonzero(np.isfinite(outcome) & (session >= days[0]))
        self._day = np.searchsorted(days, session[self._rows])
        _, self._kind = np.unique(code[self._rows] * 10_000 + slot[self._rows], return_inverse=True)
        self._shape = (len(days), int(self._kind.max(initial=-1)) + 1)
        self._outcome = self._table(outcome[self._rows])
        self._known = self._table(np.ones(len(self._rows)))
        self._draws = day_draws(len(days), draws=DRAWS, seed=seed)
        random = np.random.default_rng(seed)
        self._dealt = np.stack([random.permutation(len(days)) for _ in range(DRAWS)])

    def study(self, side: Array) -> EventStudy:
        """Of the bars whose `side` is not 0; outcomes count times it: 1 up, -1 down."""
        sides = self._table(side[self._rows])
        there = (sides != 0).astype(float)
        sums, counts = (sides * self._outcome).sum(axis=1), there.sum(axis=1)
        count, days = int(counts.sum()), int((counts > 0).sum())
        if not count:
            return EventStudy(0, 0, None, None, None, None, None)
        mean = float(sums.sum() / count)
        if count < FEWEST_EVENTS or days < FEWEST_DAYS:
            return EventStudy(count, days, mean, None, None, None, None)
        drawn = self._draws @ np.column_stack([sums, counts])
        low, high = np.quantile(drawn[:, 0] / np.maximum(drawn[:, 1], 1.0), [0.05, 0.95])
        dealt = self._dealt_means(sides, there)
        otherwise = float(dealt.mean())
        further = int((np.abs(dealt - otherwise) >= abs(mean - otherwise)).sum())
        return EventStudy(count, days, mean, float(low), float(high), otherwise, (1 + further) / (1 + len(dealt)))

    def _dealt_means(self, sides: Array, there: Array) -> Array:
        """Mean outcome of the events for each deal of the days: outcomes [day, dealt day] meet the events of a day."""
        sums, counts = sides @ self._outcome.T, there @ self._known.T
        day = np.arange(len(sums))
        return sums[day, self._dealt].sum(axis=1) / np.maximum(counts[day, self._dealt].sum(axis=1), 1.0)

    def _table(self, values: Array) -> Array:
        table = np.zeros(self._shape)
        table[self._day, self._kind] = values
        return table


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for how many there are, those not known among them (Holm 1979)."""
    order = sorted((p, number) for number, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, number) in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p))
        corrected[number] = least
    return corrected
