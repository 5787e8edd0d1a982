"""Probabilities are made honest: a distortion is undone, an absent edge taken out, what is learned travels whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_master.decision import calibration, policy
from market_master.decision.calibration import Calibration
from market_master.domain.actions import expected_score
from market_master.stats import metrics
from tests.support.known_probabilities import PRIOR, world

law = settings(max_examples=60, derandomize=True, database=None, deadline=None)
shares = st.lists(st.floats(0.03, 1.0), min_size=5, max_size=5).map(lambda p: tuple(np.array(p) / sum(p)))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_distortion_is_undone(temperature) -> None:
    """Probabilities made too sharp or too flat by a factor of 2 come back within 10 %, and with them the true odds."""
    true, action, *_ = world(1, 60_000, 0.5)
    learned = calibration.fit(calibration.temperature_scaled(true, 1 / temperature), action, PRIOR)
    assert learned.temperature == pytest.approx(temperature, rel=0.10)
    assert learned.shrinkage > 0.9
    assert learned.apply(calibration.temperature_scaled(true, 1 / temperature)) == pytest.approx(true, abs=0.03)


def test_true_odds_are_left_alone() -> None:
    """Nothing to mend: temperature and shrinkage near 1."""
    true, action, *_ = world(2, 60_000, 0.5)
    learned = calibration.fit(true, action, PRIOR)
    assert learned.temperature == pytest.approx(1.0, rel=0.05)
    assert learned.shrinkage > 0.95


@pytest.mark.parametrize("seed", range(5))
def test_direction_that_says_nothing_is_taken_out(seed) -> None:
    """Against shuffled labels the shrinkage is below 0.1."""
    true, action, *_ = world(seed, 20_000, 0.5)
    shuffled = np.random.default_rng(seed).permutation(action)
    assert calibration.fit(true, shuffled, PRIOR).shrinkage < 0.1


def test_direction_that_is_wrong_is_taken_out() -> None:
    """Labels turned upside down: shrinkage 0, no cuts, every action hold and no direction in any answer."""
    true, action, *_ = world(3, 20_000, 0.3)
    learned = calibration.fit(true, 4 - action, PRIOR)
    assert (learned.shrinkage, learned.cuts) == (0.0, None)
    probabilities = learned.apply(true)
    assert expected_score(probabilities) == pytest.approx(np.zeros(len(true)), abs=1e-12)
    assert (policy.assign_actions(probabilities, "expected_score", learned.cuts) == 2).all()


def test_no_other_shrinkage_would_have_been_better() -> None:
    """The closed form is the least RPS over all shares of direction from 0 to 1, on the rows it was learned from."""
    true, action, *_ = world(4, 20_000, 0.1)
    loud = calibration.temperature_scaled(true * [1, 1, 1, 1.02, 1.05] + 0.0, 1.0)
    learned = calibration.fit(loud, action, PRIOR)

    def score(shrinkage: float) -> float:
        candidate = Calibration(learned.temperature, shrinkage, learned.prior, None)
        return float(metrics.rps(candidate.apply(loud), action).mean())

    assert 0 < learned.shrinkage <= 1
    best = score(learned.shrinkage)
    assert all(best <= score(shrinkage) + 1e-12 for shrinkage in np.linspace(0, 1, 21))


@law
@given(st.floats(0, 1), st.floats(0.2, 20), shares, st.integers(0, 2**32 - 1), st.sampled_from([0.05, 1.0, 30.0]))
def test_answers_are_probabilities(shrinkage, temperature, prior, seed, width) -> None:
    """Whatever was learned: none below 0, each row sums to 1, also for certain and impossible classes."""
    raw = np.random.default_rng(seed).dirichlet(np.full(5, width), 50)
    raw[0], raw[1] = np.eye(5)[4], [0.5, 0.5, 0, 0, 0]
    probabilities = Calibration(temperature, shrinkage, prior, None).apply(raw)
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(50))


@law
@given(st.floats(0.2, 20), shares, st.integers(0, 2**32 - 1))
def test_without_shrinkage_left_there_is_no_direction(temperature, prior, seed) -> None:
    """At 0 buy stands to sell as in the prior, in every answer; volatility stays what it was."""
    raw = np.random.default_rng(seed).dirichlet(np.ones(5), 50)
    flat = Calibration(temperature, 0.0, prior, None).apply(raw)
    warm = Calibration(temperature, 1.0, prior, None).apply(raw)
    assert flat * np.array(prior)[::-1] == pytest.approx(flat[:, ::-1] * np.array(prior))
    assert flat + flat[:, ::-1] == pytest.approx(warm + warm[:, ::-1])


@law
@given(st.integers(0, 2**32 - 1), st.integers(20, 400), st.integers(1, 6), st.sampled_from([-0.5, 0.0, 0.1, 0.8]))
def test_cuts_rise_or_are_not_there(seed, count, distinct, rho) -> None:
    """Few rows, few different answers, any skill: cuts strictly increase, else there are none; none at shrinkage 0."""
    true, action, *_ = world(seed, count, abs(rho))
    raw = np.round(true * distinct + 0.01, 0 if distinct < 4 else 2) + 0.01
    raw = raw / raw.sum(axis=1, keepdims=True)
    learned = calibration.fit(raw, action if rho >= 0 else 4 - action, PRIOR)
    assert 0.0 <= learned.shrinkage <= 1.0
    assert np.isfinite(learned.temperature)
    if learned.cuts is not None:
        assert learned.shrinkage > 0
        assert (np.diff(learned.cuts) > 0).all()


def test_cuts_give_actions_the_shares_of_labels() -> None:
    """On the rows they were learned from actions are 10/20/40/20/10 %."""
    true, action, *_ = world(5, 20_000, 0.2)
    learned = calibration.fit(true, action, PRIOR)
    acted = policy.assign_actions(learned.apply(true), "expected_score", learned.cuts)
    assert np.bincount(acted, minlength=5) / len(acted) == pytest.approx(PRIOR, abs=1e-3)


def test_an_answer_that_never_changes_has_no_direction() -> None:
    """The prior said to everyone: nothing to shrink, no cuts."""
    learned = calibration.fit(np.tile(PRIOR, (500, 1)), world(6, 500, 0.2).action, PRIOR)
    assert (learned.shrinkage, learned.cuts) == (0.0, None)


def test_what_was_learned_travels_as_json() -> None:
    """Written into a model card and read again it is the same, with cuts and without."""
    true, action, *_ = world(7, 5000, 0.3)
    for learned in (calibration.fit(true, action, PRIOR), Calibration(1.0, 1.0, tuple(PRIOR.tolist()), None)):
        again = Calibration.from_state(json.loads(json.dumps(learned.state())))
        assert again == learned
        assert np.array_equal(again.apply(true), learned.apply(true))
    assert calibration.fit(true, action, PRIOR).cuts is not None


def test_untouched_changes_nothing() -> None:
    """Before anything is learned an answer is what the model said."""
    true = world(8, 100, 0.5).probabilities
    assert Calibration(1.0, 1.0, tuple(PRIOR.tolist()), None).apply(true) == pytest.approx(true)
