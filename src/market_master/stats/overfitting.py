"""Overfitting by selection: how much of the best result is luck.

The best of many tries looks good on the days it was chosen on.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from market_master.domain import Array
from market_master.stats.bootstrap import BLOCK, SEED

BLOCKS = 8
"""parts of time; half of them choose, the other half judge: 70 ways"""
SPA_DRAWS = 1000


def pbo(daily: Array) -> float | None:
    """Probability that the try which is best on half of the days is below the median of all on the other half.

    `daily` holds losses [days, tries]; None for fewer than 2 tries or 2 days a block. Combinatorially symmetric
    cross-validation: Bailey, Borwein, Lopez de Prado and Zhu (2017); ties share their ranks.
    """
    days, tries = daily.shape
    if tries < 2 or days < 2 * BLOCKS:
        return None
    parts = [(part.sum(axis=0), len(part)) for part in np.array_split(daily, BLOCKS)]
    total, below = daily.sum(axis=0), 0.0
    halves = list(combinations(range(BLOCKS), BLOCKS // 2))
    for chosen in halves:
        loss = sum((parts[number][0] for number in chosen), np.zeros(tries))
        rows = sum(parts[number][1] for number in chosen)
        best, later = int(loss.argmin()), (total - loss) / (days - rows)
        worse = (later > later[best]).sum() + 0.5 * ((later == later[best]).sum() - 1)
        rank = worse / (tries - 1)
        below += 1.0 if rank < 0.5 else 0.5 if rank == 0.5 else 0.0
    return below / len(halves)


def best_of_many(benchmark: Array, daily: Array) -> float:
    """p-value that even the best of the tries is no better than the benchmark, given how many there were.

    Losses by day: [days] and [days, tries]. Hansen's test of superior predictive ability (2005), its consistent
    p-value, on circular blocks of days.
    """
    from arch.bootstrap import SPA

    moving = np.abs(daily - benchmark[:, None]).max(axis=0) > 1e-15
    if not moving.any():
        return 1.0
    test = SPA(benchmark, daily[:, moving], block_size=BLOCK, reps=SPA_DRAWS, bootstrap="circular", seed=SEED)
    test.compute()
    return float(test.pvalues["consistent"])
