"""ONNX nodes of single operations, on tensors [rows, symbols].

Windows are tensors [length, symbols] for one bar, or [bars, length, symbols] for several.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from market_master.export.builder import NEWEST_ROW, GraphBuilder
from market_master.features.engine.panel import TIE
from market_master.features.engine.traced import TracedSeries

DOUBLE = TensorProto.DOUBLE
ONNX_NAMES = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "maximum": "Max", "minimum": "Min", "negative": "Neg",
    "absolute": "Abs", "sign": "Sign", "sqrt": "Sqrt", "log": "Log", "exp": "Exp", "tanh": "Tanh", "sin": "Sin", "cos": "Cos",
    "rint": "Round", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual",
    "equal": "Equal", "logical_and": "And", "bitwise_and": "And", "logical_or": "Or", "bitwise_or": "Or", "logical_not": "Not",
    "invert": "Not", "isnan": "IsNaN", "where": "Where",
}  # fmt: skip


def elementwise(nodes: GraphBuilder, one: TracedSeries, operands: Sequence[str]) -> str:
    """A universal function of NumPy's, `where` or `astype(float)`."""
    if one.operation == "as_float":
        return nodes.add("Cast", operands[0], to=DOUBLE)
    if one.operation == "square":
        return nodes.add("Mul", operands[0], operands[0])
    if one.operation == "not_equal":
        return nodes.add("Not", nodes.add("Equal", *operands))
    if one.operation == "isfinite":
        return finite(nodes, operands[0])
    return nodes.add(ONNX_NAMES[one.operation], *operands)


def finite(nodes: GraphBuilder, values: str) -> str:
    """Where values are neither infinite nor NaN."""
    return nodes.add("Less", nodes.add("Abs", values), nodes.number(np.inf))


def extreme(nodes: GraphBuilder, reduction: str, windows: str, bars: int) -> str:
    """The largest or smallest value of each window."""
    return nodes.add(reduction, windows, nodes.integers(-2), keepdims=int(bars == 1))


def newer_extreme(nodes: GraphBuilder, high: str, low: str, back: int, bars: int) -> str:
    """By how much the highest high is newer than the lowest low; of equal ones the newest counts."""
    at = [
        nodes.add("ArgMax", values, axis=-2, keepdims=int(bars == 1), select_last_index=1)
        for values in (high, nodes.add("Neg", low))
    ]
    length = nodes.constant(np.full((bars, 1), float(back)))
    return nodes.add("Div", nodes.add("Cast", nodes.add("Sub", *at), to=DOUBLE), length)


def path_deviation(nodes: GraphBuilder, moves: str, points: int, bars: int) -> str:
    """Standard deviation of the points of a path, of which the newest is 0."""
    steps_back = nodes.constant(np.triu(np.ones((points - 1, points - 1))))
    share = nodes.constant(np.full((1, points - 1), 1 / points))
    path = nodes.add("MatMul", steps_back, moves)
    level, squares = nodes.add("MatMul", share, path), nodes.add("MatMul", share, nodes.add("Mul", path, path))
    variance = nodes.add("Max", nodes.add("Sub", squares, nodes.add("Mul", level, level)), nodes.number(0.0))
    spread = nodes.add("Sqrt", variance)
    return nodes.add("Squeeze", spread, nodes.integers(-2)) if bars > 1 else spread


def matches(nodes: GraphBuilder, slots: str, target: str, bars: int) -> str:
    """1 where a bar of a window has the slot that is looked for, else 0."""
    target = nodes.add("Unsqueeze", target, nodes.integers(-2)) if bars > 1 else target
    return nodes.add("Cast", nodes.add("Equal", slots, target), to=DOUBLE)


def window_sum(nodes: GraphBuilder, windows: str, bars: int) -> str:
    """The sum of each window."""
    return nodes.add("ReduceSum", windows, nodes.integers(-2), keepdims=int(bars == 1))


def across(nodes: GraphBuilder, values: str, members: str) -> str:
    """The mean of each row over the members that have a value; 0 where none has."""
    zero, symbols = nodes.number(0.0), nodes.integers(1)
    known = nodes.add("And", finite(nodes, values), members)
    total = nodes.add("ReduceSum", nodes.add("Where", known, values, zero), symbols)
    number = nodes.add("ReduceSum", nodes.add("Cast", known, to=DOUBLE), symbols)
    return nodes.add("Where", nodes.add("Greater", number, zero), nodes.add("Div", total, number), zero)


def rank(nodes: GraphBuilder, values: str, members: str) -> str:
    """Share of the members below each symbol's one value, ties counted half, less one half: each is compared with each."""
    scale, half = nodes.number(10.0**TIE), nodes.number(0.5)
    values = nodes.add("Div", nodes.add("Round", nodes.add("Mul", values, scale)), scale)
    others = nodes.add("Transpose", values, perm=[1, 0])
    weight = nodes.add("Cast", nodes.add("And", finite(nodes, values), members), to=DOUBLE)
    below, not_above = (
        nodes.add("MatMul", weight, nodes.add("Cast", nodes.add(compare, others, values), to=DOUBLE))
        for compare in ("Less", "LessOrEqual")
    )
    number = nodes.add("ReduceSum", weight, nodes.integers(1))
    share = nodes.add("Div", nodes.add("Mul", nodes.add("Add", below, not_above), half), number)
    known = nodes.add("Greater", number, nodes.number(0.0))
    return nodes.add("Sub", nodes.add("Where", known, share, half), half)


def at_market(nodes: GraphBuilder, own: str, bars_ago: str, back: int) -> str:
    """A symbol's newest own bars where the market's newest `back` + 1 bars are, NaN where it has none."""
    ago = nodes.slice(bars_ago, -(back + 1), NEWEST_ROW)
    last, unused = nodes.integers(back), nodes.integers(back + 1)
    target = nodes.add("Where", nodes.add("LessOrEqual", ago, last), nodes.add("Sub", last, ago), unused)
    shape = nodes.add("Concat", nodes.integers(back + 2), nodes.add("Shape", ago, start=1), axis=0)
    empty = nodes.add("Expand", nodes.number(np.nan), shape)
    return nodes.slice(nodes.add("ScatterElements", empty, target, own, axis=0), 0, back + 1)
