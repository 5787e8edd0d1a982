"""The best of many tries is no better than luck when all are luck, and is believed when one is truly better."""

from __future__ import annotations

import numpy as np
import pytest

from market_master.stats.domain_classifier import domain_auc
from market_master.stats.overfitting import best_of_many, pbo


def losses(seed: int, tries: int = 12, days: int = 240) -> np.ndarray:
    """Daily losses of tries that differ by noise alone."""
    return 0.8 + 0.02 * np.random.default_rng(seed).standard_normal((days, tries))


def test_noise_overfits_half_of_the_time() -> None:
    """PBO of independent noise is .5 +- .15 on average over seeds (method 2.3)."""
    found = [pbo(losses(seed)) for seed in range(20)]
    assert 0.35 < np.mean(found) < 0.65


def test_a_dominant_try_is_no_overfit() -> None:
    """One that is better on every stretch: below .05."""
    daily = losses(1)
    daily[:, 4] -= 0.02
    found = pbo(daily)
    assert found is not None
    assert found < 0.05


def test_too_little_to_choose_from_is_no_number() -> None:
    """One try, or too few days for eight blocks."""
    assert pbo(losses(1, tries=1)) is None
    assert pbo(losses(1, days=15)) is None
    assert pbo(np.ones((40, 3))) == 0.5


def test_the_best_of_many_is_judged_as_one_of_many() -> None:
    """Of 40 noises the best looks good by itself; the test that knows how many there were says no, 9 times of 10 or more."""
    lucky = 0
    for seed in range(20):
        daily = losses(100 + seed, tries=40)
        lucky += best_of_many(losses(900 + seed, tries=1)[:, 0], daily) <= 0.05
    assert lucky <= 4
    daily = losses(3, tries=40)
    daily[:, 7] -= 0.01
    assert best_of_many(losses(903, tries=1)[:, 0], daily) <= 0.01
    assert best_of_many(daily[:, 0], daily[:, :1]) == 1.0


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.42, 0.58), (1.0, 0.70, 1.0)])
def test_a_classifier_tells_moved_rows_from_others(shift, low, high) -> None:
    """AUC near .5 for the same world, high for another."""
    random = np.random.default_rng(5)
    days = np.repeat(np.arange(60), 30)
    old, new = random.standard_normal((2, len(days), 6))
    new[:, 2] += shift
    assert low < domain_auc(old, days, new, days + 60) < high
    assert domain_auc(old, days, new, days + 60) == domain_auc(old, days, new, days + 60)
