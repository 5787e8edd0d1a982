"""Value at risk: exceeded as often as it says, by a test that rejects what is not; the past of it never changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chi2

from market_master.domain.arrays import Array
from market_master.insights.value_at_risk import (
    FIRST,
    WINDOW,
    coverage,
    expected_volatility,
    kupiec,
    loss_quantiles,
    smallest_in_windows,
)


def clustering(seed: int, count: int) -> Array:
    """Returns of a GARCH(1,1): quiet times, wild times."""
    random = np.random.default_rng(seed)
    returns, variance = np.empty(count), 1e-4
    for n in range(count):
        returns[n] = np.sqrt(variance) * random.standard_normal()
        variance = 2e-6 + 0.08 * returns[n] ** 2 + 0.90 * variance
    return returns


@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_exceeded_as_often_as_it_says(level: float, seed: int) -> None:
    """Within 4 standard errors: of the binomial, and as much again for quantiles that are estimated from as many returns."""
    returns = clustering(seed, 8_000)
    found = coverage(returns, loss_quantiles(returns, level)[0], level)
    error = np.sqrt(2 * level * (1 - level) / found.observations)
    assert found.observations == 8_000 - FIRST - WINDOW
    assert found.exceedances / found.observations == pytest.approx(1 - level, abs=4 * error)


def test_the_band_follows_the_volatility() -> None:
    """In wild times it is wide, in quiet ones narrow, where a plain quantile of the same window is neither."""
    quiet = np.random.default_rng(4).standard_normal(600) * 0.01
    returns = np.append(quiet, 3 * quiet[:60])
    stated = loss_quantiles(returns, 0.95)[0]
    assert stated[-1] > 2 * stated[-70]


def test_the_shortfall_is_beyond() -> None:
    """At every bar, at every level."""
    for level in (0.9, 0.95, 0.99):
        at_risk, shortfall = loss_quantiles(clustering(5, 1_000), level)
        assert (shortfall >= at_risk).all()


def test_what_was_stated_stays() -> None:
    """More returns add statements and change none (no look ahead)."""
    returns = clustering(6, 700)
    whole = loss_quantiles(returns, 0.95)[0]
    for count in (300, 451, 699):
        part = loss_quantiles(returns[:count], 0.95)[0]
        assert np.array_equal(part, whole[: len(part)])
        assert np.array_equal(expected_volatility(returns[:count]), expected_volatility(returns)[: count + 1])


def test_volatility_is_the_recursion() -> None:
    """Of RiskMetrics, from the mean square of the first twenty."""
    returns = clustering(7, 40)
    variance = (returns[:FIRST] ** 2).mean()
    for value in returns[FIRST:]:
        variance = 0.94 * variance + 0.06 * value**2
    assert expected_volatility(returns)[-1] == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_kupiecs_test() -> None:
    """Kupiec's example by hand, nothing to test, none and all exceeded; p is small where the binomial's is."""
    x, n, p = 10, 100, 0.05
    ratio = -2 * ((n - x) * np.log(1 - p) + x * np.log(p) - (n - x) * np.log(1 - x / n) - x * np.log(x / n))
    assert kupiec(x, n, p) == pytest.approx(chi2.sf(ratio, 1), rel=1e-9)
    assert kupiec(0, 0, p) is None
    assert kupiec(0, 300, p) < 1e-6 > binom.pmf(0, 300, p)
    assert kupiec(300, 300, p) == pytest.approx(0.0)
    assert kupiec(5, 100, p) == pytest.approx(1.0)


def test_a_still_series_has_next_to_no_risk() -> None:
    """Not a number less than nothing, nor a division by it."""
    at_risk, shortfall = loss_quantiles(np.zeros(400), 0.95)
    assert np.isfinite(at_risk).all()
    assert (np.abs(shortfall) < 1e-5).all()


@pytest.mark.parametrize("count", [1, 3, 13])
def test_the_smallest_of_windows_are_those_of_a_sort(count: int) -> None:
    """Also where all that is small lies in one place, and for several series at once."""
    random = np.random.default_rng(8)
    values = random.normal(size=(2, 3, 300))
    values[0, 0, 280:] -= 100.0
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(values, 100, axis=-1), axis=-1)
    assert np.array_equal(smallest_in_windows(values, 100, count), windows[..., :count])
    assert np.array_equal(smallest_in_windows(values[0, 0], 100, count), windows[0, 0, :, :count])
