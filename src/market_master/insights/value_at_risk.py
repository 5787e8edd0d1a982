"""Value at risk by filtered historical simulation, and the test of its coverage.

Returns are divided by the volatility that was expected of them; the newest 250 of those, times the volatility expected now,
are what may come (Barone-Adesi, Giannopoulos and Vosper 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, log, sqrt

import numpy as np

from market_master.domain import Array

WINDOW = 250
"""standardised returns that a quantile is taken of"""
DECAY = 0.94
"""of the squared returns that volatility is expected by (RiskMetrics 1996)"""
FIRST = 20
"""returns whose mean square the expectation begins with"""
LEAST = 1e-6
"""volatility; a series that stands still is not divided by less"""


@dataclass(frozen=True)
class Coverage:
    """How often returns fell below the value at risk stated before them, and Kupiec's test (1995) that this is as promised."""

    exceedances: int
    observations: int
    expected: float
    p_value: float | None
    """null without observations"""


def expected_volatility(returns: Array) -> Array:
    """Volatility expected of each return, by those before it, and of the next one: one value more than there are returns."""
    variance = np.empty(len(returns) + 1)
    variance[: FIRST + 1] = np.mean(returns[:FIRST] ** 2)
    for n in range(FIRST, len(returns)):
        variance[n + 1] = DECAY * variance[n] + (1.0 - DECAY) * returns[n] ** 2
    return np.maximum(np.sqrt(variance), LEAST)


def loss_quantiles(returns: Array, level: float) -> tuple[Array, Array]:
    """Value at risk and expected shortfall of the return after each of the newest bars, as positive log returns.

    From the bar on that has 250 standardised returns up to it; the last is of the return to come. The quantile is Weibull's,
    which of exchangeable returns the next one exceeds as often as it says.
    """
    volatility = expected_volatility(returns)
    standardised = returns[FIRST:] / volatility[FIRST:-1]
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(standardised, WINDOW), axis=1)
    scale = volatility[FIRST + WINDOW :]
    quantile = np.quantile(windows, 1.0 - level, axis=1, method="weibull")
    beyond = windows <= quantile[:, None]
    mean_beyond = np.where(beyond, windows, 0.0).sum(axis=1) / beyond.sum(axis=1)
    return -quantile * scale, -mean_beyond * scale


def coverage(returns: Array, at_risk: Array, level: float) -> Coverage:
    """Of the value at risk, as `loss_quantiles` gives it, before each return that had one."""
    stated = at_risk[:-1]
    observed = returns[len(returns) - len(stated) :]
    exceedances = int((observed < -stated).sum())
    return Coverage(
        exceedances, len(stated), (1.0 - level) * len(stated), kupiec(exceedances, len(stated), 1.0 - level)
    )


def kupiec(exceedances: int, observations: int, promised: float) -> float | None:
    """P-value of the likelihood ratio of the observed share to the promised one, by a chi-square of one degree."""
    if not observations:
        return None

    def log_likelihood(share: float) -> float:
        calm = observations - exceedances
        return (exceedances * log(share) if exceedances else 0.0) + (calm * log(1.0 - share) if calm else 0.0)

    ratio = 2.0 * (log_likelihood(exceedances / observations) - log_likelihood(promised))
    return erfc(sqrt(max(ratio, 0.0) / 2.0))
