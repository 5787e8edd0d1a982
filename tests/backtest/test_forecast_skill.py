"""WSS beside the index: what is there is found, what is not is not, and the numbers are the textbook's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from market_master.backtest.forecast_skill import MIN_BARS, group_means, measure_forecast_skill, pesaran_timmermann

DAYS, SLOTS = 200, 7
SESSION = np.repeat(np.arange(DAYS), SLOTS)


def _pair(rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.standard_normal(DAYS * SLOTS)
    return x, rho * x + np.sqrt(1 - rho**2) * random.standard_normal(len(x))


def test_a_planted_correlation_is_found_at_its_size() -> None:
    """IC within 3 standard errors of what was planted, and its t far from 0."""
    skill = measure_forecast_skill(*_pair(0.15, 3), SESSION)
    assert skill.ic == pytest.approx(0.15, abs=3 / np.sqrt(DAYS * SLOTS))
    assert skill.ic_t is not None
    assert skill.ic_t > 3
    assert skill.hit_p is not None
    assert skill.hit_p < 0.01
    assert skill.lags >= SLOTS


def test_noise_shows_nothing() -> None:
    """Over 200 pairs of noise the t is beyond 1.96 about as often as it should be: at most 5 % and 3 standard errors."""
    beyond = [abs(measure_forecast_skill(*_pair(0.0, seed), SESSION).ic_t or 0.0) > 1.96 for seed in range(200)]
    assert np.mean(beyond) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_error_of_the_slope_is_that_of_newey_and_west() -> None:
    """The same as statsmodels' HAC covariance with the same lags and no correction for small samples."""
    from statsmodels.api import OLS, add_constant

    x, y = _pair(0.1, 5)
    skill = measure_forecast_skill(x, y, SESSION)
    fitted = OLS(y, add_constant((x - x.mean()) / x.std())).fit(
        cov_type="HAC", cov_kwds={"maxlags": skill.lags, "use_correction": False}
    )
    assert skill.slope == pytest.approx(fitted.params[1], rel=1e-9)
    assert skill.slope_se == pytest.approx(fitted.bse[1], rel=1e-9)


def test_unknown_bars_are_left_out_and_too_few_say_nothing() -> None:
    """NaN on either side is no observation; under 30 of them, or a WSS that never changes, there is no number."""
    x, y = _pair(0.1, 5)
    hidden = x.copy()
    hidden[::3] = np.nan
    there = np.isfinite(hidden)
    assert measure_forecast_skill(hidden, y, SESSION) == measure_forecast_skill(hidden[there], y[there], SESSION[there])
    assert measure_forecast_skill(x[: MIN_BARS - 1], y[: MIN_BARS - 1], SESSION[: MIN_BARS - 1]).ic is None
    assert measure_forecast_skill(np.zeros(len(x)), y, SESSION).ic is None


def test_signs_that_hit_by_chance_hit_the_base_rate() -> None:
    """A drift makes always-long hit often; the test measures against what the same signs hit at random."""
    random = np.random.default_rng(9)
    predicted, realised = random.standard_normal(4000) + 0.3, random.standard_normal(4000) + 0.3
    hit, base, p = pesaran_timmermann(predicted, realised)
    assert hit is not None
    assert base is not None
    assert p is not None
    x = stats.norm.cdf(0.3)
    assert base == pytest.approx(x * x + (1 - x) ** 2, abs=0.02)
    assert abs(hit - base) < 3 * np.sqrt(0.25 / 4000)
    assert p > 0.001
    assert pesaran_timmermann(np.ones(100), realised[:100])[2] is None


def test_means_by_group_have_bands_by_day() -> None:
    """Rows of one day move together, so the band is that of days: as wide as theirs, not as rows' would be."""
    random = np.random.default_rng(2)
    values = np.repeat(random.standard_normal(DAYS), SLOTS)
    (all_of_it, none) = group_means(values, np.zeros(len(values), np.int64), ("all", "none"), SESSION)
    assert all_of_it.mean == pytest.approx(values.mean())
    assert all_of_it.low is not None
    assert all_of_it.high is not None
    assert (all_of_it.high - all_of_it.low) / 2 == pytest.approx(1.645 / np.sqrt(DAYS), rel=0.25)
    assert (none.rows, none.mean) == (0, None)
