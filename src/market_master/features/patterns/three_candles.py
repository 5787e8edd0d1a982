"""Patterns of three candles: morning and evening star, white soldiers, black crows."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows
from market_master.features.patterns.candle_parts import CLOSE_BY, USUAL, above, at_most

GROUP = "returns"

PENETRATION = 0.3
"""of the first body: how far into it the last body of a star closes at least"""


@feature(warmup=USUAL + 2, unit="flag")
def morning_star(star_turns_up: Array, body_top: Array, body_bottom: Array) -> Array:
    """1 for a long black body, a short one after a gap down, and a long white one that closes well into the first.

    CDLMORNINGSTAR with a penetration of 0.3.
    """
    return star_turns_up * above(windows.lag(body_bottom, 2), windows.lag(body_top, 1))


@feature(warmup=USUAL + 2, unit="flag")
def morning_star_intraday(star_turns_up: Array, log_close: Array) -> Array:
    """As `morning_star`, the short candle's close at the first close or below it."""
    return star_turns_up * at_most(windows.lag(log_close, 1), windows.lag(log_close, 2))


@feature(warmup=USUAL + 2, unit="share")
def morning_star_strength(morning_star: Array, retraced: Array) -> Array:
    """Of a morning star: the share of the first body that the last close retraces, at most 1; else 0."""
    return morning_star * retraced


@feature(warmup=USUAL + 2, unit="share")
def morning_star_intraday_strength(morning_star_intraday: Array, retraced: Array) -> Array:
    """Of an intraday morning star: the share of the first body that the last close retraces, at most 1; else 0."""
    return morning_star_intraday * retraced


@feature(warmup=USUAL + 2, unit="flag")
def evening_star(star_turns_down: Array, body_top: Array, body_bottom: Array) -> Array:
    """1 for a long white body, a short one after a gap up, and a long black one that closes well into the first.

    CDLEVENINGSTAR with a penetration of 0.3.
    """
    return star_turns_down * above(windows.lag(body_bottom, 1), windows.lag(body_top, 2))


@feature(warmup=USUAL + 2, unit="flag")
def evening_star_intraday(star_turns_down: Array, log_close: Array) -> Array:
    """As `evening_star`, the short candle's close at the first close or above it."""
    return star_turns_down * at_most(windows.lag(log_close, 2), windows.lag(log_close, 1))


@feature(warmup=USUAL + 2, unit="share")
def evening_star_strength(evening_star: Array, retraced: Array) -> Array:
    """Of an evening star: the share of the first body that the last close retraces, at most 1; else 0."""
    return evening_star * retraced


@feature(warmup=USUAL + 2, unit="share")
def evening_star_intraday_strength(evening_star_intraday: Array, retraced: Array) -> Array:
    """Of an intraday evening star: the share of the first body that the last close retraces, at most 1; else 0."""
    return evening_star_intraday * retraced


@feature(warmup=USUAL + 2, unit="flag")
def three_white_soldiers(white_without_wick: Array, follows_up: Array, long_body: Array) -> Array:
    """1 for three white bodies without upper wicks, each opening in or near the one before and closing above it.

    CDL3WHITESOLDIERS.
    """
    return _three(white_without_wick) * follows_up * windows.lag(follows_up, 1) * long_body


@feature(warmup=USUAL + 2, unit="share")
def three_white_soldiers_strength(three_white_soldiers: Array, body_share: Array) -> Array:
    """Of three white soldiers: the least of the bodies' shares of their ranges; else 0."""
    return three_white_soldiers * body_share


@feature(warmup=USUAL + 2, unit="flag")
def three_black_crows(
    black_without_wick: Array, follows_down: Array, white: Array, log_high: Array, log_close: Array
) -> Array:
    """1 for three black bodies without lower wicks after a white one, each opening in the one before, closing below it.

    CDL3BLACKCROWS.
    """
    after = windows.lag(white, 3) * above(windows.lag(log_high, 3), windows.lag(log_close, 2))
    return after * _three(black_without_wick) * follows_down * windows.lag(follows_down, 1)


@feature(warmup=USUAL + 2, unit="share")
def three_black_crows_strength(three_black_crows: Array, body_share: Array) -> Array:
    """Of three black crows: the least of the bodies' shares of their ranges; else 0."""
    return three_black_crows * body_share


@series(warmup=USUAL + 2)
def short_after_long(short_body: Array, long_body: Array) -> Array:
    """1 where the body before is short and the one before it long, else 0."""
    return windows.lag(short_body, 1) * windows.lag(long_body, 2)


@series(warmup=2)
def retraced(body: Array, body_length: Array, log_close: Array) -> Array:
    """The share of the body two candles before that the close has gone back since, from 0 to 1."""
    back = np.where(windows.lag(body, 2) < 0.0, 1.0, -1.0) * (log_close - windows.lag(log_close, 2))
    return np.minimum(np.maximum(windows.ratio(back, windows.lag(body_length, 2), neutral=0.0), 0.0), 1.0)


@series(warmup=USUAL + 2)
def star_turns_up(
    short_after_long: Array, black: Array, white: Array, long_body: Array, body_length: Array, log_close: Array
) -> Array:
    """1 for black, any, white, of which the last is long and closes well into the first, else 0."""
    target = windows.lag(log_close + PENETRATION * body_length, 2)
    return short_after_long * windows.lag(black, 2) * white * long_body * above(log_close, target)


@series(warmup=USUAL + 2)
def star_turns_down(
    short_after_long: Array, black: Array, white: Array, long_body: Array, body_length: Array, log_close: Array
) -> Array:
    """1 for white, any, black, of which the last is long and closes well into the first, else 0."""
    target = windows.lag(log_close - PENETRATION * body_length, 2)
    return short_after_long * windows.lag(white, 2) * black * long_body * above(target, log_close)


@series(warmup=USUAL)
def white_without_wick(white: Array, no_upper_wick: Array) -> Array:
    """1 for a white candle that closed near its high, else 0."""
    return white * no_upper_wick


@series(warmup=USUAL)
def black_without_wick(black: Array, no_lower_wick: Array) -> Array:
    """1 for a black candle that closed near its low, else 0."""
    return black * no_lower_wick


@series(warmup=CLOSE_BY + 1)
def follows_up(log_open: Array, log_close: Array, body_length: Array, recent_range: Array) -> Array:
    """1 for a candle that opens in or near the body before, closes above it and is not far shorter, else 0."""
    near, far = 0.2 * recent_range, 0.6 * recent_range
    opens = above(log_open, windows.lag(log_open, 1)) * at_most(log_open, windows.lag(log_close + near, 1))
    return opens * above(log_close, windows.lag(log_close, 1)) * above(body_length, windows.lag(body_length - far, 1))


@series(warmup=1)
def follows_down(log_open: Array, log_close: Array) -> Array:
    """1 for a candle that opens in the body before and closes below it, else 0."""
    opens = above(windows.lag(log_open, 1), log_open) * above(log_open, windows.lag(log_close, 1))
    return opens * above(windows.lag(log_close, 1), log_close)


@series(warmup=2)
def body_share(body_length: Array, bar_range: Array) -> Array:
    """The least of three bodies' shares of their ranges."""
    share = windows.ratio(body_length, bar_range, neutral=0.0)
    return np.minimum(share, np.minimum(windows.lag(share, 1), windows.lag(share, 2)))


def _three(flag: Array) -> Array:
    return flag * windows.lag(flag, 1) * windows.lag(flag, 2)
