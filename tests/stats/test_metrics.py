"""Numbers that say how good probabilities were: hand cases, symmetries, inference by day."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, spearmanr

from market_master.domain.actions import CLASSES, SCORES, Action, expected_score, without_direction
from market_master.domain.errors import TooFewBars
from market_master.domain.records import Scorecard
from market_master.stats import daily as days
from market_master.stats import metrics
from market_master.stats.daily import by_day, day_t, gain, newey_west_se
from tests.support.known_probabilities import PRIOR, world

law = settings(max_examples=60, derandomize=True, database=None, deadline=None)
HOLD = np.eye(5)[2]


def card(probabilities: NDArray, action: NDArray, **changes: NDArray) -> Scorecard:
    """A scorecard of such answers, the rest plain."""
    count = len(action)
    facts = {
        "prior": np.tile(PRIOR, (count, 1)),
        "decided": np.full(count, 2),
        "z": (action - 2) + np.random.default_rng(1).standard_normal(count),
        "session": np.arange(count) // 20,
        **changes,
    }
    return metrics.scorecard(
        "x", "model", probabilities=probabilities, action=action, fit_seconds=0.0, folds=1, **facts
    )


@st.composite
def answers(draw: st.DrawFn) -> tuple[NDArray, NDArray]:
    """Any probabilities and actions."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 200))
    probabilities = random.dirichlet(np.full(5, draw(st.sampled_from([0.1, 1.0, 30.0]))), count)
    return probabilities, random.integers(0, 5, count)


def test_actions_have_one_order_and_symmetric_scores() -> None:
    """strong_sell to strong_buy, -2 to +2: what the models' classes mean everywhere."""
    assert CLASSES == ("strong_sell", "sell", "hold", "buy", "strong_buy")
    assert [Action[name].score for name in CLASSES] == SCORES.tolist() == [-2, -1, 0, 1, 2]
    assert expected_score(np.array([[0.1, 0.2, 0.4, 0.2, 0.1], [0, 0, 0, 0, 1]])).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("said", "came", "score"),
    [
        ([0.8, 0.1, 0.1], 2, 1.45), ([0.4, 0.4, 0.2], 1, 0.20), ([1, 0, 0, 0, 0], 0, 0.0), ([1, 0, 0, 0, 0], 4, 4.0),
        ([0, 0, 1, 0, 0], 0, 2.0), ([0.2] * 5, 2, 0.4), ([0.2] * 5, 0, 1.2), ([0.2] * 5, 4, 1.2),
    ],
)  # fmt: skip
def test_rps_by_hand(said, came, score) -> None:
    """Unnormalised, as published: 1.45 and 0.20 are the examples of scoringutils."""
    assert metrics.rps(np.array([said], dtype=float), np.array([came])) == pytest.approx([score])


def test_rps_is_lowest_for_the_truth() -> None:
    """The true odds score what theory says, and better than sharper, flatter or shifted ones."""
    true, action, *_ = world(1, 100_000, 0.3)
    scores, below = metrics.rps(true, action), true.cumsum(axis=1)[:, :4]
    theory = (below * (1 - below)).sum(axis=1)
    assert abs((scores - theory).mean()) < 4 * (scores - theory).std() / np.sqrt(len(scores))
    for other in (true**1.5, true**0.7, true * [1, 1, 1, 1.3, 1.3], true * [1, 1, 1.3, 1, 1]):
        assert metrics.rps(other / other.sum(axis=1, keepdims=True), action).mean() > scores.mean()


@pytest.mark.parametrize(("rho", "rpss"), [(0.05, 0.00126), (0.10, 0.0051)])
def test_honest_skill_is_as_small_as_theory_says(rho, rpss) -> None:
    """An IC of .05 is an RPSS of 0.126 %, one of .10 of 0.51 % (exact values of the method)."""
    below = world(2, 100_000, rho).probabilities.cumsum(axis=1)[:, :4]
    base = PRIOR.cumsum()[:4]
    assert 1 - (below * (1 - below)).sum(axis=1).mean() / (base * (1 - base)).sum() == pytest.approx(rpss, rel=0.03)


@law
@given(answers())
def test_turning_up_and_down_around_changes_no_skill(given_answers) -> None:
    """Probabilities and actions in reverse order have the same RPS, VOL and DIR."""
    said, came = given_answers
    assert metrics.rps(said[:, ::-1], 4 - came) == pytest.approx(metrics.rps(said, came))
    one, two = card(said, came), card(said[:, ::-1], 4 - came)
    for name in ("rps", "rpss", "vol", "dir"):
        assert getattr(two, name) == pytest.approx(getattr(one, name))


@law
@given(answers())
def test_skill_is_volatility_and_direction(given_answers) -> None:
    """RPSS = VOL + DIR, always."""
    scores = card(*given_answers)
    assert scores.rpss == pytest.approx(scores.vol + scores.dir)


@law
@given(answers(), st.integers(0, 99))
def test_answers_without_direction_have_none(given_answers, seed) -> None:
    """Symmetric probabilities have DIR 0 and t 0 under any prior; made symmetric again they are the same."""
    said, came = given_answers
    prior = np.tile(np.random.default_rng(seed).dirichlet(np.full(5, 5.0)), (len(came), 1))
    flat = without_direction(said, prior)
    assert flat.sum(axis=1) == pytest.approx(np.ones(len(came)))
    assert without_direction(flat, prior) == pytest.approx(flat)
    scores = card(flat, came, prior=prior)
    assert (scores.dir, scores.dir_t) == (pytest.approx(0.0, abs=1e-12), 0.0)


def test_saying_hold_always_has_no_direction() -> None:
    """The all-hold predictor: DIR 0, t 0, IC 0, and worse than the prior."""
    action = world(3, 5000, 0.2).action
    scores = card(np.tile(HOLD, (5000, 1)), action)
    assert (scores.dir, scores.dir_t, scores.ic, scores.ic_t) == (0.0, 0.0, 0.0, 0.0)
    assert scores.rpss < 0
    assert scores.accuracy == pytest.approx(0.4, abs=0.03)
    assert scores.macro_f1 == pytest.approx(2 * 0.4 / 1.4 / 5, abs=0.01)


def test_the_prior_is_the_measure() -> None:
    """Saying the prior has no skill of any kind: RPSS, VOL, DIR and their t are 0."""
    scores = card(np.tile(PRIOR, (5000, 1)), world(4, 5000, 0.2).action)
    assert (scores.rpss, scores.vol, scores.dir, scores.dir_t) == (0.0, pytest.approx(0.0), pytest.approx(0.0), 0.0)


def test_knowing_volatility_is_not_knowing_direction() -> None:
    """Odds that know how large and not where to: VOL above 0, DIR 0; the true odds of a drift: DIR above 0."""
    random = np.random.default_rng(5)
    wild = random.random(40_000) < 0.5
    odds = np.where(wild[:, None], [0.18, 0.22, 0.2, 0.22, 0.18], [0.02, 0.18, 0.6, 0.18, 0.02])
    action = (random.random((40_000, 1)) > odds.cumsum(axis=1)[:, :4]).sum(axis=1)
    knows = card(odds, action)
    assert knows.vol > 0.01
    assert knows.dir == pytest.approx(0.0, abs=1e-12)
    drift = world(6, 40_000, 0.2)
    knows = card(drift.probabilities, drift.action, z=drift.z, session=drift.session)
    assert knows.dir > 0.01
    assert knows.dir_t > 3
    assert knows.ic == pytest.approx(0.2, abs=0.02)
    assert knows.ic_t > 3


def test_ic_is_the_correlation_and_the_mean_of_its_terms() -> None:
    """Pooled IC is numpy's; its row terms average to it; a constant score knows nothing."""
    score, z = np.random.default_rng(7).standard_normal((2, 500))
    assert metrics.ic(score, z + score) == pytest.approx(np.corrcoef(score, z + score)[0, 1])
    assert metrics.ic_terms(score, z + score).mean() == pytest.approx(metrics.ic(score, z + score))
    assert metrics.ic(np.full(500, 0.1), z) == 0.0
    assert not metrics.ic_terms(np.full(500, 0.1), z).any()


def test_calibration_error_by_hand() -> None:
    """Right with certainty 0; a fifth for each when all is hold 0.32; wrong with certainty 0.4; the truth about 0."""
    action = np.tile([0, 1, 2, 3, 4], 20)
    assert metrics.ece(np.eye(5)[action], action) == 0.0
    assert metrics.ece(np.full((100, 5), 0.2), np.full(100, 2)) == pytest.approx((4 * 0.2 + 0.8) / 5)
    assert metrics.ece(np.eye(5)[(action + 1) % 5], action) == pytest.approx(0.4)
    true = world(8, 50_000, 0.5)
    assert metrics.ece(true.probabilities, true.action) < 0.01
    assert metrics.ece(true.probabilities[:3], true.action[:3]) <= 1.0


def test_rank_ic_is_spearman_s_of_each_instant() -> None:
    """Across the symbols of an instant it is scipy's Spearman, in whatever order the rows come; a constant has none."""
    random = np.random.default_rng(11)
    score, z = random.standard_normal((2, 40)).round(1)
    bar_end, order = np.repeat(np.arange(4), 10), random.permutation(40)
    wanted = [spearmanr(score[bar_end == t], z[bar_end == t]).statistic for t in range(4)]
    assert metrics.rank_ic(score[order], z[order], bar_end[order]) == pytest.approx(wanted)
    assert np.isnan(metrics.rank_ic(np.zeros(40), z, bar_end)).all()


@pytest.mark.long
def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 90 % bands of DIR in worlds with known odds, 90 % hold the exact value: within three binomial errors of 100."""
    exact = card(*_long_run(0.1)).dir
    held = 0
    for seed in range(100):
        true = world(seed, 4000, 0.1, per_day=40)
        low, high = card(true.probabilities, true.action, z=true.z, session=true.session).intervals["dir"]
        held += low <= exact <= high
    low, high = binom.interval(0.997, 100, 0.90)
    assert low <= held <= high


def _long_run(rho: float) -> tuple[NDArray, NDArray]:
    true = world(99, 1_000_000, rho, per_day=1000)
    return true.probabilities, true.action


def test_every_number_but_t_has_an_interval_around_it() -> None:
    """Each interval holds its own number; the calibration error's, which noise can only raise, may lie above it."""
    true = world(3, 5000, 0.3)
    found = card(true.probabilities, true.action, z=true.z, session=true.session)
    assert set(found.intervals) == {
        "rps", "rpss", "vol", "dir", "ic", "log_loss", "macro_f1", "accuracy", "ece", "macro_f1_argmax",
    }  # fmt: skip
    for name, (low, high) in found.intervals.items():
        assert low <= high
        assert low <= getattr(found, name) <= high or name == "ece", name


def test_null_values_are_those_of_actions_dealt_out_at_random() -> None:
    """Shuffled actions have the null macro-F1 and accuracy, within three binomial errors."""
    true = world(4, 100_000, 0.0)
    decided = np.random.default_rng(5).permutation(true.action)
    found = card(true.probabilities, true.action, decided=decided)
    assert found.macro_f1 == pytest.approx(found.macro_f1_null, abs=3 * 0.5 / np.sqrt(100_000 * 0.1))
    assert found.accuracy == pytest.approx(found.accuracy_null, abs=3 * 0.5 / np.sqrt(100_000))


def test_reliability_bands_hold_the_truth_of_a_calibrated_model() -> None:
    """Where the stated odds are the true ones, nine bins of ten have them in their 90 % band (three binomial errors)."""
    true = world(6, 60_000, 0.5)
    table = metrics.reliability(true.probabilities, true.action, true.session)
    assert table.shape == (5, 10, 4)
    stated, came, low, high = np.moveaxis(table, -1, 0)
    assert (low <= came).all()
    assert (came <= high).all()
    assert (np.diff(stated, axis=1) >= 0).all()
    assert ((low <= stated) & (stated <= high)).sum() >= binom.ppf(0.0015, 50, 0.9)


def test_a_day_is_one_observation() -> None:
    """Daily means in order of time, whatever the order and number of rows."""
    values, session = np.array([1.0, 3.0, 10.0, 0.0, 2.0]), np.array([7, 7, 3, 9, 9])
    assert by_day(values, session).tolist() == [10.0, 2.0, 1.0]
    order = np.random.default_rng(9).permutation(5)
    assert by_day(values[order], session[order]).tolist() == [10.0, 2.0, 1.0]
    assert day_t(np.repeat(values, 50), np.repeat(session, 50)) == pytest.approx(day_t(values, session))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 60, 250])
def test_newey_west_is_its_formula(count) -> None:
    """Bartlett-weighted autocovariances up to lag floor(4 (n/100)^(2/9)) + 1, written out, and statsmodels' HAC."""
    daily = np.random.default_rng(count).standard_normal(count).cumsum() * 0.1 + 0.3
    lags = min(count - 1, int(4 * (count / 100) ** (2 / 9)) + 1)
    centred = daily - daily.mean()
    total = sum(
        (1 - abs(i - j) / (lags + 1)) * centred[i] * centred[j]
        for i in range(count)
        for j in range(count)
        if abs(i - j) <= lags
    )
    assert newey_west_se(daily) == pytest.approx(np.sqrt(max(total, 0)) / count)
    if count >= 10:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            api = pytest.importorskip("statsmodels.api", reason="statsmodels is not there to compare with")
        fit = api.OLS(daily, np.ones(count)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
        assert newey_west_se(daily) == pytest.approx(fit.bse[0])


def test_t_is_0_when_nothing_happened() -> None:
    """All-zero rows have t 0; otherwise t is mean over error, and its sign that of the mean."""
    session = np.repeat(np.arange(30), 4)
    values = np.random.default_rng(10).standard_normal(120) + 0.5
    assert day_t(np.zeros(120), session) == 0.0
    assert day_t(values, session) == pytest.approx(
        by_day(values, session).mean() / newey_west_se(by_day(values, session))
    )
    assert day_t(-values, session) == pytest.approx(-day_t(values, session))


def test_no_gain_on_any_day_has_p_1() -> None:
    """A model against itself."""
    assert gain(np.zeros(60)) == days.Gain(0.0, 0.0, 0.0, 1.0, 60, 1.0, 1.0)


@pytest.mark.parametrize("daily", [[], [0.1], [0.0], [0.1] * 20 + [np.nan], [np.inf, 1.0]])
def test_what_can_not_be_judged_is_refused(daily) -> None:
    """One day, none, or days without a number are no evidence, least of all of p = 0."""
    with pytest.raises(TooFewBars, match="at least 2 days"):
        gain(np.array(daily))


def test_gain_is_the_same_each_time_in_any_unit_and_opposite_for_the_loser() -> None:
    """Seeded; free of scale; what speaks for one speaks against the other; the mean lies in its band."""
    daily = np.random.default_rng(11).standard_normal(60) * 0.01 + 0.001
    found, other = gain(daily), gain(-daily)
    assert gain(daily) == found
    assert gain(daily * 1000).p_value == pytest.approx(found.p_value)
    assert (found.days, found.mean) == (60, pytest.approx(daily.mean()))
    assert found.low < found.mean < found.high
    assert (other.low, other.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert found.p_value + other.p_value >= 1.0
    assert gain(np.full(20, 0.01)).p_value == pytest.approx(0.0)
    assert gain(np.full(20, -0.01)).p_value == 1.0


@pytest.mark.parametrize("memory", [0.0, 0.2])
def test_nothing_is_found_where_nothing_is(memory, monkeypatch) -> None:
    """200 worlds of 60 days without a gain: at 5 % as many are called a gain as chance makes it."""
    monkeypatch.setattr(days, "DRAWS", 400)
    random = np.random.default_rng(12)
    alarms = 0
    for _ in range(200):
        noise = random.standard_normal(61)
        alarms += gain(noise[1:] + memory * noise[:-1]).p_value <= 0.05
    assert binom.ppf(0.001, 200, 0.05) <= alarms <= binom.ppf(0.999, 200, 0.05)


def test_a_gain_that_is_there_is_found(monkeypatch) -> None:
    """0.4 daily standard deviations over 120 days are found at 5 % nine times in ten at least."""
    monkeypatch.setattr(days, "DRAWS", 400)
    random = np.random.default_rng(13)
    found = sum(gain(random.standard_normal(120) + 0.4).p_value <= 0.05 for _ in range(40))
    assert found >= 36
