"""Traced series: arrays that record what feature functions do to them, instead of doing it.

A feature is called with them as it is with NumPy's arrays (NEP 13, NEP 18), and what it returns is the graph of its
operations. `market_master.export` makes ONNX of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from market_master.features.engine import panel, slots, windows
from market_master.features.engine.declare import COLUMNS, MEMBERS, Node
from market_master.features.engine.graph import plan

Layout = Literal["symbol", "panel", "market"]
"""what a series has at a bar: a value for each symbol at its own bar; one for each symbol at the market's; one for all"""
Key = tuple[Any, ...]
COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isfinite", "isnan"})
LOGIC = frozenset({"logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or", "invert"})
ELEMENTWISE = COMPARISONS | LOGIC | {
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "negative", "absolute", "sign", "sqrt", "square", "log",
    "exp", "tanh", "sin", "cos", "rint",
}  # fmt: skip
"""NumPy's universal functions that can be traced"""


class Untraceable(TypeError):
    """A feature uses an operation that can't be recorded."""


class TracedSeries(NDArrayOperatorsMixin):
    """The result of an operation on other series; equal operations on equal series are one series to `key`."""

    __slots__ = ("attributes", "inputs", "key", "layout", "operation")

    def __init__(
        self, operation: str, inputs: Sequence[Any] = (), attributes: Key = (), layout: Layout | None = None
    ) -> None:
        self.operation, self.inputs, self.attributes = operation, tuple(inputs), attributes
        self.layout: Layout = layout or _common_layout(self.inputs)
        parts = tuple(part.key if isinstance(part, TracedSeries) else part for part in self.inputs)
        self.key: Any = _interned((operation, parts, attributes, self.layout))

    @property
    def boolean(self) -> bool:
        """Its values are True and False."""
        return self.operation in COMPARISONS or self.operation in LOGIC

    def astype(self, dtype: Any) -> TracedSeries:
        """As floats: the one type that a graph's values have."""
        if np.dtype(dtype) != np.float64:
            raise Untraceable(f"astype({dtype}) can't be traced; float is the one type of a graph's values.")
        return TracedSeries("as_float", (self,)) if self.boolean else self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> TracedSeries:
        if method != "__call__" or kwargs:
            raise Untraceable(f"np.{ufunc.__name__}.{method} with {sorted(kwargs)} can't be traced.")
        if ufunc is np.power and isinstance(inputs[1], (int, float)) and inputs[1] == 2:
            return TracedSeries("square", inputs[:1])
        if ufunc.__name__ not in ELEMENTWISE:
            raise Untraceable(f"np.{ufunc.__name__} can't be traced; {', '.join(sorted(ELEMENTWISE))} can.")
        operands = [_operand(ufunc.__name__, value) for value in inputs]
        if any(isinstance(one, TracedSeries) and one.boolean != (ufunc.__name__ in LOGIC) for one in operands):
            raise Untraceable(
                f"np.{ufunc.__name__} can't be traced with truth values; make numbers of them by astype(float)."
            )
        return TracedSeries(ufunc.__name__, operands)

    def __array_function__(self, function: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> TracedSeries:
        if function is np.where and len(args) == 3 and not kwargs:
            return TracedSeries("where", [_operand("where", value) for value in args])
        raise Untraceable(
            f"np.{function.__name__} can't be traced; np.where and the functions of windows, slots, panel can."
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise Untraceable("np.asarray of a series can't be traced: its values are known only when the graph runs.")

    def __bool__(self) -> bool:
        raise Untraceable(
            "`if` on a series can't be traced: its values are known only when the graph runs; use np.where."
        )

    def __len__(self) -> int:
        raise Untraceable(
            "len() of a series can't be traced: how many bars there are is known only when the graph runs."
        )

    def __iter__(self) -> Any:
        raise Untraceable("A loop over a series can't be traced; use the functions of windows.")

    def __getitem__(self, item: Any) -> Any:
        raise Untraceable(
            f"[{item!r:.60}] of a series can't be traced; use windows.lag and the other functions of windows."
        )


def trace(names: Sequence[str], bar_seconds: int) -> list[TracedSeries]:
    """The graph of each feature, from bar columns on, before it is cut off at the bound.

    Raises Untraceable naming the feature or series and the operation that can't be recorded.
    """
    steps = plan(tuple(names))
    own: dict[str, Any] = {name: TracedSeries("column", attributes=(name,), layout="symbol") for name in COLUMNS}
    own["elapsed"] = own["slot"] * float(bar_seconds)
    for step in steps.by_symbol:
        computed = _call(step, own)
        own[step.name] = windows.bounded(computed) if step.name in steps.shared_features else computed
    need = {step.name: step.warmup for step in steps.by_symbol}
    market: dict[str, Any] = {
        name: TracedSeries("at_market", (series,), (need.get(name, 0),), "panel") for name, series in own.items()
    }
    market[MEMBERS] = TracedSeries("members", layout="panel")
    for step in steps.panel:
        computed = _call(step, market)
        shared = step.feature and any(step.name in other.inputs for other in steps.panel)
        market[step.name] = windows.bounded(computed) if shared else computed
    panel_names = {step.name for step in steps.panel}
    return [market[name] if name in panel_names else own[name] for name in steps.names]


def _call(step: Node, values: Mapping[str, Any]) -> Any:
    try:
        computed = step.function(*[values[name] for name in step.inputs])
    except Untraceable as error:
        raise Untraceable(f"'{step.name}' can't be written into the graph that serves it: {error}") from None
    if not isinstance(computed, TracedSeries):
        raise Untraceable(f"'{step.name}' returns {type(computed).__name__}, not a series.")
    return computed


def _operand(operation: str, value: Any) -> Any:
    if isinstance(value, TracedSeries):
        return value
    if np.ndim(value) == 0:
        return float(value)
    raise Untraceable(f"np.{operation} of a series and an array of shape {np.shape(value)} can't be traced.")


def _common_layout(inputs: tuple[Any, ...]) -> Layout:
    layouts = {part.layout for part in inputs if isinstance(part, TracedSeries)}
    return layouts.pop() if len(layouts) == 1 else "panel"


_keys: dict[Key, object] = {}


def _interned(description: Key) -> object:
    """One small key for each description, however deep the graph."""
    return _keys.setdefault(description, len(_keys))


def _window(operation: str) -> Callable[..., Any]:
    def record(values: TracedSeries, *attributes: int) -> Any:
        if values.boolean:
            raise Untraceable(f"{operation} can't be traced with truth values; make numbers of them by astype(float).")
        return TracedSeries(operation, (values,), attributes)

    return record


RECORDED: dict[Any, Callable[..., Any]] = {
    windows.lag: _window("lag"),
    windows.highest: _window("highest"),
    windows.lowest: _window("lowest"),
    windows.path_deviation: _window("path_deviation"),
    windows.mean: lambda values, window: windows.weighted(values, np.full(window, 1.0 / window)),
    windows.ratio: lambda numerator, denominator, neutral, minimum=windows.STILL: np.where(
        denominator > minimum, numerator / denominator, neutral
    ),
    windows.weighted: lambda values, weights: TracedSeries("weighted", (values,), tuple(map(float, weights))),
    windows.newer_extreme: lambda high, low, back: TracedSeries("newer_extreme", (high, low), (back,)),
    slots.earlier_bars: lambda slot, target, _, reach: TracedSeries("earlier_bars", (slot, target), (reach,)),
    slots.total: lambda values, earlier: TracedSeries("total", (values, earlier)),
    slots.count: lambda earlier: TracedSeries("count", (earlier,)),
    panel.across: lambda values, members: TracedSeries("across", (values, members), layout="market"),
    panel.rank: lambda values, members: TracedSeries("rank", (values, members), layout="panel"),
}
"""what the primitives do with a traced series"""
for _primitive, _record in RECORDED.items():
    _primitive.register(TracedSeries, _record)
