"""A version's one graph is its features, its model and its calibration, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from market_master import features
from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.onnx_graph import Graph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.decision.calibration import Calibration
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from market_master.domain.errors import ContextMissing, ModelError
from market_master.domain.model_inputs import model_inputs
from market_master.export.estimator import to_onnx
from market_master.export.version_graph import feature_graph, version_graph
from market_master.plugins import load_family
from tests.support.feature_markets import plain, ragged

CANDIDATES = [name for name, plugin in load_family("models").items() if plugin.metadata["kind"] == "model"]
NAMES = features.select(["core", "market"], "1h")
CALIBRATION = Calibration(1.3, 0.7, (0.1, 0.2, 0.35, 0.25, 0.1), None)
SECONDS = 3600


def fitted_graph(name: str, bars: Bars, values: Array) -> bytes:
    """A candidate fitted on random labels, as a graph."""
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    inputs = model_inputs(values[rows], bars.symbols, bars.code[rows], bars.symbols)
    estimator: Any = load_family("models")[name].factory(symbols=len(bars.symbols), seed=1)
    return to_onnx(estimator.fit(inputs, np.random.default_rng(1).integers(0, 5, len(rows))), inputs.shape[1])


@pytest.mark.parametrize("name", CANDIDATES)
def test_it_is_features_model_and_calibration(name: str) -> None:
    """For every candidate: model inputs to the bit, probabilities to 1e-9, a lone symbol and an unseen one too."""
    bars = plain()
    values = features.compute(bars, NAMES, members=bars.symbols)
    model = fitted_graph(name, bars, values)
    graph = BarsGraph(version_graph(NAMES, SECONDS, model, CALIBRATION))
    rows, known = newest_rows(bars), bars.symbols[1:]
    for chosen in (rows, rows[:1]):
        members = [bars.symbols[code] for code in bars.code[chosen]]
        inputs, probabilities = graph.predict(raw_columns(graph, bars, chosen, known=known, members=members))
        of_members = bars.select(members)
        offline = features.compute(of_members, NAMES, members=members)[newest_rows(of_members)]
        expected = model_inputs(offline, of_members.symbols, np.arange(len(members)), known)
        near_zero = np.abs(expected) < 1e-9
        assert np.array_equal(inputs[~near_zero], expected[~near_zero])
        assert np.abs(inputs - expected).max() < 1e-9
        by_parts = CALIBRATION.apply(Graph(model).probabilities(inputs))
        np.testing.assert_allclose(probabilities, by_parts, rtol=0, atol=1e-12)


def test_the_same_version_gives_the_same_bytes() -> None:
    """So its hash is that of what it does."""
    bars = plain()
    model = fitted_graph("logistic", bars, features.compute(bars, NAMES, members=bars.symbols))
    first, second = (version_graph(NAMES, SECONDS, model, CALIBRATION) for _ in range(2))
    assert first == second


def test_it_says_what_it_was_made_of() -> None:
    """Names, units, warm-ups, fingerprints and groups of the features, and how many bars a prediction needs."""
    graph = BarsGraph(feature_graph(NAMES, SECONDS))
    assert tuple(feature.name for feature in graph.features) == NAMES
    assert graph.fingerprints == features.fingerprint(NAMES)
    assert graph.required_bars == features.warmup(NAMES) + 1
    assert graph.warmups.tolist() == features.warmups(NAMES)
    assert np.sort(np.concatenate(list(graph.groups.values()))).tolist() == list(range(len(NAMES)))


def test_only_what_is_needed_is_an_input() -> None:
    """A graph of price features asks for no volume and no clock; one without market features for no market."""
    assert set(BarsGraph(feature_graph(["candle_body"], SECONDS)).inputs) == {"open", "high", "low", "close"}
    assert not BarsGraph(feature_graph(features.select(["core"], "1h"), SECONDS)).needs_market
    assert BarsGraph(feature_graph(NAMES, SECONDS)).needs_market


def test_what_is_no_such_graph_is_refused() -> None:
    """Bytes that are no graph, and a graph from model inputs."""
    bars = plain()
    with pytest.raises(ModelError, match="not a model graph"):
        BarsGraph(b"nothing")
    with pytest.raises(ModelError, match="not one from raw bars"):
        BarsGraph(fitted_graph("logistic", bars, features.compute(bars, NAMES, members=bars.symbols)))


def test_a_market_without_members_is_refused() -> None:
    """As NumPy refuses it."""
    bars, graph = ragged(), BarsGraph(feature_graph(NAMES, SECONDS))
    with pytest.raises(ContextMissing, match="none of the"):
        raw_columns(graph, bars, newest_rows(bars), members=["ELSEWHERE"])
