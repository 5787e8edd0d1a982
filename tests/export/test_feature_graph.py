"""What the graph makes of an operation is what NumPy makes of it, for the newest bar and for earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from market_master.artifact.bars_graph import BAR_COLUMNS
from market_master.artifact.raw_columns import newest_rows
from market_master.domain.bars import Bars
from market_master.export.builder import GraphBuilder
from market_master.export.feature_graph import add_features
from market_master.features.engine import slots, windows
from market_master.features.engine.traced import TracedSeries, Untraceable
from tests.support.feature_markets import plain

Formula = Callable[..., Any]
BARS = 40
OPERATIONS: dict[str, Formula] = {
    "a column": lambda b: b["close"],
    "a lagged column": lambda b: windows.lag(b["close"], 3),
    "arithmetic": lambda b: -(b["high"] - b["low"]) * 2.0 / (b["open"] + 1.0),
    "constants on the left": lambda b: 1.0 / (2.0 - np.log(b["close"])),
    "functions": lambda b: np.sin(np.cos(np.tanh(np.exp(np.sqrt(np.abs(b["close"] - b["open"])))))),
    "a square": lambda b: np.square(b["close"]) + b["open"] ** 2,
    "rounding": lambda b: np.rint(b["volume"] / 3.0),
    "extremes": lambda b: np.maximum(np.minimum(b["high"], 200.0), b["low"]),
    "signs": lambda b: np.sign(b["close"] - b["open"]),
    "logic": lambda b: np.where((b["close"] > b["open"]) & ~(b["slot"] == 0) | (b["volume"] <= 0), b["high"], b["low"]),
    "comparisons": lambda b: (b["close"] >= b["open"]).astype(float) + (b["close"] < b["high"]).astype(float),
    "inequality": lambda b: (b["session"] != windows.lag(b["session"], 1)).astype(float),
    "what is finite": lambda b: np.where(
        np.isfinite(b["close"] / 0.0), 1.0, np.where(np.isnan(b["slot"] * 0.0), 2.0, 3.0)
    ),
    "a mean": lambda b: windows.mean(b["close"], 7),
    "a lagged mean": lambda b: windows.lag(windows.mean(b["close"], 7), 4),
    "a mean of means": lambda b: windows.mean(windows.mean(np.log(b["close"]), 5), 6),
    "means of one series": lambda b: (
        windows.mean(b["open"], 3) / windows.mean(b["open"], 9) - windows.rms(b["open"], 4)
    ),
    "a highest": lambda b: windows.highest(b["high"], 9),
    "a mean of highest and lowest": lambda b: windows.mean(
        windows.highest(b["high"], 9) - windows.lowest(b["low"], 4), 5
    ),
    "which is newer": lambda b: windows.newer_extreme(b["high"], b["low"], 12),
    "which was newer": lambda b: windows.mean(windows.newer_extreme(b["high"], b["low"], 12), 3),
    "a deviation": lambda b: windows.path_deviation(b["close"] - b["open"], 8),
    "earlier deviations": lambda b: windows.mean(windows.path_deviation(b["close"] - b["open"], 8), 3),
    "the same slot": lambda b: slots.usual(b["close"], slots.earlier_bars(b["slot"], b["slot"], b["age"], 20)),
    "the next slot, earlier": lambda b: windows.mean(
        slots.usual(b["close"], slots.earlier_bars(b["slot"], b["next_slot"], b["age"], 20)), 3
    ),
    "how often": lambda b: windows.lag(slots.count(slots.earlier_bars(b["slot"], b["slot"], b["age"], 20)), 2),
}


def by_graph(formula: Formula, bars: Bars) -> np.ndarray:
    """The formula at each symbol's newest bar, traced."""
    nodes = GraphBuilder()
    traced = formula(
        {name: TracedSeries("column", attributes=(name,), layout="symbol") for name in (*BAR_COLUMNS, "age")}
    )
    nodes.add("Identity", add_features(nodes, [traced], [0], BARS), output="value")
    outputs = [helper.make_tensor_value_info("value", TensorProto.DOUBLE, ("symbols", 1))]
    model = helper.make_model(nodes.graph("one", outputs), opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    at = newest_rows(bars)[:, None] + np.arange(1 - BARS, 1)
    feed = {one.name: bars.column(one.name)[at].astype(float) for one in session.get_inputs()}
    return session.run(None, feed)[0][:, 0]


def by_numpy(formula: Formula, bars: Bars) -> np.ndarray:
    values = []
    for _, rows in bars:
        columns = {name: bars.column(name)[rows] for name in (*BAR_COLUMNS, "age")}
        with np.errstate(all="ignore"):
            values.append(np.asarray(formula(columns))[-1])
    return np.clip(np.array(values, float), -windows.BOUND, windows.BOUND)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_numpys(name: str) -> None:
    """To 1e-12, at the newest bar of four symbols, several times in a series."""
    bars = plain()
    for instant in np.unique(bars.bar_end)[[60, 101, -1]].tolist():
        part, formula = bars.until(instant), OPERATIONS[name]

        def scaled(columns: dict[str, Any], formula: Formula = formula) -> Any:
            return formula(columns) * 1e-3  # within the bound of features

        np.testing.assert_allclose(by_graph(scaled, part), by_numpy(scaled, part), rtol=1e-12, atol=1e-15)


def test_the_age_of_a_bar_is_refused() -> None:
    """It is known only up to the warm-up: the graph sees no more bars."""
    with pytest.raises(Untraceable, match="age of a bar"):
        by_graph(lambda b: b["age"] * 2.0, plain())


def test_what_several_features_share_is_computed_once() -> None:
    """The same mean in two features is one product with a matrix; so are two means of one series."""
    nodes = GraphBuilder()
    close = TracedSeries("column", attributes=("close",), layout="symbol")
    features: list[Any] = [windows.mean(close, 5), windows.mean(close, 5) * 2.0, windows.mean(close, 9)]
    add_features(nodes, features, [4, 4, 8], 9)
    assert [node.op_type for node in nodes.nodes].count("MatMul") == 1
