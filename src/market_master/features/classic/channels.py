"""Channels: Keltner, Donchian, Ichimoku."""

from __future__ import annotations

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.classic.averages import EMA_20
from market_master.features.classic.recursive import reach, wilder
from market_master.features.engine import windows

GROUP = "trend"

WILDER_10 = wilder(10)
CONVERSION, BASE, SPAN, AHEAD = 9, 26, 52, 26
"""bars of Ichimoku's lines, and how far ahead its spans are drawn (Hosoda 1969)"""


@feature(warmup=reach(EMA_20), unit="ratio")
def keltner_position(log_close: Array, whole_range: Array) -> Array:
    """Distance from the exponential mean of 20 bars in half widths of the channel: two of Wilder's ranges of 10 bars."""
    middle, width = windows.weighted(log_close, EMA_20), 2.0 * windows.weighted(whole_range, WILDER_10)
    return windows.ratio(log_close - middle, width, neutral=0.0)


@feature(warmup=20, unit="ratio")
def donchian_breakout(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Where the close stands in the channel of the 20 bars before: above 1 or below 0 it broke out; 0.5 without a channel."""
    top, bottom = (windows.lag(line, 1) for line in (windows.highest(log_high, 20), windows.lowest(log_low, 20)))
    return windows.ratio(log_close - bottom, top - bottom, neutral=0.5)


@feature(warmup=54, unit="share")
def donchian_position(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Where the close stands in the channel of 55 bars: 0 at the lowest low, 1 at the highest high; 0.5 when they are one."""
    return windows.position_in_range(log_close, log_high, log_low, 55)


@feature(warmup=CONVERSION - 1, unit="ln")
def ichimoku_conversion(log_close: Array, conversion_line: Array) -> Array:
    """Log price above the conversion line, the middle of the range of 9 bars."""
    return log_close - conversion_line


@feature(warmup=BASE - 1, unit="ln")
def ichimoku_base(log_close: Array, base_line: Array) -> Array:
    """Log price above the base line, the middle of the range of 26 bars."""
    return log_close - base_line


@feature(warmup=BASE - 1 + AHEAD, unit="ln")
def ichimoku_span_a(log_close: Array, conversion_line: Array, base_line: Array) -> Array:
    """Log price above leading span A, as it was drawn for this bar 26 bars ago."""
    return log_close - windows.lag(0.5 * (conversion_line + base_line), AHEAD)


@feature(warmup=SPAN - 1 + AHEAD, unit="ln")
def ichimoku_span_b(log_high: Array, log_low: Array, log_close: Array) -> Array:
    """Log price above leading span B, the middle of 52 bars' range, as it was drawn for this bar 26 bars ago."""
    return log_close - windows.lag(_middle(log_high, log_low, SPAN), AHEAD)


@series(warmup=CONVERSION - 1)
def conversion_line(log_high: Array, log_low: Array) -> Array:
    """Middle of the range of 9 bars."""
    return _middle(log_high, log_low, CONVERSION)


@series(warmup=BASE - 1)
def base_line(log_high: Array, log_low: Array) -> Array:
    """Middle of the range of 26 bars."""
    return _middle(log_high, log_low, BASE)


def _middle(log_high: Array, log_low: Array, bars: int) -> Array:
    return 0.5 * (windows.highest(log_high, bars) + windows.lowest(log_low, bars))
