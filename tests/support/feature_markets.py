"""Random markets in which features are judged: one whole, one with holes, one with all that can happen to a bar."""

from __future__ import annotations

import functools

import numpy as np

from market_master.domain.bars import Bars
from tests.support.random_bars import changed, random_bars


@functools.cache
def plain() -> Bars:
    """Four symbols on XNYS, 80 sessions of 1 h with half-days, no bar missing."""
    return random_bars(1, symbols=4, sessions=80)


@functools.cache
def ragged() -> Bars:
    """Four symbols with holes and silent bars, of which one comes late and one leaves early."""
    bars = random_bars(2, symbols=4, sessions=90, missing=0.03, silent=0.05)
    late, early = bars.bar_end >= bars.bar_end[80], bars.bar_end <= bars.bar_end[560]
    return bars.take(np.where(bars.code == 1, late, np.where(bars.code == 2, early, True)))


@functools.cache
def rough() -> Bars:
    """A flash crash, 70 flat bars, 70 bars without volume, and a symbol that never moves nor trades."""
    bars = random_bars(3, symbols=3, sessions=80)
    first = bars.rows("S1").start
    flat, silent = np.arange(first + 100, first + 170), np.arange(first + 200, first + 270)
    level = bars.close[first + 99]
    bars = changed(bars, flat, open=level, high=level, low=level, close=level)
    bars = changed(bars, silent, volume=0.0)
    crash = np.array([first + 40, first + 290])
    bars = changed(bars, crash, low=bars.low[crash] * 0.05, close=bars.low[crash] * 0.1)
    still = bars.code == 2
    return changed(bars, still, open=7.0, high=7.0, low=7.0, close=7.0, volume=0.0)


@functools.cache
def drawn() -> Bars:
    """Twelve hundred symbols of 35 bars whose bodies, wicks and gaps are short or long: candles of every pattern."""
    bars = random_bars(4, symbols=1200, sessions=5)
    random = np.random.default_rng(7)
    size = 0.01 * np.exp(0.1 * random.standard_normal((4, len(bars))))
    colour = np.cumprod(random.choice([1.0, -1.0], len(bars), p=[0.6, 0.4]))
    body = colour * size[0] * random.choice([1.0, 0.7, 0.4, 0.02], len(bars))
    apart = size[1] * random.choice([-1.2, -0.3, -0.1, 0.1, 0.3, 1.2], len(bars))
    gap = np.where(random.random(len(bars)) < 0.35, -0.4 * np.roll(body, 1), apart)
    upper, lower = size[2:] * random.choice([0.005, 0.12, 0.8], (2, len(bars)))
    close = np.cumsum(body + gap)
    open_ = close - body
    prices = {
        "open": open_,
        "high": np.maximum(open_, close) + upper,
        "low": np.minimum(open_, close) - lower,
        "close": close,
    }
    return changed(bars, np.ones(len(bars), dtype=bool), **{name: np.exp(value) for name, value in prices.items()})
