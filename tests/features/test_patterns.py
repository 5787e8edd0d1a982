"""Candlestick patterns: each drawn by hand, with a near miss beside it; and the rules of TA-Lib over random bars."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from market_master import features
from market_master.domain.bars import Bars
from market_master.domain.calendar import Timetable
from market_master.features.engine import windows
from market_master.plugins import load_family
from tests.support.random_bars import random_bars

Candle = tuple[float, float, float, float]
"""open, high, low, close"""
PATTERNS = features.select(["patterns"], "1h")
FLAGS = tuple(name for name in PATTERNS if load_family("features")[name].metadata["unit"] == "flag")
QUIET: list[Candle] = [(100.0, 100.75, 99.75, 100.5), (100.5, 100.75, 99.75, 100.0)] * 7
"""fourteen bars of a range of 1 and a body of 0.5, the last black and closed at 100"""
LONG_BLACK, LONG_WHITE = (100.0, 100.1, 97.9, 98.0), (100.0, 102.1, 99.9, 102.0)

DRAWN: dict[str, tuple[float, list[Candle], list[Candle]]] = {
    # name: the flag, the candles that are one, the candles that nearly are
    "doji": (1, [(100, 100.5, 99.5, 100.05)], [(100, 100.5, 99.5, 100.15)]),
    "marubozu": (1, [(100, 102.02, 99.98, 102)], [(100, 102.2, 99.98, 102)]),
    "hammer": (1, [(99.9, 100.0, 98.9, 100.0)], [(99.9, 100.2, 98.9, 100.0)]),
    "shooting_star": (1, [(101.1, 102.2, 101.1, 101.3)], [(100.4, 101.5, 100.4, 100.6)]),
    "shooting_star_intraday": (1, [(100.0, 101.2, 100.0, 100.2)], [(99.9, 101.2, 99.9, 100.2)]),
    "engulfing_bullish": (1, [(99.9, 100.8, 99.8, 100.6)], [(99.9, 100.8, 99.8, 100.5)]),
    "engulfing_bearish": (1, [LONG_WHITE, (102.1, 102.2, 99.8, 99.9)], [LONG_WHITE, (102.1, 102.2, 99.8, 100.1)]),
    "harami": (1, [LONG_BLACK, (98.5, 99.0, 98.4, 98.8)], [LONG_BLACK, (97.9, 98.5, 97.8, 98.2)]),
    "piercing_line": (1, [LONG_BLACK, (97.8, 99.5, 97.7, 99.4)], [LONG_BLACK, (97.8, 99.0, 97.7, 98.9)]),
    "piercing_line_intraday": (1, [LONG_BLACK, (98.0, 99.5, 97.9, 99.4)], [LONG_BLACK, (98.1, 99.5, 98.0, 99.4)]),
    "dark_cloud_cover": (1, [LONG_WHITE, (102.2, 102.3, 100.5, 100.6)], [LONG_WHITE, (102.2, 102.3, 101.0, 101.1)]),
    "dark_cloud_cover_intraday": (
        1,
        [LONG_WHITE, (102.0, 102.1, 100.5, 100.6)],
        [LONG_WHITE, (101.9, 102.1, 100.5, 100.6)],
    ),
    "morning_star": (
        1,
        [LONG_BLACK, (97.7, 97.9, 97.4, 97.6), (97.8, 99.2, 97.7, 99.0)],
        [LONG_BLACK, (97.7, 97.9, 97.4, 97.6), (97.6, 98.6, 97.5, 98.5)],
    ),
    "morning_star_intraday": (
        1,
        [LONG_BLACK, (98.0, 98.1, 97.6, 97.9), (97.9, 99.2, 97.8, 99.0)],
        [LONG_BLACK, (98.0, 98.3, 97.8, 98.1), (98.1, 99.2, 98.0, 99.0)],
    ),
    "evening_star": (
        1,
        [LONG_WHITE, (102.3, 102.6, 102.2, 102.5), (102.2, 102.3, 100.9, 101.0)],
        [LONG_WHITE, (101.9, 102.2, 101.8, 102.1), (102.0, 102.1, 100.9, 101.0)],
    ),
    "evening_star_intraday": (
        1,
        [LONG_WHITE, (102.0, 102.2, 101.9, 102.1), (102.1, 102.2, 100.9, 101.0)],
        [LONG_WHITE, (102.0, 102.2, 101.7, 101.8), (101.8, 102.0, 100.9, 101.0)],
    ),
    "three_white_soldiers": (
        1,
        [(100, 101.02, 99.9, 101), (100.5, 102.02, 100.4, 102), (101.5, 103.02, 101.4, 103)],
        [(100, 101.02, 99.9, 101), (100.5, 102.02, 100.4, 102), (101.5, 103.3, 101.4, 103)],
    ),
    "three_black_crows": (
        1,
        [LONG_WHITE, (101.8, 101.9, 100.78, 100.8), (101.4, 101.5, 99.98, 100), (100.5, 100.6, 98.98, 99)],
        [LONG_BLACK, (101.8, 101.9, 100.78, 100.8), (101.4, 101.5, 99.98, 100), (100.5, 100.6, 98.98, 99)],
    ),
    "tweezer_top": (1, [LONG_WHITE, (102, 102.1, 101.2, 101.5)], [LONG_WHITE, (102, 102.25, 101.2, 101.5)]),
    "tweezer_bottom": (1, [LONG_BLACK, (98, 98.8, 97.9, 98.5)], [LONG_BLACK, (98, 98.8, 97.7, 98.5)]),
}  # fmt: skip
SIGNED = {
    "marubozu": [(100, 100.02, 97.98, 98)],
    "harami": [LONG_WHITE, (101.2, 101.4, 100.8, 101.0)],
}
TALIB = {
    "doji": ("CDLDOJI", None), "marubozu": ("CDLMARUBOZU", None), "hammer": ("CDLHAMMER", None),
    "shooting_star": ("CDLSHOOTINGSTAR", None), "engulfing_bullish": ("CDLENGULFING", None),
    "engulfing_bearish": ("CDLENGULFING", None), "harami": ("CDLHARAMI", None), "piercing_line": ("CDLPIERCING", None),
    "dark_cloud_cover": ("CDLDARKCLOUDCOVER", 0.5), "morning_star": ("CDLMORNINGSTAR", 0.3),
    "evening_star": ("CDLEVENINGSTAR", 0.3), "three_white_soldiers": ("CDL3WHITESOLDIERS", None),
    "three_black_crows": ("CDL3BLACKCROWS", None),
}  # fmt: skip
"""TA-Lib's function of each pattern, and its penetration"""
ONE_SIDE = {
    "doji": 1, "hammer": 1, "shooting_star": -1, "engulfing_bullish": 1, "engulfing_bearish": -1, "piercing_line": 1,
    "dark_cloud_cover": -1, "morning_star": 1, "evening_star": -1, "three_white_soldiers": 1, "three_black_crows": -1,
}  # fmt: skip
"""the sign that TA-Lib gives a pattern whose flag here is 1"""
WARMUP = dict(zip(PATTERNS, features.warmups(PATTERNS), strict=True))


def newest(candles: list[Candle]) -> dict[str, float]:
    """Every pattern's value after quiet bars and some candles."""
    prices = np.array(QUIET + candles).T
    whole = random_bars(1, symbols=1, sessions=10).tail(prices.shape[1])
    columns = dict(zip(("open", "high", "low", "close"), prices, strict=True))
    columns |= {"bar_end": whole.bar_end, "volume": whole.volume}
    values = features.compute(Bars.of(Timetable("XNYS", "1h"), {"S": columns}), PATTERNS)
    return dict(zip(PATTERNS, values[-1], strict=True))


@pytest.mark.parametrize("name", FLAGS)
def test_a_pattern_is_seen_and_its_near_miss_is_not(name: str) -> None:
    """The flag of the drawn candles is set and its strength in (0, 1]; a near miss has neither."""
    flag, candles, near_miss = DRAWN[name]
    seen, missed = newest(candles), newest(near_miss)
    assert seen[name] == flag
    assert 0.0 < seen[f"{name}_strength"] <= 1.0
    assert missed[name] == missed[f"{name}_strength"] == 0.0


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_pattern_has_its_other_side(name: str) -> None:
    """A black marubozu and a harami in a white body are -1, and as strong as others."""
    seen = newest(SIGNED[name])
    assert seen[name] == -1.0
    assert 0.0 < seen[f"{name}_strength"] <= 1.0


@pytest.mark.parametrize("name", FLAGS)
def test_strength_is_of_the_flag_only(name: str) -> None:
    """Strength lies in [0, 1] and is 0 wherever the flag is."""
    bars = random_bars(5, symbols=4, sessions=300)
    flag, strength = features.compute(bars, (name, f"{name}_strength")).T
    known = np.isfinite(flag)
    assert known.any()
    assert ((strength[known] >= 0.0) & (strength[known] <= 1.0)).all()
    assert (strength[known & (flag == 0.0)] == 0.0).all()


@pytest.mark.parametrize("name", TALIB)
def test_flags_are_talibs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bars as TA-Lib names on log prices, to the last, when no difference is too small to count."""
    monkeypatch.setattr(windows, "STILL", 0.0)
    bars = random_bars(3, symbols=6, sessions=1500, volatility=0.01)
    function, penetration = TALIB[name]
    options = {} if penetration is None else {"penetration": penetration}
    flags = features.compute(bars, (name,))[:, 0]
    for _, rows in bars:
        prices = [10.0 + np.log(column[rows]) for column in (bars.open, bars.high, bars.low, bars.close)]
        theirs = getattr(talib, function)(*prices, **options)
        theirs = np.where(np.abs(theirs) == 100, np.sign(theirs), 0)
        if name in ONE_SIDE:
            theirs = np.where(theirs == ONE_SIDE[name], np.abs(theirs), 0)
        known = np.isfinite(flags[rows])
        assert np.array_equal(flags[rows][known], theirs[known])
        assert known.sum() == len(theirs) - WARMUP[name]
    assert (flags[np.isfinite(flags)] != 0).any()
