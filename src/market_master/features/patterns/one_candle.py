"""Patterns of one candle: doji, marubozu, hammer, shooting star."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows
from market_master.features.patterns.candle_parts import USUAL, above, at_most, remainder

GROUP = "returns"


@feature(warmup=USUAL, unit="flag")
def doji(body_length: Array, usual_range: Array) -> Array:
    """1 for a body of at most a tenth of the usual range: open and close are one (CDLDOJI)."""
    return at_most(body_length, 0.1 * usual_range)


@feature(warmup=USUAL, unit="share")
def doji_strength(doji: Array, body_length: Array, usual_range: Array) -> Array:
    """Of a doji: 1 without a body, 0 for the longest that still is one; else 0."""
    return doji * remainder(body_length, 0.1 * usual_range)


@feature(warmup=USUAL, unit="flag")
def marubozu(white: Array, long_body: Array, no_upper_wick: Array, no_lower_wick: Array) -> Array:
    """1 for a long white body without wicks, -1 for a black one (CDLMARUBOZU)."""
    return (2.0 * white - 1.0) * long_body * no_upper_wick * no_lower_wick


@feature(warmup=USUAL, unit="share")
def marubozu_strength(marubozu: Array, body_length: Array, bar_range: Array) -> Array:
    """Of a marubozu: the body's share of the range; else 0."""
    return np.abs(marubozu) * windows.ratio(body_length, bar_range, neutral=1.0)


@feature(warmup=USUAL, unit="flag")
def hammer(
    short_body: Array, lower_wick: Array, body_length: Array, no_upper_wick: Array, body_bottom: Array, near_low: Array
) -> Array:
    """1 for a short body above a longer lower wick, near or below the low before (CDLHAMMER)."""
    return short_body * above(lower_wick, body_length) * no_upper_wick * at_most(body_bottom, near_low)


@feature(warmup=USUAL, unit="share")
def hammer_strength(hammer: Array, lower_wick: Array, bar_range: Array) -> Array:
    """Of a hammer: the lower wick's share of the range; else 0."""
    return hammer * windows.ratio(lower_wick, bar_range, neutral=0.0)


@feature(warmup=USUAL, unit="flag")
def shooting_star(star_shape: Array, body_bottom: Array, body_top: Array) -> Array:
    """1 for a short body below a longer upper wick, after a gap above the body before (CDLSHOOTINGSTAR)."""
    return star_shape * above(body_bottom, windows.lag(body_top, 1))


@feature(warmup=USUAL, unit="flag")
def shooting_star_intraday(star_shape: Array, body_bottom: Array, log_close: Array) -> Array:
    """As `shooting_star`, the body at the close before or above it."""
    return star_shape * at_most(windows.lag(log_close, 1), body_bottom)


@feature(warmup=USUAL, unit="share")
def shooting_star_strength(shooting_star: Array, upper_wick: Array, bar_range: Array) -> Array:
    """Of a shooting star: the upper wick's share of the range; else 0."""
    return shooting_star * windows.ratio(upper_wick, bar_range, neutral=0.0)


@feature(warmup=USUAL, unit="share")
def shooting_star_intraday_strength(shooting_star_intraday: Array, upper_wick: Array, bar_range: Array) -> Array:
    """Of an intraday shooting star: the upper wick's share of the range; else 0."""
    return shooting_star_intraday * windows.ratio(upper_wick, bar_range, neutral=0.0)


@series(warmup=6)
def near_low(log_low: Array, recent_range: Array) -> Array:
    """The low before, and a fifth of the recent range above it."""
    return windows.lag(log_low + 0.2 * recent_range, 1)


@series(warmup=USUAL)
def star_shape(short_body: Array, upper_wick: Array, body_length: Array, no_lower_wick: Array) -> Array:
    """1 for a short body below a longer upper wick, without a lower one, else 0."""
    return short_body * above(upper_wick, body_length) * no_lower_wick
