"""Range estimators, components of volatility, order flow and spreads: the published formula at single bars, and their truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from market_master import features
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from tests.support.random_bars import changed, random_bars

NAMES = features.select(["volatility", "microstructure"], "1h")
ROWS = (700, 1203, 1777)
Window = dict[str, Array]
"""log prices, volume and moves of one symbol up to a bar, newest last"""


def window(bars: Bars, row: int) -> Window:
    """What a trader would have on paper; the move of a session's first bar is its body, and its gap is a night's."""
    logs = {name: np.log(getattr(bars, name)[: row + 1]) for name in ("open", "high", "low", "close")}
    first = np.append(True, np.diff(bars.session[: row + 1]) != 0)
    before = np.append(logs["open"][0], logs["close"][:-1])
    gap = logs["open"] - before
    move = logs["close"] - np.where(first, logs["open"], before)
    return logs | {"volume": bars.volume[: row + 1], "move": move, "gap": gap, "night": np.where(first, gap, 0.0)}


def per_cent(variance: float) -> float:
    return float(np.log(100 * np.sqrt(variance)))


def volatility(of: Window, row: int = -1) -> float:
    end = len(of["move"]) + row + 1
    return float(np.sqrt((of["move"][end - 20 : end] ** 2).mean()))


def rogers_satchell(of: Window) -> float:
    high, low, open_, close = (of[name][-20:] for name in ("high", "low", "open", "close"))
    return float(((high - close) * (high - open_) + (low - close) * (low - open_)).mean())


def yang_zhang(of: Window) -> float:
    k = 0.34 / (1.34 + 21 / 19)
    body = (of["close"] - of["open"])[-20:]
    return per_cent(of["gap"][-20:].var(ddof=1) + k * body.var(ddof=1) + (1 - k) * rogers_satchell(of))


def bought_less_sold(of: Window, bars: int) -> Array:
    """By the normal distribution itself."""
    size = [of["move"][row] / volatility(of, row) for row in range(-bars, 0)]
    return 2 * norm.cdf(size) - 1


def impact(of: Window) -> float:
    mean_volume = np.array(
        [of["volume"][len(of["volume"]) + row - 19 : len(of["volume"]) + row + 1].mean() for row in range(-59, 0)]
    )
    flow = bought_less_sold(of, 59) * of["volume"][-59:] / mean_volume
    return float((of["move"][-59:] @ flow) / (flow @ flow) / volatility(of))


def corwin_schultz(of: Window) -> float:
    spreads = []
    for row in range(-20, 0):
        high, low = of["high"], of["low"]
        beta = (high[row] - low[row]) ** 2 + (high[row - 1] - low[row - 1]) ** 2
        lifted = [(line[row], line[row - 1] + of["night"][row]) for line in (high, low)]
        gamma = (max(lifted[0]) - min(lifted[1])) ** 2
        alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / (3 - 2 * np.sqrt(2)) - np.sqrt(gamma / (3 - 2 * np.sqrt(2)))
        spreads.append(max(2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha)), 0.0))
    return float(np.mean(spreads) / volatility(of))


def amihud(of: Window) -> float:
    cost = np.abs(of["move"]) / (of["volume"] * np.exp(of["close"]))
    return float(np.log(cost[-5:].mean() / cost[-59:].mean()))


def bipower(of: Window) -> float:
    size = np.abs(of["move"])
    return max(1 - np.pi / 2 * (size[-19:] * size[-20:-1]).mean() / volatility(of) ** 2, 0.0)


def risk_metrics(of: Window) -> float:
    variance = of["move"][0] ** 2
    for move in of["move"][1:]:
        variance = 0.94 * variance + 0.06 * move**2
    return per_cent(variance)


def shock(of: Window) -> float:
    logs = np.log(of["volume"][-59:])
    return float((logs[-1] - logs.mean()) / logs.std())


def spread_of(values: Array) -> float:
    return float(values.std() / values.mean())


FORMULAS: dict[str, Callable[[Window], float]] = {
    "parkinson": lambda of: per_cent(((of["high"] - of["low"])[-20:] ** 2).mean() / (4 * np.log(2))),
    "garman_klass": lambda of: per_cent(
        (0.5 * (of["high"] - of["low"])[-20:] ** 2 - (2 * np.log(2) - 1) * (of["close"] - of["open"])[-20:] ** 2).mean()
    ),
    "rogers_satchell": lambda of: per_cent(rogers_satchell(of)),
    "yang_zhang": yang_zhang,
    "har_week": lambda of: per_cent((of["move"][-100:] ** 2).mean()),
    "har_month": lambda of: per_cent((of["move"][-440:] ** 2).mean()),
    "ewma_volatility": risk_metrics,
    "jump_share": bipower,
    "volatility_unrest": lambda of: spread_of((of["high"] - of["low"])[-100:]),
    "buy_pressure": lambda of: bought_less_sold(of, 1)[0],
    "order_imbalance": lambda of: np.average(bought_less_sold(of, 20), weights=of["volume"][-20:]),
    "flow_toxicity": lambda of: np.average(np.abs(bought_less_sold(of, 20)), weights=of["volume"][-20:]),
    "price_impact": impact,
    "amihud_trend": amihud,
    "roll_spread": lambda of: 2 * np.sqrt(max(-(of["move"][-59:] * of["move"][-60:-1]).mean(), 0)) / volatility(of),
    "corwin_schultz_spread": corwin_schultz,
    "turnover_shock": shock,
}
BY_PAGE = ("buy_pressure", "order_imbalance", "flow_toxicity", "price_impact")
PAGE = 1e-3
"""twice what Page's approximation of the normal distribution is off by at most"""


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_is_its_published_formula(name: str) -> None:
    """To 1e-9; where Page stands in for the normal distribution, to what that is off by, in units of the slope's size."""
    bars = random_bars(3, symbols=1, sessions=300)
    values = features.compute(bars, (name,))[:, 0]
    for row in ROWS:
        expected = FORMULAS[name](window(bars, row))
        bound = PAGE * max(1.0, abs(expected)) if name in BY_PAGE else 1e-9
        assert values[row] == pytest.approx(expected, abs=bound), row


@pytest.mark.parametrize("name", ["parkinson", "garman_klass", "rogers_satchell", "yang_zhang"])
def test_estimators_find_the_volatility_of_a_random_walk(name: str) -> None:
    """Of bars of 2,000 Gaussian steps the mean variance is the walk's, to 4 standard errors and the discrete path's bias.

    A path looked at n times has a range shorter by 2 x 0.5826 steps (Broadie, Glasserman and Kou 1997).
    """
    steps, volatility = 2_000, 0.01
    bars = random_bars(1, symbols=1, sessions=120)
    path = np.random.default_rng(8).standard_normal((len(bars), steps)) * volatility / np.sqrt(steps)
    walk = np.cumsum(path, axis=1)
    open_ = np.append(0.0, np.cumsum(walk[:-1, -1]))
    prices = {
        "open": open_, "close": open_ + walk[:, -1],
        "high": open_ + np.maximum(walk.max(axis=1), 0.0), "low": open_ + np.minimum(walk.min(axis=1), 0.0),
    }  # fmt: skip
    bars = changed(
        bars, np.ones(len(bars), dtype=bool), **{column: 100 * np.exp(value) for column, value in prices.items()}
    )
    levels = features.compute(bars, (name,))[20::20, 0]
    variances = np.exp(2 * levels) * 1e-4
    bias = 4 * 0.5826 / np.sqrt(steps) * volatility**2
    error = variances.std(ddof=1) / np.sqrt(len(variances))
    assert variances.mean() == pytest.approx(volatility**2, abs=4 * error + bias)
