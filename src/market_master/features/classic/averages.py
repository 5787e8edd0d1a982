"""Distance of the price from its moving averages, MACD and TRIX."""

from __future__ import annotations

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.classic.recursive import difference, exponential, reach, repeated
from market_master.features.engine import windows

GROUP = "trend"

EMA_5, EMA_10, EMA_12, EMA_20, EMA_26 = (exponential(period) for period in (5, 10, 12, 20, 26))
EMA_50 = exponential(50, rest=3e-9)
"""500 bars do not hold more; of prices within a third of each other what is left out stays under 1e-9"""
MACD = difference(EMA_12, EMA_26)
SIGNAL = difference(repeated(EMA_12, exponential(9)), repeated(EMA_26, exponential(9)))
TRIX = repeated(exponential(15), exponential(15), exponential(15))


@feature(warmup=4, unit="ln")
def sma_distance_5(log_close: Array) -> Array:
    """Log price less its simple mean of 5 bars."""
    return log_close - windows.mean(log_close, 5)


@feature(warmup=9, unit="ln")
def sma_distance_10(log_close: Array) -> Array:
    """Log price less its simple mean of 10 bars."""
    return log_close - windows.mean(log_close, 10)


@feature(warmup=19, unit="ln")
def sma_distance_20(log_close: Array) -> Array:
    """Log price less its simple mean of 20 bars."""
    return log_close - windows.mean(log_close, 20)


@feature(warmup=49, unit="ln")
def sma_distance_50(log_close: Array) -> Array:
    """Log price less its simple mean of 50 bars."""
    return log_close - windows.mean(log_close, 50)


@feature(warmup=99, unit="ln")
def sma_distance_100(log_close: Array) -> Array:
    """Log price less its simple mean of 100 bars."""
    return log_close - windows.mean(log_close, 100)


@feature(warmup=199, unit="ln")
def sma_distance_200(log_close: Array) -> Array:
    """Log price less its simple mean of 200 bars."""
    return log_close - windows.mean(log_close, 200)


@feature(warmup=reach(EMA_5), unit="ln")
def ema_distance_5(log_close: Array) -> Array:
    """Log price less its exponential mean of 5 bars."""
    return log_close - windows.weighted(log_close, EMA_5)


@feature(warmup=reach(EMA_10), unit="ln")
def ema_distance_10(log_close: Array) -> Array:
    """Log price less its exponential mean of 10 bars."""
    return log_close - windows.weighted(log_close, EMA_10)


@feature(warmup=reach(EMA_20), unit="ln")
def ema_distance_20(log_close: Array) -> Array:
    """Log price less its exponential mean of 20 bars."""
    return log_close - windows.weighted(log_close, EMA_20)


@feature(warmup=reach(EMA_50), unit="ln")
def ema_distance_50(log_close: Array) -> Array:
    """Log price less its exponential mean of 50 bars; no longer one fits into 500."""
    return log_close - windows.weighted(log_close, EMA_50)


@feature(warmup=reach(MACD), unit="ln")
def macd_line(log_close: Array) -> Array:
    """Exponential mean of 12 bars less that of 26 (Appel)."""
    return windows.weighted(log_close, MACD)


@feature(warmup=reach(SIGNAL), unit="ln")
def macd_signal(log_close: Array) -> Array:
    """Exponential mean of 9 bars of the MACD line."""
    return windows.weighted(log_close, SIGNAL)


@feature(warmup=max(reach(MACD), reach(SIGNAL)), unit="ln")
def macd_divergence(macd_line: Array, macd_signal: Array) -> Array:
    """The MACD line less its signal."""
    return macd_line - macd_signal


@feature(warmup=reach(TRIX) + 1, unit="%")
def trix(thrice_smoothed: Array) -> Array:
    """Change of the thrice smoothed log price over one bar, 15 bars each, in per cent (Hutson)."""
    return 100.0 * (thrice_smoothed - windows.lag(thrice_smoothed, 1))


@series(warmup=reach(TRIX))
def thrice_smoothed(log_close: Array) -> Array:
    """Log price after three exponential means of 15 bars."""
    return windows.weighted(log_close, TRIX)
