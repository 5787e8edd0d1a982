"""Regimes: known before the session opens, by a rule one can check by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from market_master.domain.bars import Bars
from market_master.stats import regimes
from tests.support.random_bars import random_bars


@pytest.fixture(scope="module")
def bars() -> Bars:
    return random_bars(symbols=4, sessions=160, seed=3)


def test_every_bar_has_one_of_four_regimes_the_same_all_session(bars: Bars) -> None:
    """A regime belongs to a session, for all symbols alike."""
    found = regimes.regimes(bars, bars.symbols)
    assert set(found) <= set(regimes.REGIMES)
    for day in np.unique(bars.session):
        assert len(set(found[bars.session == day])) == 1


def test_a_session_s_regime_is_known_before_it_opens(bars: Bars) -> None:
    """Nothing that happens in a session or after it changes the session's regime."""
    found = regimes.regimes(bars, bars.symbols)
    for day in np.unique(bars.session)[[60, 100, 159]]:
        later = bars.session >= day
        factor = np.where(later, np.linspace(0.5, 2.0, len(bars)), 1.0)
        other = replace(bars, close=bars.close * factor, open=bars.open * factor)
        upto = bars.session <= day
        assert (regimes.regimes(other, bars.symbols)[upto] == found[upto]).all()


def test_the_rule_by_hand() -> None:
    """A calm rise is bull, a calm fall bear, a burst of volatility volatile, each once it has stood for two sessions."""
    calm = np.tile([0.004, -0.001], 60)
    assert regimes.daily_states(calm)[-1] == "bull"
    assert regimes.daily_states(-calm)[-1] == "bear"
    burst = np.concatenate([calm, np.tile([0.05, -0.05], 3)])
    assert regimes.daily_states(burst)[-1] == "volatile"
    raw = np.array(["bull"] * 3 + ["bear", "bull", "bear", "bear", "bear"])
    assert regimes.confirm_states(raw).tolist() == ["neutral", "bull", "bull", "bull", "bull", "bull", "bear", "bear"]


def test_symbols_outside_the_basket_say_nothing(bars: Bars) -> None:
    """Only the members make the regime."""
    members = bars.symbols[:2]
    outside = np.isin(bars.code, [2, 3])
    other = replace(bars, close=np.where(outside, bars.close * 1.5, bars.close))
    assert (regimes.regimes(other, members) == regimes.regimes(bars, members)).all()
