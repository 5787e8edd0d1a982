"""Probabilities become actions, and the score of the index a signal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_master.decision import policy
from market_master.decision.policy import LOOKBACK_BARS, ConfidenceFilter
from market_master.domain.actions import expected_score

law = settings(max_examples=100, derandomize=True, database=None, deadline=None)
THRESHOLDS = (-0.5, -0.1, 0.1, 0.5)


def signal(*wss: float, **rule: float) -> str | None:
    """The signal of the last of some WSS."""
    return policy.signals_of_wss(np.array(wss), **rule)[-1]  # type: ignore[arg-type]


def path(*wss: float, hysteresis: float = 0.0, min_hold: int = 1) -> str:
    """The signals of a series with thresholds at +-0.5, a letter each; '.' where there is none."""
    signals = policy.signals_of_wss(np.array(wss), buy=0.5, sell=-0.5, hysteresis=hysteresis, min_hold=min_hold)
    return "".join(name[0] if name else "." for name in signals)


def with_score(*scores: float) -> np.ndarray:
    """Probabilities with these expected scores, by sell, hold and buy alone."""
    return np.array([[0, max(-s, 0), 1 - abs(s), max(s, 0), 0] for s in scores])


def test_a_signal_begins_just_at_its_threshold() -> None:
    """Exactly +0.5 is BUY and exactly -0.5 SELL; what lies between is HOLD."""
    signals = {wss: signal(wss, buy=0.5, sell=-0.5) for wss in (2.0, 0.5, 0.4999, 0.0, -0.4999, -0.5, -2.0)}
    assert list(signals.values()) == ["BUY", "BUY", "HOLD", "HOLD", "HOLD", "SELL", "SELL"]
    assert signal(0.5, buy=0.6, sell=-0.1) == "HOLD"
    assert signal(-0.1, buy=0.6, sell=-0.1) == "SELL"


def test_the_expected_score_falls_among_the_cuts() -> None:
    """Beyond the outer cuts strong, beyond the inner ones plain, between them hold."""
    scores = (-0.9, -0.51, -0.3, -0.11, 0.0, 0.09, 0.11, 0.3, 0.51, 0.9)
    assert policy.assign_actions(with_score(*scores), "expected_score", THRESHOLDS).tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]


def test_a_score_on_a_cut_goes_towards_hold() -> None:
    """Ties: just on an outer cut it is plain, just on an inner one hold."""
    cuts = (-0.5, -0.25, 0.25, 0.5)
    actions = policy.assign_actions(with_score(*cuts), "expected_score", cuts)
    assert expected_score(with_score(*cuts)).tolist() == list(cuts)
    assert actions.tolist() == [1, 2, 2, 3]


@pytest.mark.parametrize("cuts", [(0.01, 0.02, 0.03, 0.04), (-0.04, -0.03, -0.02, -0.01)])
def test_cuts_may_lie_on_one_side_of_zero(cuts) -> None:
    """They are quantiles: in a rising market all may be above 0, and the lowest scores are still sells."""
    middle = [(a + b) / 2 for a, b in zip((-0.5, *cuts), (*cuts, 0.5), strict=True)]
    assert policy.assign_actions(with_score(*middle), "expected_score", cuts).tolist() == [0, 1, 2, 3, 4]


def test_without_cuts_every_action_is_hold() -> None:
    """No directional edge, nothing to do."""
    assert policy.assign_actions(np.eye(5), "expected_score", None).tolist() == [2] * 5


def test_argmax_is_the_likeliest_class_and_ties_go_to_hold() -> None:
    """One likeliest class is it; hold wins a tie; of two on one side the nearer to hold; up against down is hold."""
    clear = np.full((5, 5), 0.1) + 0.5 * np.eye(5)
    assert policy.assign_actions(clear, "argmax", None).tolist() == [0, 1, 2, 3, 4]
    ties = {
        (0.2, 0.2, 0.2, 0.2, 0.2): 2, (0.1, 0.1, 0.4, 0.4, 0.0): 2, (0.4, 0.1, 0.4, 0.1, 0.0): 2,
        (0.4, 0.4, 0.1, 0.1, 0.0): 1, (0.0, 0.1, 0.1, 0.4, 0.4): 3,
        (0.1, 0.4, 0.0, 0.4, 0.1): 2, (0.4, 0.0, 0.2, 0.0, 0.4): 2,
        (0.4, 0.0, 0.2, 0.4, 0.0): 2, (0.0, 0.4, 0.2, 0.0, 0.4): 2,
    }  # fmt: skip
    assert policy.assign_actions(np.array(list(ties)), "argmax", None).tolist() == list(ties.values())


@law
@given(st.integers(0, 2**32 - 1), st.sampled_from(["argmax", "expected_score"]), st.sampled_from([2, 4, 8, 16]))
def test_up_and_down_are_treated_alike(seed, rule, steps) -> None:
    """Probabilities turned around give the action turned around, ties included."""
    random = np.random.default_rng(seed)
    probabilities = random.multinomial(steps, np.full(5, 0.2), 200) / steps
    cuts = (-0.5, -0.25, 0.25, 0.5)
    turned = policy.assign_actions(probabilities[:, ::-1], rule, cuts)
    assert np.array_equal(turned, 4 - policy.assign_actions(probabilities, rule, cuts))


def test_the_confidence_filter_holds_what_is_unsure() -> None:
    """Below the least confidence hold, at it and above the action stays; without a limit all stay."""
    probabilities = np.array(
        [[0.1, 0.1, 0.1, 0.1, 0.6], [0.2, 0.1, 0.1, 0.01, 0.59], [0.61, 0.39, 0, 0, 0], [0, 0, 1, 0, 0]]
    )
    action = np.array([4, 4, 0, 2])
    assert policy.filter_confidence(action, probabilities, ConfidenceFilter(0.6)).tolist() == [4, 2, 0, 2]
    assert policy.filter_confidence(action, probabilities, ConfidenceFilter()).tolist() == action.tolist()
    assert policy.filter_confidence(action, probabilities, ConfidenceFilter(0.0)).tolist() == action.tolist()


def test_the_rank_filter_acts_on_the_largest_expected_scores() -> None:
    """A rank of .6 is the size that 60 of 100 out-of-sample answers stay below; the rest act, on either side."""
    probabilities = with_score(*np.linspace(-0.5, 0.5, 1001))
    size = policy.abs_score_at_rank(0.6, policy.abs_score_percentiles(probabilities))
    assert size == pytest.approx(0.3, abs=1e-9)
    acted = policy.filter_confidence(np.full(1001, 4), probabilities, ConfidenceFilter(min_abs_score=size))
    assert np.array_equal(acted == 4, np.abs(expected_score(probabilities)) >= size)
    assert (acted == 4).mean() == pytest.approx(0.4, abs=2e-3)
    assert policy.abs_score_at_rank(0.0, policy.abs_score_percentiles(probabilities)) == pytest.approx(0.0, abs=1e-12)
    assert policy.abs_score_at_rank(1.0, policy.abs_score_percentiles(probabilities)) == pytest.approx(0.5)


def test_both_filters_hold_where_either_does() -> None:
    """What passes must be sure by its highest probability and by its expected score."""
    probabilities = np.array([[0, 0, 0.3, 0, 0.7], [0, 0, 0.7, 0.3, 0], [0.25, 0, 0, 0.3, 0.45]])
    assert policy.filter_confidence(np.full(3, 4), probabilities, ConfidenceFilter(0.6, 0.5)).tolist() == [4, 2, 2]


def test_a_filter_tells_how_much_it_let_act() -> None:
    """The weight that acts over the weight that wanted to; nobody who wanted to is no number."""
    wants, acts = np.array([True, True, False, True]), np.array([True, False, False, True])
    assert policy.filter_coverage(wants, acts, np.array([0.1, 0.2, 0.4, 0.3])) == pytest.approx(0.4 / 0.6)
    assert np.isnan(policy.filter_coverage(np.zeros(4, bool), np.zeros(4, bool), np.ones(4)))


def test_a_decision_is_the_rule_and_then_the_filter() -> None:
    """What was wanted stays beside what was done."""
    probabilities = with_score(-0.9, 0.05, 0.55)
    actions = policy.apply_policy(probabilities, "expected_score", THRESHOLDS, ConfidenceFilter(0.6))
    assert actions.rule_action.tolist() == [0, 2, 4]
    assert actions.action.tolist() == [0, 2, 2]


def test_hysteresis_on_a_hand_written_path() -> None:
    """Entered at .5, kept down to .25, left below; turned round only at the other threshold; no WSS is no signal."""
    nan = float("nan")
    wss = (0.0, 0.4, 0.5, 0.3, 0.25, 0.24, 0.4, -0.5, -0.3, 0.3, 0.6, nan, 0.3, -0.6, 0.5, 0.0)
    assert path(*wss, hysteresis=0.5) == "HHBBBHHSSHB.BSBH"
    assert path(*wss) == "HHBHHHHSHHB.HSBH"
    assert path(0.5, 0.0, -0.1, 0.1, hysteresis=1.0) == "BBHH"


def test_minimum_hold_on_a_hand_written_path() -> None:
    """A position stays for so many bars whatever comes, then the newest WSS decides."""
    assert path(0.5, -0.6, -0.6, -0.6, 0.0, 0.0, 0.0, min_hold=3) == "BBBSSSH"
    assert path(0.5, 0.0, 0.0, 0.0, min_hold=2) == "BBHH"
    assert path(0.5, float("nan"), 0.0, min_hold=2) == "B.H"


@law
@given(st.lists(st.floats(-2, 2), min_size=1, max_size=200))
def test_without_hysteresis_and_hold_each_bar_is_the_plain_rule(wss) -> None:
    """No bar before has a say, and nothing is looked back at."""
    signals = policy.signals_of_wss(np.array(wss), buy=0.5, sell=-0.5)
    assert signals == [signal(value, buy=0.5, sell=-0.5) for value in wss]
    assert policy.lookback_bars(hysteresis=0.0, min_hold=1) == 1


@law
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 30))
def test_a_signal_is_made_of_the_newest_bars_alone(seed, hysteresis, hold) -> None:
    """Whoever has the last 60 WSS makes the same signal as who has them all, and later ones change nothing."""
    random = np.random.default_rng(seed)
    wss = np.clip(np.cumsum(random.normal(0, 0.2, 200)) * 0.3, -2, 2)
    wss[random.random(200) < 0.05] = np.nan
    rule = {"buy": 0.5, "sell": -0.4, "hysteresis": hysteresis, "min_hold": hold}
    all_signals = policy.signals_of_wss(wss, **rule)
    for end in (1, 37, 60, 61, 140, 200):
        assert policy.signals_of_wss(wss[max(0, end - LOOKBACK_BARS) : end], **rule)[-1] == all_signals[end - 1]
        assert policy.signals_of_wss(wss[:end], **rule) == all_signals[:end]


def test_a_position_that_is_not_confirmed_lapses() -> None:
    """Entered once and never again at its threshold, it is kept for 60 bars and no longer."""
    signals = path(0.6, *[0.3] * 80, hysteresis=0.5)
    assert signals == "B" * LOOKBACK_BARS + "H" * (81 - LOOKBACK_BARS)
