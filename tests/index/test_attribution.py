"""A move of WSS is told in parts that sum to it: by symbol, and by the features behind each symbol's score."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_master.decision.wss import aggregate
from market_master.domain import clock
from market_master.domain.actions import expected_score
from market_master.domain.clock import instant
from market_master.domain.records import Constituent, IndexSignal, ModelRef, Span, Thresholds
from market_master.domain.session_closes import SessionCloses
from market_master.index import attribution
from market_master.index.attribution import explained_signal, group_values
from market_master.index.inputs import read_inputs
from market_master.index.signal import predict_index
from market_master.market_data.store import Recent
from market_master.market_data.store.recent import table_of
from market_master.prediction.loaded_model import LoadedModel
from market_master.registry.champion import load_champion

law = settings(max_examples=100, derandomize=True, database=None, deadline=None)
NAMES = [f"S{number:02}" for number in range(12)]
FLOAT32 = 1e-6


def signal_of(weights: dict[str, float], scores: dict[str, int]) -> IndexSignal:
    """A signal with these constituents, made by the aggregate that serves."""
    total = aggregate(weights, scores, {name: float(s) for name, s in scores.items()}, floor=0.0, reasons={})
    rows = [Constituent(s, weights[s], "", scores[s], float(scores[s]), 1.0, c) for s, c in total.contributions.items()]
    nothing, model = Span("", ""), ModelRef("", "", "", "", False)
    return IndexSignal(
        "", "", "HOLD", total.wss, total.wss_expected, total.coverage, "", nothing, Thresholds(0.5, -0.5), (), None,
        tuple(rows), 1.0, None, model, False,
    )  # fmt: skip


@st.composite
def signals(draw: st.DrawFn) -> IndexSignal:
    """Some of twelve symbols with a weight, some of those with an action."""
    symbols = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    raw = draw(st.lists(st.floats(0.01, 1.0), min_size=len(symbols), max_size=len(symbols)))
    acting = draw(st.lists(st.sampled_from(symbols), min_size=1, unique=True))
    scores = draw(st.lists(st.integers(-2, 2), min_size=len(acting), max_size=len(acting)))
    weights = {name: weight / sum(raw) for name, weight in zip(symbols, raw, strict=True)}
    return signal_of(weights, dict(zip(acting, scores, strict=True)))


@law
@given(signals(), signals())
def test_the_moves_of_symbols_sum_to_the_move_of_wss(before, now) -> None:
    """Whoever enters, leaves, or is weighted anew: to 1e-12, and each move is its two parts."""
    parts = attribution.moves(before, now)
    assert sum(part.move for part in parts.values()) == pytest.approx(now.wss - before.wss, abs=1e-12)
    assert all(part.by_score + part.by_weight == pytest.approx(part.move, abs=1e-15) for part in parts.values())
    assert parts.keys() == {row.symbol for row in (*before.constituents, *now.constituents)}
    sizes = [abs(part.move) for part in parts.values()]
    assert sizes == sorted(sizes, reverse=True)


@law
@given(signals(), signals(), st.randoms(use_true_random=False))
def test_the_order_of_constituents_does_not_matter(before, now, random) -> None:
    """Shuffled signals move alike, to the last bit and in the same order."""
    turned = [replace(s, constituents=tuple(random.sample(s.constituents, len(s.constituents)))) for s in (before, now)]
    assert list(attribution.moves(*turned).items()) == list(attribution.moves(before, now).items())


@law
@given(signals(), signals())
def test_forth_and_back_are_mirror_images(before, now) -> None:
    """The symmetric split has no preferred order: from now to before each part is the negative."""
    forth, back = attribution.moves(before, now), attribution.moves(now, before)
    for symbol, part in forth.items():
        for name in ("move", "by_score", "by_weight"):
            assert getattr(back[symbol], name) == pytest.approx(-getattr(part, name), abs=1e-12)


def test_a_hand_made_move() -> None:
    """A's score rises, B is weighted anew by C's coming, C enters, D leaves: each in the part that is its own."""
    before = signal_of({"A": 0.5, "B": 0.25, "D": 0.25}, {"A": 1, "B": -2, "D": 1})
    now = signal_of({"A": 0.5, "B": 0.2, "C": 0.3}, {"A": 2, "B": -2, "C": 1})
    parts = {
        symbol: (part.move, part.by_score, part.by_weight) for symbol, part in attribution.moves(before, now).items()
    }
    assert parts["A"] == pytest.approx((0.5, 0.5, 0.0))
    assert parts["B"] == pytest.approx((0.1, 0.0, 0.1))
    assert parts["C"] == pytest.approx((0.3, 0.0, 0.3))
    assert parts["D"] == pytest.approx((-0.25, 0.0, -0.25))


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_shapley_values_are_means_over_all_orders(players) -> None:
    """By the definition: what a player adds to those before it, over every order of all players."""
    worth = np.random.default_rng(players).normal(size=(3, 2**players))
    by_order = np.zeros((3, players))
    for order in permutations(range(players)):
        there = 0
        for player in order:
            by_order[:, player] += worth[:, there | 1 << player] - worth[:, there]
            there |= 1 << player
    values = attribution.shapley(worth)
    assert values == pytest.approx(by_order / factorial(players), abs=1e-12)
    assert values.sum(axis=1) == pytest.approx(worth[:, -1] - worth[:, 0], abs=1e-12)


def test_coalitions_hold_their_groups_columns() -> None:
    """Number 5 of three groups is the first and the third; no number holds a column without a group."""
    holds = attribution.coalitions({"a": np.array([0, 3]), "b": np.array([1]), "c": np.array([2])}, 5)
    assert holds[5].tolist() == [True, False, True, True, False]
    assert (holds[0].any(), holds[7].tolist()) == (False, [True] * 4 + [False])


@pytest.fixture(scope="module")
def champion(trained_home: Path) -> LoadedModel:
    """The champion of the trained home."""
    return load_champion(trained_home, "market-master")


@pytest.fixture(scope="module")
def recent(champion: LoadedModel, trained_home: Path) -> Recent:
    """Its newest bars."""
    return champion.store(trained_home).recent()


@pytest.fixture(scope="module")
def inputs(champion: LoadedModel, recent: Recent) -> tuple[np.ndarray, np.ndarray]:
    """Model inputs of its constituents at two bars."""
    ends = np.unique(recent.bars(last=3).bar_end)
    read = [read_inputs(champion, recent, now=end, asof=end) for end in (ends[-3], ends[-1])]
    rows_before, rows = (np.stack(list(inputs.model_inputs.values())) for inputs in read)
    return rows_before, rows


def explained(champion: LoadedModel, bars: Recent) -> IndexSignal:
    """The newest signal of some bars, with its explanation."""
    return explained_signal(champion, bars, read_inputs(champion, bars, now=clock.now()))


def expected(champion: LoadedModel, *rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Expected scores of some inputs."""
    return tuple(expected_score(champion.probabilities(part)) for part in rows)


def altered(recent: Recent, symbol: str, *, without: int) -> Recent:
    """The same bars, one of a symbol's left out."""
    series = {symbol: recent.series(symbol) for symbol in recent.symbols()}
    rows = np.arange(recent.counts[symbol]) != recent.counts[symbol] + without
    series[symbol] = {name: values[rows] for name, values in series[symbol].items()}
    return Recent(recent.source, recent.timetable, table_of(series, recent.closes), recent.stamp)


def test_an_explanation_is_of_the_signals_that_are_served(champion: LoadedModel, recent: Recent) -> None:
    """The signal is the served one, the bar before is the stored one before, and both ends of each symbol are theirs."""
    signal = explained(champion, recent)
    assert signal.explanation is not None
    assert replace(signal, explanation=None) == predict_index(champion, recent, now=clock.now())
    since = instant(signal.explanation.since or "")
    assert since == np.unique(recent.bars(last=3).bar_end)[-2]
    before = predict_index(champion, recent, now=since, asof=since)
    assert (signal.explanation.wss_before, signal.explanation.signal_before) == (before.wss, before.signal)
    assert sum(move.move for move in signal.explanation.moves) == pytest.approx(signal.wss - before.wss, abs=1e-12)
    scores_before = {row.symbol: row.expected_score for row in before.constituents}
    is_now = {row.symbol: row.expected_score for row in signal.constituents}
    for move in signal.explanation.moves:
        assert sum(move.by_group.values()) == pytest.approx(is_now[move.symbol] - scores_before[move.symbol], abs=1e-12)
        assert move.expected_move == is_now[move.symbol] - scores_before[move.symbol]
        assert list(move.by_group) == list(champion.bars_graph.groups)
    assert any(abs(value) > 1e-4 for move in signal.explanation.moves for value in move.by_group.values())


def test_a_symbol_that_leaves_or_enters_moves_by_its_weight(champion: LoadedModel, recent: Recent) -> None:
    """Without its newest bar S003 leaves, without the one before it enters; neither has a change of score to explain."""
    for without, there, not_there in ((-1, "score_before", "score"), (-2, "score", "score_before")):
        bars = altered(recent, "S003", without=without)
        signal = explained(champion, bars)
        why = signal.explanation
        assert why is not None
        move = next(move for move in why.moves if move.symbol == "S003")
        assert getattr(move, there) is not None
        assert getattr(move, not_there) is None
        assert (move.by_score, move.by_group, move.expected_move) == (0.0, {}, None)
        assert move.move == move.by_weight
        assert sum(part.move for part in why.moves) == pytest.approx(signal.wss - (why.wss_before or 0), abs=1e-12)
        others = [part for part in why.moves if part.symbol != "S003"]
        assert all(part.by_group for part in others)


def test_a_first_bar_has_nothing_to_be_compared_with(champion: LoadedModel, recent: Recent) -> None:
    """Where the bar before had no signal the explanation says why, and the signal stands."""
    needed = champion.required_bars
    bars = recent.bars(last=needed)
    short = table_of({symbol: bars.series(symbol) for symbol in bars.symbols}, SessionCloses.of(bars))
    signal = explained(champion, Recent(recent.source, recent.timetable, short, recent.stamp))
    assert signal.wss == predict_index(champion, recent, now=clock.now()).wss
    assert signal.explanation is not None
    assert (signal.explanation.since, signal.explanation.moves) == (None, ())
    assert signal.explanation.reason.startswith("LowCoverage: ")


def test_what_did_not_change_has_no_value(champion: LoadedModel, inputs: tuple[np.ndarray, np.ndarray]) -> None:
    """Dummy: where one group's features alone differ, it has the whole change and the others nothing."""
    old, new = inputs
    for number, columns in enumerate(champion.bars_graph.groups.values()):
        mixed = old.copy()
        mixed[:, columns] = new[:, columns]
        before, after = expected(champion, old, mixed)
        values = group_values(champion, old, mixed, (before, after))
        assert values[:, number] == pytest.approx(after - before, abs=FLOAT32)
        assert np.abs(np.delete(values, number, axis=1)).max() < FLOAT32


def test_forth_and_back_through_the_features(champion: LoadedModel, inputs: tuple[np.ndarray, np.ndarray]) -> None:
    """Symmetry: the values from now to before are the negative ones; efficiency: they sum to the change, to 1e-12."""
    old, new = inputs
    before, after = expected(champion, old, new)
    forth, back = group_values(champion, old, new, (before, after)), group_values(champion, new, old, (after, before))
    assert back == pytest.approx(-forth, abs=FLOAT32)
    assert forth.sum(axis=1) == pytest.approx(after - before, abs=1e-12)
    turned = group_values(champion, old[::-1], new[::-1], (before[::-1], after[::-1]))
    assert turned[::-1] == pytest.approx(forth, abs=FLOAT32)
