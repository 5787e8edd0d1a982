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
    """Volatility expected of each return, by those before it, and of the next one: [..., one more than there are returns]."""
    squares = np.moveaxis(returns**2, -1, 0)
    variance = np.empty((len(squares) + 1, *squares.shape[1:]))
    variance[: FIRST + 1] = squares[:FIRST].mean(axis=0)
    for n in range(FIRST, len(squares)):
        variance[n + 1] = DECAY * variance[n] + (1.0 - DECAY) * squares[n]
    return np.moveaxis(np.maximum(np.sqrt(variance), LEAST), 0, -1)


def loss_quantiles(returns: Array, level: float, volatility: Array | None = None) -> tuple[Array, Array]:
    """Value at risk and expected shortfall of the return after each of the newest bars, as positive log returns.

    From the bar on that has 250 standardised returns up to it; the last is of the return to come. `volatility` is the expected
    one, if it is known already. The quantile is Weibull's, which of exchangeable returns the next one exceeds as often as it
    says.
    """
    volatility = expected_volatility(returns) if volatility is None else volatility
    rank = (WINDOW + 1) * (1.0 - level)
    below = int(rank)
    smallest = smallest_in_windows(returns[..., FIRST:] / volatility[..., FIRST:-1], WINDOW, below + 1)
    quantile = smallest[..., -2] + (rank - below) * (smallest[..., -1] - smallest[..., -2])
    scale = volatility[..., FIRST + WINDOW :]
    return -quantile * scale, -smallest[..., :-1].mean(axis=-1) * scale


def smallest_in_windows(values: Array, window: int, count: int) -> Array:
    """The smallest of each window of consecutive values along the last axis, in order: [..., windows, count].

    Only so many of all values are looked at that every window has its share among them.
    """
    length = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")[..., None, :].astype(np.int16)
    starts = np.arange(length - window + 1, dtype=np.int16)[:, None]
    candidates = 2 * count * length // window
    while True:
        inside = (order[..., :candidates] >= starts) & (order[..., :candidates] < starts + window)
        rank = inside.cumsum(axis=-1, dtype=np.int16)
        if candidates >= length or rank[..., -1].min() >= count:
            break
        candidates *= 2
    inside &= rank <= count
    picked = np.broadcast_to(order[..., :candidates], inside.shape)[inside].reshape(*inside.shape[:-1], count)
    smallest: Array = np.take_along_axis(values[..., None, :], picked.astype(np.intp), axis=-1)
    return smallest


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
