"""Evaluation of a plan in spans that stay in cache: first by symbol, then across the panel.

A span is computed with the bars before it that its values reach back to, so a cut changes no value: each is made of its
own window alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from market_master.domain import Array, Bars, ContextMissing, Ints, Mask
from market_master.features.engine import windows
from market_master.features.engine.declare import MEMBERS, Node
from market_master.features.engine.graph import Plan

Receiver = Callable[[Node, Array], None]
"""is handed each step with its values as soon as they are computed"""


def evaluate_by_symbol(bars: Bars, rows: slice, steps: Plan, receive: Receiver) -> None:
    """Every step that sees one symbol, over some rows; what lies before a step's warm-up is not to be used.

    Symbols lie behind each other in one array, so that many short ones cost little more than one, and rows may begin
    inside a symbol: no value after its warm-up looks back beyond it.
    """
    values = {name: column(bars, name, rows) for name in steps.columns}
    with np.errstate(all="ignore"):
        for step in steps.by_symbol:
            computed = step.function(*[values[name] for name in step.inputs])
            values[step.name] = windows.bounded(computed) if step.name in steps.shared_features else computed
            receive(step, values[step.name])
            for name in steps.spent[step.name]:
                del values[name]


@dataclass(frozen=True)
class PanelAxis:
    """The instants at which the market is looked at: the union of its members' bars."""

    bars: Bars
    members: Mask
    """of the symbols"""
    times: Ints
    """ends of the members' bars, increasing"""
    at: Ints
    """the place of each bar among the times; of the next time where there is none of its own"""

    @classmethod
    def of(cls, bars: Bars, members: Mask) -> PanelAxis:
        """The axis of some symbols; ContextMissing when they have no bar."""
        of_members = members[bars.code]
        if not of_members.any():
            raise ContextMissing(
                f"Market features need bars of the {int(members.sum())} members of the market; none of the "
                f"{len(bars)} bars is theirs."
            )
        times = np.unique(bars.bar_end[of_members])
        return cls(bars, members, times, np.minimum(np.searchsorted(times, bars.bar_end), len(times) - 1))

    def rows(self, times: slice) -> Ints:
        """The bars at some of the times, symbol by symbol."""
        edges = self.bars.offsets.tolist()
        ranges = [
            first + np.searchsorted(self.at[first:end], (times.start, times.stop)) for first, end in pairwise(edges)
        ]
        rows = np.concatenate([np.arange(begin, end) for begin, end in ranges])
        return rows[self.times[self.at[rows]] == self.bars.bar_end[rows]]


def evaluate_panel(axis: PanelAxis, times: slice, steps: Plan, inputs: Mapping[str, Array], receive: Receiver) -> None:
    """Every step that sees all symbols, at the axis's bars of some times, blanked before its warm-up.

    A bar is NaN where fewer than `warmup` bars lie before it on the axis or in its own series.
    """
    bars, begin = axis.bars, max(times.start - steps.reach, 0)
    shape = (times.stop - begin, len(bars.symbols))
    rows, own = axis.rows(slice(begin, times.stop)), axis.rows(times)
    cell = (axis.at[rows] - begin) * shape[1] + bars.code[rows]
    own_time = axis.at[own] - begin
    own_cell = own_time * shape[1] + bars.code[own]
    history = np.minimum(axis.at[own], bars.age[own])

    values: dict[str, Any] = {MEMBERS: axis.members}
    with np.errstate(all="ignore"):
        for step in steps.panel:
            for name in step.inputs:
                if name not in values:
                    matrix = np.full(shape[0] * shape[1], np.nan)
                    matrix[cell] = inputs[name][rows] if name in inputs else column(bars, name, rows)
                    values[name] = matrix.reshape(shape)
            computed = step.function(*[values[name] for name in step.inputs])
            values[step.name] = computed = windows.bounded(computed) if step.feature else computed
            at_bars = computed.take(own_cell if computed.shape == shape else own_time)
            receive(step, blanked(at_bars, history, step.warmup))


def blanked(values: Array, history: Ints, warmup: int) -> Array:
    """The values, overwritten by NaN where too few bars lie before them."""
    if warmup:
        values[history < warmup] = np.nan
    return values


def column(bars: Bars, name: str, rows: slice | Ints) -> Any:
    """Some rows of a bar column by name."""
    if name == "elapsed":
        return bars.slot[rows] * float(bars.timetable.seconds)
    return bars.column(name)[rows]
