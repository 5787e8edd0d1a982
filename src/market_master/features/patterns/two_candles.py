"""Patterns of two candles: engulfing, harami, piercing line, dark cloud cover, tweezers."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows
from market_master.features.patterns.candle_parts import CLOSE_BY, USUAL, above, at_most, remainder

GROUP = "returns"

EQUAL = 0.05
"""of the recent range: extremes that differ by no more are equal"""


@feature(warmup=1, unit="flag")
def engulfing_bullish(white: Array, black: Array, engulfs: Array) -> Array:
    """1 for a white body that begins below and ends above the black one before (CDLENGULFING)."""
    return engulfs * white * windows.lag(black, 1)


@feature(warmup=1, unit="flag")
def engulfing_bearish(white: Array, black: Array, engulfs: Array) -> Array:
    """1 for a black body that begins above and ends below the white one before (CDLENGULFING)."""
    return engulfs * black * windows.lag(white, 1)


@feature(warmup=1, unit="share")
def engulfing_bullish_strength(engulfing_bullish: Array, beyond_body: Array) -> Array:
    """Of a bullish engulfing: the share of its body that is more than the body before; else 0."""
    return engulfing_bullish * beyond_body


@feature(warmup=1, unit="share")
def engulfing_bearish_strength(engulfing_bearish: Array, beyond_body: Array) -> Array:
    """Of a bearish engulfing: the share of its body that is more than the body before; else 0."""
    return engulfing_bearish * beyond_body


@feature(warmup=USUAL + 1, unit="flag")
def harami(white: Array, short_body: Array, long_body: Array, body_top: Array, body_bottom: Array) -> Array:
    """A short body inside the long one before: 1 after a black one, -1 after a white one (CDLHARAMI)."""
    inside = above(windows.lag(body_top, 1), body_top) * above(body_bottom, windows.lag(body_bottom, 1))
    return (1.0 - 2.0 * windows.lag(white, 1)) * windows.lag(long_body, 1) * short_body * inside


@feature(warmup=USUAL + 1, unit="share")
def harami_strength(harami: Array, body_length: Array) -> Array:
    """Of a harami: the share of the body before that is more than its own; else 0."""
    return np.abs(harami) * remainder(body_length, windows.lag(body_length, 1))


@feature(warmup=USUAL + 1, unit="flag")
def piercing_line(rise_into_body: Array, log_open: Array, log_low: Array) -> Array:
    """1 for a long white body from below the low to above the middle of the long black one before (CDLPIERCING)."""
    return rise_into_body * above(windows.lag(log_low, 1), log_open)


@feature(warmup=USUAL + 1, unit="flag")
def piercing_line_intraday(rise_into_body: Array, log_open: Array, log_close: Array) -> Array:
    """As `piercing_line`, open at the close before or below it."""
    return rise_into_body * at_most(log_open, windows.lag(log_close, 1))


@feature(warmup=USUAL + 1, unit="share")
def piercing_line_strength(piercing_line: Array, depth: Array) -> Array:
    """Of a piercing line: how far from the middle (0) to the open (1) of the body before it closed; else 0."""
    return piercing_line * depth


@feature(warmup=USUAL + 1, unit="share")
def piercing_line_intraday_strength(piercing_line_intraday: Array, depth: Array) -> Array:
    """Of an intraday piercing line: how far from the middle (0) to the open (1) of the body before it closed; else 0."""
    return piercing_line_intraday * depth


@feature(warmup=USUAL + 1, unit="flag")
def dark_cloud_cover(fall_into_body: Array, log_open: Array, log_high: Array) -> Array:
    """1 for a black body from above the high to below the middle of the long white one before (CDLDARKCLOUDCOVER, 0.5)."""
    return fall_into_body * above(log_open, windows.lag(log_high, 1))


@feature(warmup=USUAL + 1, unit="flag")
def dark_cloud_cover_intraday(fall_into_body: Array, log_open: Array, log_close: Array) -> Array:
    """As `dark_cloud_cover`, open at the close before or above it."""
    return fall_into_body * at_most(windows.lag(log_close, 1), log_open)


@feature(warmup=USUAL + 1, unit="share")
def dark_cloud_cover_strength(dark_cloud_cover: Array, depth: Array) -> Array:
    """Of a dark cloud cover: how far from the middle (0) to the open (1) of the body before it closed; else 0."""
    return dark_cloud_cover * depth


@feature(warmup=USUAL + 1, unit="share")
def dark_cloud_cover_intraday_strength(dark_cloud_cover_intraday: Array, depth: Array) -> Array:
    """Of an intraday dark cloud cover: how far from the middle (0) to the open (1) of the body before it closed; else 0."""
    return dark_cloud_cover_intraday * depth


@feature(warmup=CLOSE_BY, unit="flag")
def tweezer_top(white: Array, black: Array, highs_apart: Array, recent_range: Array) -> Array:
    """1 for a black candle as high as the white one before (no rule of TA-Lib's: to a twentieth of the recent range)."""
    return black * windows.lag(white, 1) * at_most(highs_apart, EQUAL * recent_range)


@feature(warmup=CLOSE_BY, unit="flag")
def tweezer_bottom(white: Array, black: Array, lows_apart: Array, recent_range: Array) -> Array:
    """1 for a white candle as low as the black one before (no rule of TA-Lib's: to a twentieth of the recent range)."""
    return white * windows.lag(black, 1) * at_most(lows_apart, EQUAL * recent_range)


@feature(warmup=CLOSE_BY, unit="share")
def tweezer_top_strength(tweezer_top: Array, highs_apart: Array, recent_range: Array) -> Array:
    """Of a tweezer top: 1 where the highs are one, 0 where they differ by all that is allowed; else 0."""
    return tweezer_top * remainder(highs_apart, EQUAL * recent_range)


@feature(warmup=CLOSE_BY, unit="share")
def tweezer_bottom_strength(tweezer_bottom: Array, lows_apart: Array, recent_range: Array) -> Array:
    """Of a tweezer bottom: 1 where the lows are one, 0 where they differ by all that is allowed; else 0."""
    return tweezer_bottom * remainder(lows_apart, EQUAL * recent_range)


@series(warmup=1)
def engulfs(body_top: Array, body_bottom: Array) -> Array:
    """1 for a body that reaches beyond the body before at both ends, else 0."""
    return above(body_top, windows.lag(body_top, 1)) * above(windows.lag(body_bottom, 1), body_bottom)


@series(warmup=1)
def beyond_body(body_length: Array) -> Array:
    """The share of a body that is more than the body before."""
    return remainder(windows.lag(body_length, 1), body_length)


@series(warmup=1)
def middle_before(log_open: Array, log_close: Array) -> Array:
    """The middle of the body before."""
    return windows.lag(0.5 * (log_open + log_close), 1)


@series(warmup=1)
def depth(log_open: Array, log_close: Array, middle_before: Array) -> Array:
    """How far a close is from the middle (0) to the open (1) of the body before, at most 1."""
    half = np.abs(windows.lag(log_open, 1) - middle_before)
    return np.minimum(windows.ratio(np.abs(log_close - middle_before), half, neutral=1.0), 1.0)


@series(warmup=USUAL + 1)
def rise_into_body(
    black: Array, white: Array, long_body: Array, log_open: Array, log_close: Array, middle_before: Array
) -> Array:
    """1 for a long white body that closes in the upper half of the long black one before, else 0."""
    before = windows.lag(black, 1) * windows.lag(long_body, 1)
    inside = above(log_close, middle_before) * above(windows.lag(log_open, 1), log_close)
    return before * white * long_body * inside


@series(warmup=USUAL + 1)
def fall_into_body(
    black: Array, white: Array, long_body: Array, log_open: Array, log_close: Array, middle_before: Array
) -> Array:
    """1 for a black body that closes in the lower half of the long white one before, else 0."""
    before = windows.lag(white, 1) * windows.lag(long_body, 1)
    inside = above(middle_before, log_close) * above(log_close, windows.lag(log_open, 1))
    return before * black * inside


@series(warmup=1)
def highs_apart(log_high: Array) -> Array:
    """Distance of a high from the high before."""
    return np.abs(log_high - windows.lag(log_high, 1))


@series(warmup=1)
def lows_apart(log_low: Array) -> Array:
    """Distance of a low from the low before."""
    return np.abs(log_low - windows.lag(log_low, 1))
