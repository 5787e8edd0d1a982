"""Liquidity: what a trade costs and moves, by bars."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows

GROUP = "volume"

SHORT, LONG = 5, 59
CORWIN_SCHULTZ = 3.0 - 2.0 * np.sqrt(2.0)


@feature(warmup=LONG, unit="ln")
def amihud_trend(price_of_volume: Array, traded: Array) -> Array:
    """ln of Amihud's illiquidity (2002) of 5 bars over that of 59; 0 where either is without volume or move."""
    recent, usual = _illiquidity(price_of_volume, traded, SHORT), _illiquidity(price_of_volume, traded, LONG)
    known = (recent > 0.0) & (usual > 0.0)
    return np.where(known, np.log(np.where(known, recent, 1.0)) - np.log(np.where(known, usual, 1.0)), 0.0)


@feature(warmup=LONG + 1, unit="sd")
def roll_spread(move: Array, volatility: Array) -> Array:
    """Roll's spread (1984), twice the root of how far neighbouring moves cancel, 59 bars; 0 where they do not."""
    return 2.0 * np.sqrt(np.maximum(-windows.mean(move * windows.lag(move, 1), LONG), 0.0)) / volatility


@feature(warmup=20, unit="sd")
def corwin_schultz_spread(bar_range: Array, pair_range: Array, volatility: Array) -> Array:
    """Corwin and Schultz's spread (2012) from ranges of one bar and of two, mean of 20; negative ones count as 0."""
    squares = bar_range * bar_range
    sum_of_two = squares + windows.lag(squares, 1)
    alpha = (np.sqrt(2.0 * sum_of_two) - np.sqrt(sum_of_two)) / CORWIN_SCHULTZ - pair_range / np.sqrt(CORWIN_SCHULTZ)
    spread = 2.0 * np.tanh(0.5 * np.maximum(alpha, 0.0))
    return windows.mean(spread, 20) / volatility


@feature(warmup=LONG - 1, unit="sd")
def turnover_shock(log_volume: Array, traded: Array) -> Array:
    """ln of the volume above its mean of 59 bars, in standard deviations; 0 where it traded nothing or always the same."""
    known = windows.mean(traded, LONG)
    centre = windows.ratio(windows.mean(log_volume, LONG), known, neutral=0.0, minimum=0.0)
    square = windows.ratio(windows.mean(log_volume * log_volume, LONG), known, neutral=0.0, minimum=0.0)
    spread = np.sqrt(np.maximum(square - centre * centre, 0.0))
    return np.where(traded > 0, windows.ratio(log_volume - centre, spread, neutral=0.0, minimum=1e-3), 0.0)


@series(warmup=1)
def pair_range(log_high: Array, log_low: Array, overnight: Array) -> Array:
    """Log range of the last two bars, the night between them taken out."""
    before_high, before_low = windows.lag(log_high, 1) + overnight, windows.lag(log_low, 1) + overnight
    return np.maximum(log_high, before_high) - np.minimum(log_low, before_low)


@series(warmup=1)
def price_of_volume(move: Array, log_volume: Array, log_close: Array, traded: Array) -> Array:
    """Size of the move per money traded, in any unit; 0 where nothing traded."""
    return np.abs(move) * np.exp(-log_volume - log_close) * traded


def _illiquidity(price_of_volume: Array, traded: Array, bars: int) -> Array:
    return windows.ratio(windows.mean(price_of_volume, bars), windows.mean(traded, bars), neutral=0.0, minimum=0.0)
