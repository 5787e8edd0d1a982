"""Scores of the best possible forecaster of the simulated market.

By integration over its carrier (method 11).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from market_master.domain import SCORES, Array
from market_master.market_data.providers.simulated_process import (
    CARRIED,
    COMMON,
    IDIOSYNCRATIC,
    MARKET,
    SECTOR,
    sectors,
)

Characteristic = Callable[[Array], Array]

HOLD, STRONG = 0.40, 0.80
CUTS = (0.1, 0.3, 0.7, 0.9)
"""quantiles of the expected score between the five actions: as many of each as there are labels"""


def gaussian(t: Array) -> Array:
    """Characteristic function of the standard normal: the carrier in the volume."""
    return np.exp(-(t**2) / 2)


def student(t: Array) -> Array:
    """Characteristic function of Student's t with 5 degrees of freedom, scaled to unit variance."""
    a = np.sqrt(3) * np.abs(t)
    return np.exp(-a) * (1 + a + a**2 / 3)


def mixture(t: Array) -> Array:
    """Characteristic function of the market's noise: its market, sector and own parts together."""
    return student(np.sqrt(MARKET) * t) * student(np.sqrt(SECTOR) * t) * student(np.sqrt(IDIOSYNCRATIC) * t)


def visible_share(noise: float) -> float:
    """Correlation of what ln(volume) shows with the carrier, when it also holds so much noise."""
    return CARRIED / float(np.hypot(CARRIED, noise))


def smeared(edge: float, share: float) -> Characteristic:
    """Characteristic function of what is left of z, in its own units, when a carrier seen to `share` has been taken out."""
    hidden, remainder = edge * np.sqrt(1 - share**2), np.sqrt(1 - (edge * share) ** 2)
    return lambda t: gaussian(hidden / remainder * t) * mixture(np.sqrt(1 - edge**2) / remainder * t)


@lru_cache(maxsize=32)
def targets(
    edge: float, *, carrier: Characteristic = gaussian, noise: Characteristic = mixture, reach: float = 8.0
) -> dict[str, float]:
    """Skill of knowing the carrier x itself when z = edge x + sqrt(1 - edge^2) noise.

    `ic` is corr(expected score, z); `rpss` the gain in RPS over the label shares 10/20/40/20/10; `accuracy` that of the
    likeliest class; `macro_f1_cut` that of actions cut at the quantiles of the expected score. x is integrated over
    [-reach, reach].
    """
    remainder = np.sqrt(1 - edge**2)
    k1, k2 = _quantiles((0.5 + HOLD / 2, 0.5 + STRONG / 2), lambda t: carrier(edge * t) * noise(remainder * t))
    x, weight, rule = _nodes(carrier, reach)
    below = np.array([_cdf((cut - edge * x) / remainder, noise) for cut in (-k2, -k1, k1, k2)])
    p = np.diff(below, axis=0, prepend=0.0, append=1.0)
    prior, expected, cumulative = p @ weight, SCORES @ p, below @ weight
    spread = np.sqrt(weight @ expected**2 - (weight @ expected) ** 2)
    hit = np.array([weight[rule == c] @ p[c, rule == c] for c in range(5)])
    probabilities = np.array([weight[rule == c].sum() for c in range(5)])
    return {
        "ic": float(edge * (weight @ (expected * x)) / spread) if edge else 0.0,
        "rpss": float(((below - cumulative[:, None]) ** 2 @ weight).sum() / (cumulative * (1 - cumulative)).sum()),
        "accuracy": float(weight @ p.max(axis=0)),
        "macro_f1_cut": float(np.mean(2 * hit / (probabilities + prior))),
    }


def index_ic(edge: float, exposure: Array, *, common: float = COMMON, share: float = 1.0) -> float:
    """Correlation of the best index forecast with the index's next return.

    `exposure` is each symbol's weight times its sigma, `common` the share of the carrier that all symbols share, `share`
    the correlation of what is seen of it with itself.
    """
    common_part, own_part = exposure.sum() ** 2, (exposure**2).sum()
    sector = (np.bincount(sectors(len(exposure)), exposure) ** 2).sum()
    signal = common * common_part + (1 - common) * own_part
    noise = MARKET * common_part + SECTOR * sector + IDIOSYNCRATIC * own_part
    known = share**2 * signal + (1 - share**2) * own_part
    return float(edge * share * signal / np.sqrt(known * (edge**2 * signal + (1 - edge**2) * noise)))


_STEP = 0.02
_FREQUENCIES = np.arange(_STEP / 2, 16, _STEP)


def _cdf(values: Array, characteristic: Characteristic) -> Array:
    """P(X <= value) of a symmetric X from its characteristic function (Gil-Pelaez)."""
    t = _FREQUENCIES
    return 0.5 + np.sin(np.multiply.outer(values, t)) @ (characteristic(t) / t) * (_STEP / np.pi)


def _quantiles(levels: tuple[float, ...], characteristic: Characteristic) -> Array:
    grid = np.linspace(-4, 4, 1601)
    return np.interp(levels, _cdf(grid, characteristic), grid)


def _nodes(carrier: Characteristic, reach: float) -> tuple[Array, Array, Array]:
    """Gauss-Legendre nodes of x between the cuts, their probabilities, and the action that is cut there."""
    edges = np.concatenate([[-reach], _quantiles(CUTS, carrier), [reach]])
    unit, share = np.polynomial.legendre.leggauss(120)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half + half * unit).ravel()
    t = _FREQUENCIES
    density = np.cos(np.multiply.outer(x, t)) @ carrier(t) * (_STEP / np.pi)
    weight = (half * share).ravel() * density
    return x, weight / weight.sum(), np.repeat(np.arange(5), len(unit))
