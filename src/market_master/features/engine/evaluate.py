"""Evaluation of a plan in spans that stay in cache: first by symbol, then across the panel.

A span is computed with the bars before it that its values reach back to, so a cut changes no value: each is made of its
own window alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def times(self) -> Ints:
        """Ends of the members' bars, increasing; ContextMissing when they have none."""
        of_members = self.members[self.bars.code]
        if not of_members.any():
            raise ContextMissing(
                f"Market features need bars of the {int(self.members.sum())} members of the market; none of the "
                f"{len(self.bars)} bars is theirs."
            )
        return np.unique(self.bars.bar_end[of_members])

    @cached_property
    def at(self) -> Ints:
        """The place of each bar among the times; of the next time where there is none of its own."""
        return np.minimum(np.searchsorted(self.times, self.bars.bar_end), len(self.times) - 1)

    @cached_property
    def order(self) -> Ints:
        """A number of each bar that increases with symbol and time."""
        return self.bars.code * len(self.times) + self.at

    def rows(self, times: slice) -> Ints:
        """The bars at some of the times, symbol by symbol."""
        first = np.arange(len(self.bars.symbols)) * len(self.times)
        begin, end = (np.searchsorted(self.order, first + edge) for edge in (times.start, times.stop))
        rows = np.concatenate([np.arange(one, other) for one, other in zip(begin, end, strict=True)])
        return rows[self.times[self.at[rows]] == self.bars.bar_end[rows]]


def evaluate_panel(
    axis: PanelAxis, times: slice, steps: Plan, inputs: Mapping[str, Array], receive: Callable[[Node, Ints, Array], None]
) -> None:
    """Every step that sees all symbols, at some times: handed over with the bars there, and blanked before its warm-up.

    A bar is NaN where fewer than `warmup` bars lie before it on the axis or in its own series.
    """
    bars, begin = axis.bars, max(times.start - steps.reach, 0)
    rows = axis.rows(slice(begin, times.stop))
    shape = (times.stop - begin, len(bars.symbols))
    cell = (axis.at[rows] - begin) * shape[1] + bars.code[rows]
    kept = axis.at[rows] >= times.start
    own = cell[kept], axis.at[rows][kept] - begin
    history = np.minimum(axis.at[rows], bars.age[rows])[kept]

    values: dict[str, Any] = {MEMBERS: axis.members}
    with np.errstate(all="ignore"):
        for step in steps.panel:
            for name in step.inputs:
                if name not in values:
                    values[name] = np.full(shape, np.nan)
                    values[name].put(cell, inputs[name][rows] if name in inputs else column(bars, name, rows))
            computed = step.function(*[values[name] for name in step.inputs])
            values[step.name] = computed = windows.bounded(computed) if step.feature else computed
            at_bars = computed.take(own[0] if computed.shape == shape else own[1])
            at_bars[history < step.warmup] = np.nan
            receive(step, rows[kept], at_bars)


def column(bars: Bars, name: str, rows: slice | Ints) -> Any:
    """Some rows of a bar column by name."""
    if name == "elapsed":
        return bars.slot[rows] * float(bars.timetable.seconds)
    return getattr(bars, name)[rows]
