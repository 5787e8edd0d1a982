"""Control charts of a daily number that should not fall.

The cumulative sum, and the shortfall of a mean.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array

SLACK, DECISION = 0.5, 5.0
"""k and h of Page's cumulative sum, in standard deviations"""


def cusum(daily: Array, mean: float, spread: float) -> Array:
    """One-sided cumulative sum of how far each day fell below the mean, in standard deviations (Page 1954).

    At or above `DECISION` the mean has fallen; a fall by 1 standard deviation is found in about ten days, and a false alarm
    comes every (e^b - b - 1) / (2 k^2) days on average, b = 2 k (h + 1.166): 938 (Siegmund 1985).
    """
    level, path = 0.0, []
    for value in daily.tolist():
        level = max(0.0, level + (mean - value) / spread - SLACK)
        path.append(level)
    return np.array(path)


def shortfall(recent: Array, before: Array) -> float:
    """How far the mean of recent days lies below that of the days before, in standard errors of the difference.

    Both means are uncertain, and days share no more than their own news.
    """
    error = float(np.sqrt(before.var(ddof=1) * (1 / len(recent) + 1 / len(before))))
    return float((before.mean() - recent.mean()) / error) if error > 0 else 0.0
