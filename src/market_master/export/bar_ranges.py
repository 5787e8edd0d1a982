"""Bar ranges: which bars of each traced series a graph computes.

So that its newest value can be had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from market_master.features.engine.traced import ELEMENTWISE, TracedSeries

BY_ELEMENT = ELEMENTWISE | {"where", "as_float"}
"""operations whose value at a bar is made of their inputs' values at that bar"""


@dataclass(frozen=True)
class BarRange:
    """Neighbouring bars of a series, as how many bars ago the newest and the oldest of them were."""

    newest: int
    oldest: int

    @property
    def bars(self) -> int:
        """How many there are."""
        return self.oldest - self.newest + 1

    def moved(self, newest: int, oldest: int) -> BarRange:
        """With both ends further back by so many bars."""
        return BarRange(self.newest + newest, self.oldest + oldest)

    def hull(self, other: BarRange) -> BarRange:
        """The bars of both and those between."""
        return BarRange(min(self.newest, other.newest), max(self.oldest, other.oldest))

    def overlap(self, other: BarRange) -> BarRange:
        """The bars that both have."""
        return BarRange(max(self.newest, other.newest), min(self.oldest, other.oldest))


NEWEST = BarRange(0, 0)
FEW = 60
"""bars"""
BarRanges = dict[object, BarRange]
"""by the key of a series"""


def topological(series: Iterable[TracedSeries]) -> list[TracedSeries]:
    """Every series that some are made of, once, each after its inputs."""
    order: dict[object, TracedSeries] = {}

    def visit(one: TracedSeries) -> None:
        if one.key not in order:
            for part in series_among(one.inputs):
                visit(part)
            order[one.key] = one

    for one in series:
        visit(one)
    return list(order.values())


def computed_ranges(order: Sequence[TracedSeries], outputs: Sequence[TracedSeries], required_bars: int) -> BarRanges:
    """The bars that are computed of each series: what the outputs' newest bar needs, or more where that costs less."""
    return _widened(order, _needed(order, outputs), BarRange(0, required_bars - 1))


def series_among(inputs: Iterable[object]) -> list[TracedSeries]:
    """The inputs that are series, not constants."""
    return [part for part in inputs if isinstance(part, TracedSeries)]


def _needed(order: Sequence[TracedSeries], outputs: Sequence[TracedSeries]) -> BarRanges:
    spans: BarRanges = {one.key: NEWEST for one in outputs}
    for one in reversed(order):
        for part, span in zip(one.inputs, _input_spans(one, spans[one.key]), strict=True):
            if isinstance(part, TracedSeries):
                spans[part.key] = span.hull(spans.get(part.key, span))
    return spans


def _input_spans(one: TracedSeries, span: BarRange) -> list[BarRange]:
    """Which bars of its inputs an operation needs."""
    match one.operation:
        case "lag":
            span = span.moved(one.attributes[0], one.attributes[0])
        case "weighted":
            span = span.moved(0, len(one.attributes) - 1)
        case "highest" | "lowest":
            span = span.moved(0, one.attributes[0] - 1)
        case "newer_extreme":
            span = span.moved(0, one.attributes[0])
        case "path_deviation":
            span = span.moved(0, one.attributes[0] - 2)
        case "at_market":
            span = BarRange(0, span.oldest)
        case "earlier_bars":
            return [span.moved(1, one.attributes[0]), span]
        case "total":
            return [span.moved(1, one.inputs[1].attributes[0]), span]
    return [span] * len(one.inputs)


def _widened(order: Sequence[TracedSeries], spans: BarRanges, every_bar: BarRange) -> BarRanges:
    """More bars than are needed where a series needs several: a few to cut off cost more than to compute them."""
    for one in order:
        parts = series_among(one.inputs)
        if one.operation == "column":
            spans[one.key] = every_bar
        elif one.operation == "lag":
            back = one.attributes[0]
            spans[one.key] = spans[parts[0].key].moved(-back, -back)
        elif one.operation in BY_ELEMENT and spans[one.key].bars > 1:
            span = every_bar if spans[one.key].oldest >= FEW else BarRange(0, min(FEW - 1, every_bar.oldest))
            for part in parts:
                span = span.overlap(spans[part.key])
            spans[one.key] = span
    return spans
