"""Regimes as features: the formula at single bars, and the rule of `stats.regimes` on days."""

from __future__ import annotations

import numpy as np
import pytest

from market_master import features
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from market_master.stats.regimes import regimes
from tests.support.random_bars import random_bars

NAMES = features.select(["regime"], "1h")


@pytest.fixture(scope="module")
def bars() -> Bars:
    return random_bars(2, symbols=4, sessions=900, interval="1d", volatility=0.01)


def columns(bars: Bars) -> dict[str, Array]:
    """The features of the first symbol, by name: those of all symbols."""
    return dict(zip(NAMES, features.compute(bars, NAMES)[bars.code == 0].T, strict=True))


def basket_returns(bars: Bars) -> Array:
    closes = np.array([bars.close[bars.code == code] for code in range(len(bars.symbols))])
    return np.append(0.0, np.diff(np.log(closes)).mean(axis=0))


def rank(returns: Array, at: int) -> float:
    """Of the newest volatility among every sixth of the 252 bars before."""
    volatility = [np.sqrt((returns[end - 19 : end + 1] ** 2).mean()) for end in range(at - 252, at + 1, 6)]
    return float((np.array(volatility[:-1]) < volatility[-1]).mean())


def state(returns: Array, at: int) -> str:
    """The rule at one bar, before it is confirmed."""
    level, month = returns.cumsum(), returns[at - 19 : at + 1].sum()
    trend = level[at] - level[at - 49 : at + 1].mean()
    if rank(returns, at) > 0.8:
        return "volatile"
    return "bull" if trend > 0 and month > 0 else "bear" if trend < 0 and month < 0 else "neutral"


def test_the_formula_at_single_bars(bars: Bars) -> None:
    """Rank, trend and states by loops over the basket's returns; a state needs two bars in a row."""
    values, returns = columns(bars), basket_returns(bars)
    level = returns.cumsum()
    for at in range(273, len(returns), 13):
        spread = np.sqrt((returns[at - 19 : at + 1] ** 2).mean() * 50)
        assert values["regime_volatility_rank"][at] == pytest.approx(rank(returns, at), abs=1e-12)
        assert values["regime_trend"][at] == pytest.approx(
            (level[at] - level[at - 49 : at + 1].mean()) / spread, abs=1e-9
        )
        two = {state(returns, at - 1), state(returns, at)}
        for name in ("volatile", "bull", "bear"):
            assert values[f"regime_{name}"][at] == float(two == {name}), (name, at)


def test_the_states_are_the_rule_s_on_daily_bars(bars: Bars) -> None:
    """At most one flag stands; where one does, the rule knows the same state before the next session in nine of ten cases."""
    values = columns(bars)
    flags = np.array([values[f"regime_{name}"] for name in ("volatile", "bull", "bear")])[:, 273:]
    rule = np.roll(regimes(bars, bars.symbols)[bars.code == 0], -1)[273:]
    assert flags.sum(axis=0).max() == 1
    flagged = flags.any(axis=0)[:-1]
    agrees = np.array(["volatile", "bull", "bear"])[flags.argmax(axis=0)][:-1] == rule[:-1]
    assert flagged.mean() > 0.5
    assert agrees[flagged].mean() > 0.9
