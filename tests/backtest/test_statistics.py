"""Numbers of a backtest: equal to the libraries', honest about small samples, and deflated by the number of trials."""

from __future__ import annotations

import math

import empyrical
import numpy as np
import pytest
from scipy import stats

from market_master.backtest.statistics import (
    daily_returns,
    dsr,
    expected_maximum,
    least_years,
    measure_returns,
    psr,
    year_of,
)


@pytest.fixture(scope="module")
def daily():
    """Two years of daily returns with fat tails, and a benchmark they lean on."""
    random = np.random.default_rng(3)
    benchmark = 0.01 * random.standard_t(5, 500)
    return 0.0004 + 0.5 * benchmark + 0.006 * random.standard_normal(500), benchmark


@pytest.mark.parametrize("year", [252, 365])
def test_the_numbers_are_those_of_empyrical(daily, year) -> None:
    """Equal to empyrical-reloaded to six digits, on sessions."""
    returns, benchmark = daily
    values = measure_returns(returns, year=year, benchmark=benchmark).values
    annual = {"annualization": year}
    expected = {
        "total": empyrical.cum_returns_final(returns),
        "cagr": empyrical.cagr(returns, **annual),
        "volatility": empyrical.annual_volatility(returns, **annual),
        "sharpe": empyrical.sharpe_ratio(returns, **annual),
        "sortino": empyrical.sortino_ratio(returns, **annual),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns, **annual),
        "omega": empyrical.omega_ratio(returns),
        "tail_ratio": empyrical.tail_ratio(returns),
        "var_95": empyrical.value_at_risk(returns),
        "es_95": empyrical.conditional_value_at_risk(returns),
        "alpha": empyrical.alpha(returns, benchmark, **annual),
        "beta": empyrical.beta(returns, benchmark),
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(float(value), rel=1e-6), name


def test_bars_are_compounded_to_sessions() -> None:
    """10 % and 10 % in a session are 21 %; a year of 24/7 has 365 of them."""
    days, daily = daily_returns(np.array([0.1, 0.1, -0.5, 0.0]), np.array([5, 5, 8, 8]))
    assert days.tolist() == [5, 8]
    assert daily == pytest.approx([0.21, -0.5])
    assert (year_of("24/7"), year_of("XNYS")) == (365, 252)


def test_the_longest_drawdown_is_counted_in_sessions() -> None:
    """From the first session below the high to the last before a new one."""
    daily = np.array([0.1, -0.1, 0.05, 0.02, 0.2, -0.1, -0.1, -0.1, -0.1, 0.01, 0.01, 0.01])
    assert measure_returns(daily).values["drawdown_sessions"] == 7


def test_few_sessions_are_marked_and_too_few_say_nothing(daily) -> None:
    """Under 30 sessions low_sample with intervals; under 10 None with the reason and the numbers in it."""
    short = measure_returns(daily[0][:21])
    assert short.low_sample
    assert short.values["sharpe"] is not None
    assert short.intervals["sharpe"][0] < short.values["sharpe"] < short.intervals["sharpe"][1]
    none = measure_returns(daily[0][:9], benchmark=daily[1][:9])
    assert set(none.values) == set(measure_returns(*[daily[0]], benchmark=daily[1]).values)
    assert set(none.values.values()) == {None}
    assert none.reason == "9 sessions are too few for any number; 10 are needed."
    assert not measure_returns(daily[0]).low_sample


def test_nothing_to_divide_by_is_none_and_says_so() -> None:
    """A strategy that does nothing has a return of 0 and no Sharpe ratio."""
    still = measure_returns(np.zeros(50))
    assert still.values["cagr"] == still.values["max_drawdown"] == 0.0
    assert still.values["sharpe"] is None
    assert "sharpe" in still.reason
    assert psr(np.zeros(50)) is None


def test_intervals_are_seeded(daily) -> None:
    """The same series has the same intervals; the block is the one the data ask for."""
    first, second = measure_returns(daily[0]), measure_returns(daily[0])
    assert first == second
    assert 1 <= first.block <= 500 / 3


@pytest.mark.long
def test_the_interval_of_the_sharpe_ratio_holds_the_truth() -> None:
    """Of 200 series of 250 independent sessions, 90 % of the intervals hold the true ratio, within 3 errors of a share;
    a bootstrap of percentiles is known to be a little narrow, so the lower bound allows for two points."""
    random = np.random.default_rng(5)
    covering = 0
    for _ in range(200):
        low, high = measure_returns(0.0005 + 0.01 * random.standard_normal(250)).intervals["sharpe"]
        covering += low <= 0.05 * math.sqrt(252) <= high
    error = 3 * math.sqrt(0.9 * 0.1 / 200)
    assert 0.88 - error <= covering / 200 <= 0.90 + error


def test_psr_is_its_formula(daily) -> None:
    """By hand on known moments, per period; at its own ratio it is one half; normal returns of a large ratio are sure."""
    returns = daily[0]
    ratio = returns.mean() / returns.std(ddof=1)
    g3, g4 = stats.skew(returns), stats.kurtosis(returns) + 3
    z = ratio * math.sqrt(499) / math.sqrt(1 - g3 * ratio + (g4 - 1) / 4 * ratio**2)
    assert psr(returns) == pytest.approx(stats.norm.cdf(z))
    assert psr(returns, ratio) == pytest.approx(0.5)
    assert psr(-returns) < 0.5 < psr(returns)


def test_the_luckiest_of_many_trials() -> None:
    """Emax(10) = 1.575; 45 trials in five years show a Sharpe ratio of 1 by luck (Bailey and others 2014)."""
    assert expected_maximum(10) == pytest.approx(1.5746, abs=1e-4)
    assert expected_maximum(45) / math.sqrt(5) == pytest.approx(0.9998, abs=1e-4)
    assert least_years(45) == pytest.approx(5, abs=0.01)
    assert expected_maximum(1) == 0.0


def test_trials_deflate_the_ratio(daily) -> None:
    """With one trial DSR is PSR above 0; each further trial lowers it; wider trials lower it more."""
    returns = daily[0]
    assert dsr(returns, 1) == psr(returns)
    falling = [dsr(returns, trials) for trials in (1, 2, 10, 100)]
    assert falling == sorted(falling, reverse=True)
    assert dsr(returns, 10, spread=0.2) < dsr(returns, 10)
    assert dsr(returns, 10, spread=0.05) == psr(returns, 0.05 * expected_maximum(10))


def test_the_best_of_many_without_skill_is_not_believed() -> None:
    """The best of 50 series of noise convinces PSR and not DSR, in 40 tries.

    PSR is above .95 where the highest of 50 normal values is above 1.645: in 92 % of tries, 37 +- 1.7 of 40. DSR needs it to
    be above 2.25 + 1.645: in .25 % of tries, so two of 40 are already rarer than one in 200.
    """
    random = np.random.default_rng(11)
    believed = deflated = 0
    for _ in range(40):
        tries = 0.01 * random.standard_normal((50, 250))
        best = tries[(tries.mean(axis=1) / tries.std(axis=1)).argmax()]
        believed += psr(best) > 0.95
        deflated += dsr(best, 50) > 0.95
    assert believed >= 32
    assert deflated <= 1
