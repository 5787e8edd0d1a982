"""A world whose true odds are known: the next move is normal, a known share of it is seen before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from market_master.domain.arrays import Array

PRIOR = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
BORDERS = norm.ppf(PRIOR.cumsum()[:4])


class World(NamedTuple):
    """Rows with the true odds of each action, the action that came, the scaled move behind it, and the day."""

    probabilities: Array
    action: NDArray[np.int64]
    z: Array
    session: NDArray[np.int64]


def world(seed: int, count: int, rho: float, per_day: int = 50) -> World:
    """Independent rows in which what is seen correlates `rho` with the move; labels are 10/20/40/20/10 %."""
    random = np.random.default_rng(seed)
    seen, unseen = random.standard_normal((2, count))
    z = rho * seen + np.sqrt(1 - rho**2) * unseen
    reached = norm.cdf((BORDERS - rho * seen[:, None]) / np.sqrt(1 - rho**2))
    odds = np.diff(np.column_stack([np.zeros(count), reached, np.ones(count)]), axis=1)
    return World(odds, np.searchsorted(BORDERS, z), z, np.arange(count) // per_day)
