"""Composite score: in its range, monotone in each part, blind to order, honest about what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_master.config.settings import CompositeWeights
from market_master.domain.clock import DAY
from market_master.insights.composite import (
    COMPOSITE_PARTS,
    LOW_IS_GOOD,
    Composite,
    composites,
    percentile_ranks,
    score_parts,
)
from market_master.insights.market_view import MarketView
from tests.support.random_bars import random_bars

WEIGHTS = CompositeWeights()
NAMES = tuple(f"S{number}" for number in range(8))
VALUES = st.lists(
    st.lists(st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3)), min_size=8, max_size=8), min_size=4, max_size=5
)


def scores_of(values: list[list[float]], weights: CompositeWeights = WEIGHTS) -> dict[str, Composite]:
    """Of parts in the order of COMPOSITE_PARTS; without fundamentals there are four."""
    return score_parts(NAMES, dict(zip(COMPOSITE_PARTS, map(np.array, values), strict=False)), weights)


@given(VALUES)
def test_scores_are_percentages_or_none(values: list[list[float]]) -> None:
    """From 0 to 100 where 60 % of the weight is known, else none; and the same from the parts that are shown."""
    for composite in scores_of(values).values():
        known = [part for part in composite.parts if part.rank is not None]
        weight = sum(part.weight for part in known) / sum(part.weight for part in composite.parts)
        assert composite.known_weight == pytest.approx(weight)
        if weight < 0.6 - 1e-9:
            assert composite.score is None
        elif weight > 0.6 + 1e-9:
            assert composite.score == pytest.approx(
                np.average([part.rank for part in known], weights=[part.weight for part in known])
            )
            assert 0 <= composite.score <= 100


@given(VALUES, st.integers(0, 3), st.integers(0, 7), st.floats(0, 1e3))
def test_a_better_part_never_lowers_the_score(values: list[list[float]], part: int, symbol: int, more: float) -> None:
    """Of the symbol itself; low volatility is better."""
    before = scores_of(values)[NAMES[symbol]].score
    better = [list(row) for row in values]
    better[part][symbol] += -more if tuple(COMPOSITE_PARTS)[part] in LOW_IS_GOOD else more
    after = scores_of(better)[NAMES[symbol]].score
    assert (before is None) == (after is None)
    if before is not None:
        assert after >= before - 1e-9


@given(VALUES, st.permutations(range(8)))
def test_order_does_not_matter(values: list[list[float]], order: list[int]) -> None:
    """Symbols in another order have the same scores."""
    composites = scores_of(values)
    dealt = dict(zip(COMPOSITE_PARTS, (np.array(row)[order] for row in values), strict=False))
    others = score_parts(tuple(NAMES[at] for at in order), dealt, WEIGHTS)
    for name in NAMES:
        assert others[name] == composites[name]


def test_only_proportions_of_the_weights_count() -> None:
    """Weights ten times as large give the same score; a part with weight 0 none."""
    values = np.random.default_rng(3).normal(size=(4, 8)).tolist()
    ten = CompositeWeights(model=5, momentum=2, volatility=1.5, liquidity=1.5, fundamental=1.5)
    for name, composite in scores_of(values).items():
        assert scores_of(values, ten)[name].score == pytest.approx(composite.score)
    alone = CompositeWeights(model=1, momentum=0, volatility=0, liquidity=0, fundamental=0)
    assert scores_of(values, alone)["S3"].score == pytest.approx(percentile_ranks(np.array(values[0]))[3])


def test_ranks_by_hand() -> None:
    """Ties share the middle; the unknown has none and counts for nobody."""
    ranks = percentile_ranks(np.array([1.0, 2.0, 2.0, 3.0, np.nan]))
    assert ranks[:4].tolist() == [12.5, 50.0, 50.0, 87.5]
    assert np.isnan(ranks[4])


def test_fundamentals_are_a_part_where_there_are_any() -> None:
    """The mean rank of value and quality; a symbol that has no bar yet, or no report, has none."""
    bars = random_bars(1, symbols=4, sessions=30)
    early = bars.take((bars.code != 3) | (bars.bar_end > bars.newest - DAY)).until(bars.newest - 2 * DAY)
    parts = {symbol: one.parts[-1] for symbol, one in composites(MarketView.of(early)).items()}
    assert {part.name for part in parts.values()} == {"fundamental"}
    assert parts["S4"].value is None
    assert sum(parts[symbol].value for symbol in ("S1", "S2", "S3")) == pytest.approx(150.0)
    assert len(composites(MarketView.of(replace(bars, fundamentals=None)))["S1"].parts) == 4
