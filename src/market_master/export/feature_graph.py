"""Feature graph: traced features as ONNX nodes over raw columns, for the newest bar.

Columns come as [symbols, bars]; inside, tensors are [bars, symbols]. Operations of the same kind, of which each gives one
value for a symbol, are computed as the rows of one matrix: a node costs far more than a number.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from market_master.artifact.bars_graph import BAR_COLUMNS, BARS_AGO, HISTORY, MEMBER
from market_master.export import operations
from market_master.export.bar_ranges import BY_ELEMENT, NEWEST, BarRange, computed_ranges, series_among, topological
from market_master.export.builder import NEWEST_ROW, GraphBuilder
from market_master.features.engine.traced import TracedSeries, Untraceable
from market_master.features.engine.windows import BOUND

VIEWS = ("column", "lag", "earlier_bars", "members")
"""operations without a node of their own"""
LOW = 16
"""rows"""


@dataclass(frozen=True)
class Rows:
    """Where the bars of a series lie, oldest first: rows of a tensor from the first on."""

    tensor: str
    first: int


def add_features(
    nodes: GraphBuilder, features: Sequence[TracedSeries], warmups: Sequence[int], required_bars: int
) -> str:
    """Add the nodes of some features; returns the float64 tensor [symbols, features] of their newest values.

    With market features, a value is NaN where too few bars of the symbol or of the market lie before it.
    """
    return _Lowering(nodes, features, required_bars).newest_values(features, warmups)


class _Lowering:
    """The nodes of some series, each computed for the bars that others need of it."""

    def __init__(self, nodes: GraphBuilder, features: Sequence[TracedSeries], required_bars: int) -> None:
        self.nodes, self.required_bars = nodes, required_bars
        order = topological(features)
        self.spans = computed_ranges(order, features, required_bars)
        self.rows: dict[object, Rows] = {}
        self.heights: dict[str, int] = {}
        """rows of each tensor that series lie in"""
        self.picked: dict[tuple[str, tuple[int, ...]], str] = {}
        self.turned: dict[str, str] = {}
        """inputs as [bars, symbols]"""
        self.columns = self._join_columns({one.attributes[0] for one in order if one.operation == "column"})
        self.matches: dict[tuple[object, BarRange], str] = {}
        waiting = [one for one in order if one.operation not in VIEWS]
        while waiting:
            group = self._next_group(waiting)
            self._add_group(group)
            added = {one.key for one in group}
            waiting = [one for one in waiting if one.key not in added]

    def newest_values(self, features: Sequence[TracedSeries], warmups: Sequence[int]) -> str:
        """All features side by side, cut off at the bound: [symbols, features]."""
        own = [n for n, one in enumerate(features) if one.layout != "market"]
        shared = [n for n, one in enumerate(features) if one.layout == "market"]
        parts = [self._pack([features[n] for n in own])] if own else []
        if shared:
            symbols = self.nodes.add("Shape", self._bars_ago(), start=1)
            shape = self.nodes.add("Concat", self.nodes.integers(len(shared)), symbols, axis=0)
            parts.append(self.nodes.add("Expand", self._pack([features[n] for n in shared]), shape))
        values = self.nodes.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
        order = np.argsort([*own, *shared])
        if (np.diff(order) != 1).any():
            values = self.nodes.rows(values, order.tolist())
        floor, ceiling = self.nodes.number(-BOUND), self.nodes.number(BOUND)
        values = self.nodes.add("Min", self.nodes.add("Max", values, floor), ceiling)
        if HISTORY in self.nodes.inputs:
            values = self._masked(values, features, warmups)
        return self.nodes.add("Transpose", values, perm=[1, 0])

    def _masked(self, values: str, features: Sequence[TracedSeries], warmups: Sequence[int]) -> str:
        """NaN where too few bars lie before the newest: of the symbol, and for market features of the market too."""
        add, ago = self.nodes.add, self._bars_ago()
        of_symbol = add("Sub", self._history(), self.nodes.integers(1))
        at_market = add("Equal", self.nodes.slice(ago, -1, NEWEST_ROW), self.nodes.integers(0))
        of_both = add("Min", of_symbol, add("ReduceMax", ago, keepdims=1))
        of_market = add("Where", at_market, of_both, self.nodes.integers(-1))
        which = [int(one.layout != "symbol") for one in features]
        behind = add("Gather", add("Concat", of_symbol, of_market, axis=0), self.nodes.constant(which, np.int64))
        ready = add("GreaterOrEqual", behind, self.nodes.constant(np.reshape(warmups, (-1, 1)), np.int64))
        return add("Where", ready, values, self.nodes.number(np.nan))

    def _next_group(self, waiting: list[TracedSeries]) -> list[TracedSeries]:
        """Series that can be added now as one: rather a whole group than a part of one, rather a large one."""
        groups: dict[object, list[TracedSeries]] = {}
        for one in waiting:
            groups.setdefault(self._signature(one), []).append(one)
        ready = [[one for one in group if self._ready(one)] for group in groups.values()]
        whole = [len(part) / len(group) for part, group in zip(ready, groups.values(), strict=True)]
        best = max(range(len(ready)), key=lambda n: (whole[n], len(ready[n])))
        return ready[best] if len(ready[best]) == 1 else sorted(ready[best], key=self._locations)

    def _signature(self, one: TracedSeries) -> object:
        """What series have in common that can be rows of one matrix."""
        if one.operation == "weighted":
            return one.operation, one.inputs[0].key
        if one.operation in BY_ELEMENT | {"at_market", "across"} and self.spans[one.key] == NEWEST:
            kinds = [(part.layout, part.boolean) if isinstance(part, TracedSeries) else None for part in one.inputs]
            return one.operation, one.layout, tuple(kinds)
        if one.operation in BY_ELEMENT and all(self._is_column(part) for part in one.inputs):
            return one.operation, self.spans[one.key]
        return one.key

    def _is_column(self, part: object) -> bool:
        return isinstance(part, TracedSeries) and part.operation == "column"

    def _ready(self, one: TracedSeries) -> bool:
        return all(
            self._ready(part) if part.operation in VIEWS else part.key in self.rows for part in series_among(one.inputs)
        )

    def _locations(self, one: TracedSeries) -> list[tuple[str, int]]:
        """Where the newest values of its inputs lie: neighbours of the same tensor are best computed as neighbours."""
        parts = [part for part in series_among(one.inputs) if part.operation != "members"]
        return [self._locate(part, 0) for part in parts]

    def _add_group(self, group: list[TracedSeries]) -> None:
        """Add some series as the rows of one tensor."""
        first, spans = group[0], [self.spans[one.key] for one in group]
        height = sum(span.bars for span in spans)
        if first.operation == "weighted":
            tensor, height = self._weighted(group, spans), max(height, 2)
        elif self._signature(first) != first.key:
            tensor = self._by_row(group, spans[0])
        else:
            tensor = self._single(first, spans[0])
        self.heights[tensor], row = height, 0
        for one, span in zip(group, spans, strict=True):
            self.rows[one.key] = Rows(tensor, row)
            row += span.bars

    def _by_row(self, group: list[TracedSeries], span: BarRange) -> str:
        """Series with the same bars, by an operation that does the same to every row."""
        first = group[0]
        if first.operation == "at_market":
            sources, warmups = [one.inputs[0] for one in group], [one.attributes[0] for one in group]
            newest = self.nodes.slice(self._bars_ago(), -1, NEWEST_ROW)
            present = self.nodes.add("Equal", newest, self.nodes.integers(0))
            ready = self.nodes.add("And", present, self._old_enough(warmups, NEWEST))
            return self.nodes.add("Where", ready, self._pack(sources), self.nodes.number(np.nan))
        if first.operation == "across":
            return operations.across(self.nodes, self._pack([one.inputs[0] for one in group]), self._member())
        operands = [self._pack([one.inputs[n] for one in group], span) for n in range(len(first.inputs))]
        return operations.elementwise(self.nodes, first, operands)

    def _weighted(self, group: list[TracedSeries], spans: list[BarRange]) -> str:
        """All weighted sums of one series as one product with a matrix.

        Where onnxruntime sees a MatMul beside a product with one number it makes one operation of both, in which the number
        is a float32 (MatMulScaleFusion). So constants have a row for each row that they meet, and a matrix at least two.
        """
        source = group[0].inputs[0]
        block, rows = self.spans[source.key], sum(span.bars for span in spans)
        matrix, row = np.zeros((max(rows, 2), block.bars)), 0
        for one, span in zip(group, spans, strict=True):
            for ago in range(span.oldest, span.newest - 1, -1):
                end = block.oldest - ago + 1
                matrix[row, end - len(one.attributes) : end] = one.attributes[::-1]
                row += 1
        return self.nodes.add("MatMul", self.nodes.constant(matrix), self._view(source, block))

    def _single(self, one: TracedSeries, span: BarRange) -> str:
        """A series by itself."""
        bars, nodes = span.bars, self.nodes
        match one.operation:
            case "highest" | "lowest":
                reduction = "ReduceMax" if one.operation == "highest" else "ReduceMin"
                return operations.extreme(
                    nodes, reduction, self._windows(one.inputs[0], span, 0, one.attributes[0]), bars
                )
            case "newer_extreme":
                high, low = (self._windows(part, span, 0, one.attributes[0] + 1) for part in one.inputs)
                return operations.newer_extreme(nodes, high, low, one.attributes[0], bars)
            case "path_deviation":
                moves = self._windows(one.inputs[0], span, 0, one.attributes[0] - 1)
                return operations.path_deviation(nodes, moves, one.attributes[0], bars)
            case "count":
                return operations.window_sum(nodes, self._matches(one.inputs[0], span), bars)
            case "total":
                values = self._windows(one.inputs[0], span, 1, one.inputs[1].attributes[0])
                return operations.window_sum(nodes, nodes.add("Mul", values, self._matches(one.inputs[1], span)), bars)
            case "across":
                return operations.across(nodes, self._view(one.inputs[0], span), self._member())
            case "rank" if bars == 1:
                return operations.rank(nodes, self._view(one.inputs[0], span), self._member())
            case "at_market":
                own, back = self._view(one.inputs[0], BarRange(0, span.oldest)), BarRange(0, span.oldest)
                ready = nodes.add("Where", self._old_enough(list(one.attributes), back), own, nodes.number(np.nan))
                return operations.at_market(nodes, ready, self._bars_ago(), span.oldest)
            case operation if operation in BY_ELEMENT:
                parts = [
                    self._view(p, span) if isinstance(p, TracedSeries) else nodes.constant(np.full((span.bars, 1), p))
                    for p in one.inputs
                ]
                return operations.elementwise(nodes, one, parts)
        raise Untraceable(
            f"'{one.operation}' of earlier bars can't be written into the graph; ask for the newest bar's only."
        )

    def _matches(self, earlier: TracedSeries, span: BarRange) -> str:
        if (earlier.key, span) not in self.matches:
            slots = self._windows(earlier.inputs[0], span, 1, earlier.attributes[0])
            target = self._view(earlier.inputs[1], span)
            self.matches[earlier.key, span] = operations.matches(self.nodes, slots, target, span.bars)
        return self.matches[earlier.key, span]

    def _old_enough(self, warmups: list[int], span: BarRange) -> str:
        """Where a symbol has so many bars before each bar of a span, oldest first; or before its newest, for each warm-up."""
        needed = [warmup + ago + 1 for warmup in warmups for ago in range(span.oldest, -1, -1)]
        return self.nodes.add(
            "GreaterOrEqual", self._history(), self.nodes.constant(np.reshape(needed, (-1, 1)), np.int64)
        )

    def _windows(self, one: TracedSeries, span: BarRange, first: int, length: int) -> str:
        """The window that begins `first` bars before each bar of a span, oldest first."""
        block = self._view(one, span.moved(first, first + length - 1))
        if span.bars == 1:
            return block
        at = np.arange(span.bars)[:, None] + np.arange(length)
        return self.nodes.add("Gather", block, self.nodes.constant(at, np.int64))

    def _pack(self, parts: Sequence[TracedSeries | float], span: BarRange = NEWEST) -> str:
        """Some bars of several series as rows of one tensor, in their order; of a single one where all are the same."""
        series = series_among(parts)
        if not series:
            return self.nodes.constant(np.reshape(np.array(parts, dtype=float), (-1, 1)))
        if len({one.key for one in series}) == 1:
            return self._view(series[0], span)
        located = [self._locate(one, ago) for one in series for ago in range(span.oldest, span.newest - 1, -1)]
        runs = [(tensor, [row for _, row in run]) for tensor, run in itertools.groupby(located, lambda at: at[0])]
        if len(runs) == 1:
            return self._picked(*runs[0])
        tensors = list(dict.fromkeys(tensor for tensor, _ in runs))
        sources = {tensor: self._source_rows(tensor, located) for tensor in tensors}
        if self._cost(runs) <= self._cost(list(sources.items())) + 1:
            return self.nodes.add("Concat", *[self._picked(tensor, rows) for tensor, rows in runs], axis=0)
        joined = self.nodes.add("Concat", *[self._picked(*source) for source in sources.items()], axis=0)
        order = {at: n for n, at in enumerate((tensor, row) for tensor in tensors for row in sources[tensor])}
        return self.nodes.rows(joined, [order[at] for at in located])

    def _source_rows(self, tensor: str, located: list[tuple[str, int]]) -> list[int]:
        """The rows of a tensor that are joined with others': of a low one all, so that nothing has to be cut off."""
        height = self.heights[tensor]
        return list(range(height)) if height <= LOW else sorted({row for at, row in located if at == tensor})

    def _cost(self, choices: list[tuple[str, list[int]]]) -> int:
        """Nodes that some choices of rows need."""
        return sum(
            rows != list(range(self.heights[tensor])) and (tensor, tuple(rows)) not in self.picked
            for tensor, rows in choices
        )

    def _view(self, one: TracedSeries, span: BarRange) -> str:
        """Some bars of a series as a tensor of their own."""
        tensor, newest = self._locate(one, span.newest)
        return self._picked(tensor, list(range(newest - span.bars + 1, newest + 1)))

    def _locate(self, one: TracedSeries, ago: int) -> tuple[str, int]:
        """The tensor that holds a bar of a series, and its row there."""
        if one.operation == "lag":
            return self._locate(one.inputs[0], ago + one.attributes[0])
        rows = self.columns[one.attributes[0]] if one.operation == "column" else self.rows[one.key]
        return rows.tensor, rows.first + self.spans[one.key].oldest - ago

    def _picked(self, tensor: str, rows: list[int]) -> str:
        """Some rows of a tensor, each choice of them once."""
        if rows == list(range(self.heights[tensor])):
            return tensor
        key = (tensor, tuple(rows))
        if key not in self.picked:
            self.picked[key] = self.nodes.rows(tensor, rows)
        return self.picked[key]

    def _join_columns(self, names: set[str]) -> dict[str, Rows]:
        """The columns of bars and clock below each other in one tensor: turning one costs less than turning each."""
        if "age" in names:
            raise Untraceable("The age of a bar can't be written into the graph: it is known only up to the warm-up.")
        used = [name for name in BAR_COLUMNS if name in names]
        shape = ("symbols", self.required_bars)
        inputs = [self.nodes.input(name, TensorProto.DOUBLE, shape) for name in used]
        joined = self.nodes.add("Transpose", self.nodes.add("Concat", *inputs, axis=1), perm=[1, 0])
        self.heights[joined] = len(used) * self.required_bars
        return {name: Rows(joined, n * self.required_bars) for n, name in enumerate(used)}

    def _bars_ago(self) -> str:
        return self._turned(BARS_AGO, TensorProto.INT64, self.required_bars)

    def _history(self) -> str:
        return self._turned(HISTORY, TensorProto.INT64, 1)

    def _member(self) -> str:
        return self._turned(MEMBER, TensorProto.BOOL, 1)

    def _turned(self, name: str, kind: int, columns: int) -> str:
        """An input of the graph as [bars, symbols]."""
        if name not in self.turned:
            column = self.nodes.input(name, kind, ("symbols", columns))
            self.turned[name] = self.nodes.add("Transpose", column, perm=[1, 0])
            self.heights[self.turned[name]] = columns
        return self.turned[name]
