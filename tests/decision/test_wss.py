"""The constituents' actions become one weighted score; what is missing is never a hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.errors import http_status
from market_master.decision import policy
from market_master.decision.wss import Aggregate, aggregate, weighted_by_bar
from market_master.domain.errors import LowCoverage

law = settings(max_examples=100, derandomize=True, database=None, deadline=None)
NAMES = [f"S{number:02}" for number in range(40)]


@st.composite
def indices(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, int], dict[str, float]]:
    """Weights that sum to 1, a score and an expected score of each symbol."""
    count = draw(st.integers(1, 40))
    raw = draw(st.lists(st.floats(0.01, 1.0), min_size=count, max_size=count))
    scores = draw(st.lists(st.integers(-2, 2), min_size=count, max_size=count))
    expected = draw(st.lists(st.floats(-2, 2), min_size=count, max_size=count))
    weights = [weight / sum(raw) for weight in raw]
    return (
        dict(zip(NAMES, weights, strict=False)),
        dict(zip(NAMES, scores, strict=False)),
        dict(zip(NAMES, expected, strict=False)),
    )


def total(weights: dict[str, float], scores: dict[str, int], floor: float = 0.8, **reasons: str) -> Aggregate:
    """The aggregate, each expected score being the score."""
    return aggregate(weights, scores, {name: float(s) for name, s in scores.items()}, floor=floor, reasons=reasons)


@law
@given(indices(), st.randoms(use_true_random=False))
def test_the_order_of_symbols_does_not_matter(index, random) -> None:
    """Weights, scores and answers in any order give the same aggregate, to the last bit."""
    order = list(index[0])
    random.shuffle(order)
    turned = [{name: part[name] for name in order} for part in index]
    assert aggregate(*index, floor=0.8, reasons={}) == aggregate(*turned, floor=0.8, reasons={})


@law
@given(indices())
def test_wss_is_the_sum_of_contributions_between_the_extremes(index) -> None:
    """Never beyond the lowest and highest score; expected scores likewise; with all there, coverage is 1."""
    result = aggregate(*index, floor=0.8, reasons={})
    assert result.wss == pytest.approx(sum(result.contributions.values()), abs=1e-12)
    assert min(index[1].values()) - 1e-9 <= result.wss <= max(index[1].values()) + 1e-9
    assert min(index[2].values()) - 1e-9 <= result.wss_expected <= max(index[2].values()) + 1e-9
    assert result.coverage == pytest.approx(1.0)
    assert result.wss == pytest.approx(sum(index[0][name] * index[1][name] for name in index[0]), abs=1e-12)


@pytest.mark.parametrize("score", [-2, -1, 0, 1, 2])
def test_unanimous_actions_give_the_score(score) -> None:
    """All strong_buy is +2, all hold 0, all strong_sell -2, whatever the weights and with a tenth missing."""
    weights = {"A": 0.5, "B": 0.4, "C": 0.1}
    assert total(weights, dict.fromkeys("ABC", score)).wss == pytest.approx(score)
    assert total(weights, dict.fromkeys("AB", score)).wss == pytest.approx(score)


def test_a_missing_symbol_is_left_out_and_not_a_hold() -> None:
    """The others are weighted anew over what is covered; a hold in its place would be another answer."""
    weights = {"A": 0.5, "B": 0.4, "C": 0.1}
    partial = total(weights, {"A": 2, "B": -1})
    assert partial.wss == pytest.approx((0.5 * 2 - 0.4) / 0.9)
    assert partial.coverage == pytest.approx(0.9)
    assert set(partial.contributions) == {"A", "B"}
    complete = total(weights, {"A": 2, "B": -1, "C": 0})
    assert complete.wss == pytest.approx(0.5 * 2 - 0.4)
    assert complete.coverage == pytest.approx(1.0)
    assert abs(partial.wss) > abs(complete.wss)


def test_a_symbol_without_a_weight_has_no_say() -> None:
    """Predictions of symbols outside the index are not in it."""
    assert total({"A": 1.0}, {"A": 1, "X": -2}) == total({"A": 1.0}, {"A": 1})


def test_low_coverage_is_an_error_with_the_numbers_in_it() -> None:
    """0.79 of the weight is no signal: what was covered, what is needed, who is missing with what weight and why."""
    weights = {"A": 0.5, "B": 0.29, "C": 0.11, "D": 0.10}
    with pytest.raises(
        LowCoverage, match=r"0\.790.*0\.800.*C \(0\.110, halted\), D \(0\.100, no fresh action\)"
    ) as caught:
        total(weights, {"A": 2, "B": 2}, C="halted")
    assert http_status(caught.value) == 503
    assert caught.value.numbers == {
        "coverage": pytest.approx(0.79),
        "floor": 0.8,
        "missing": [
            {"symbol": "C", "weight": 0.11, "reason": "halted"},
            {"symbol": "D", "weight": 0.10, "reason": "no fresh action"},
        ],
    }


def test_coverage_at_the_floor_is_enough() -> None:
    """0.80 of 0.80, also where the sum of eight tenths is a little less."""
    assert total({"A": 0.8, "B": 0.2}, {"A": 1}).wss == pytest.approx(1.0)
    tenths = dict.fromkeys(NAMES[:10], 0.1)
    assert total(tenths, dict.fromkeys(NAMES[:8], 1)).coverage == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("weights", "scores"), [({}, {}), ({"A": 1.0}, {}), ({"A": 1.0}, {"X": 1}), ({"A": 0.0, "B": 1.0}, {"A": 2})]
)
def test_nothing_covered_is_never_a_signal(weights, scores) -> None:
    """No action, or none that weighs anything, is LowCoverage even where the floor is 0."""
    with pytest.raises(LowCoverage):
        total(weights, scores, floor=0.0)


@pytest.mark.parametrize("count", range(2, 61, 2))
def test_half_of_an_equal_index_is_exactly_half(count) -> None:
    """6 buys and 6 holds of 12 are +0.5 and BUY, though twelfths do not sum to it in floating point."""
    weights = {f"S{number}": 1 / count for number in range(count)}
    for score, signal in ((1, "BUY"), (-1, "SELL")):
        for strong in range(count // 4 + 1):
            acting = [2 * score] * strong + [score] * (count // 2 - 2 * strong)
            scores = dict(zip(weights, acting + [0] * (count - len(acting)), strict=True))
            wss = np.array([total(weights, scores).wss])
            assert policy.signals_of_wss(wss, buy=0.5, sell=-0.5) == [signal]


def test_the_means_of_each_bar_are_those_of_its_rows() -> None:
    """Of ragged, unevenly weighted rows in any order: the weighted mean of every bar, and none where nothing weighs."""
    random = np.random.default_rng(3)
    bar_end, weight, value = random.integers(0, 20, 100), random.random(100), random.normal(size=100)
    weight[bar_end == 7] = 0.0
    by_bar = weighted_by_bar(bar_end, weight, value, 2 * value)
    assert by_bar.bar_end.tolist() == sorted(set(bar_end.tolist()))
    assert np.array_equal(by_bar.bar_end[by_bar.bar_of_row], bar_end)
    assert np.array_equal(bar_end[by_bar.first_row], by_bar.bar_end)
    for number, end in enumerate(by_bar.bar_end.tolist()):
        rows = bar_end == end
        assert by_bar.covered[number] == pytest.approx(weight[rows].sum(), abs=1e-12)
        expected = np.average(value[rows], weights=weight[rows]) if end != 7 else np.nan
        assert by_bar.means[0][number] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert np.array_equal(by_bar.means[1], 2 * by_bar.means[0], equal_nan=True)
