"""Dependency graph of features: topological order and evaluation.

First by symbol, then across the panel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Bars, ContextMissing, Ints
from market_master.features.engine import windows
from market_master.features.engine.declare import COLUMNS, MEMBERS, Node, node

ALL_ROWS = slice(None)


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each finds its inputs: first for one symbol, then across the panel."""

    names: tuple[str, ...]
    by_symbol: tuple[Node, ...]
    panel: tuple[Node, ...]

    @cached_property
    def panel_inputs(self) -> tuple[Node, ...]:
        """Steps of single symbols that the panel needs."""
        inputs = {name for step in self.panel for name in step.inputs}
        return tuple(step for step in self.by_symbol if step.name in inputs)

    @cached_property
    def shared_features(self) -> frozenset[str]:
        """Features of single symbols that other steps ask for."""
        inputs = {name for step in (*self.by_symbol, *self.panel) for name in step.inputs}
        return frozenset(step.name for step in self.by_symbol if step.feature and step.name in inputs)

    @cached_property
    def requested(self) -> dict[int, Node]:
        """The features that see one symbol, by their place among the names."""
        computed = {step.name: step for step in self.by_symbol}
        return {number: computed[name] for number, name in enumerate(self.names) if name in computed}


@lru_cache(maxsize=64)
def plan(names: tuple[str, ...]) -> Plan:
    """The plan for some features; ConfigError for an unknown one, TypeError for inputs that can't be had."""
    steps: dict[str, Node] = {}
    for name in names:
        _add(node(name), steps, ())
    by_symbol = tuple(step for step in steps.values() if not step.panel)
    return Plan(names, by_symbol, tuple(step for step in steps.values() if step.panel))


def evaluate_by_symbol(bars: Bars, rows: slice, steps: Plan) -> dict[str, Array]:
    """Every step of one or several whole symbols, by name; what lies before a step's warm-up is not to be used.

    Symbols lie behind each other in one array, so that many short ones cost little more than one: no value after its
    warm-up looks back beyond it.
    """
    values: dict[str, Array] = {name: column(bars, name)[rows] for name in COLUMNS}
    with np.errstate(all="ignore"):
        for step in steps.by_symbol:
            computed = step.function(*[values[name] for name in step.inputs])
            values[step.name] = windows.bounded(computed) if step.name in steps.shared_features else computed
    return values


def mask_warmup(
    computed: dict[str, Array], steps: Collection[Node], age: Ints, picked: slice | Ints = ALL_ROWS
) -> Array:
    """Steps as rows of a matrix, of all bars or those picked, blanked where a symbol has too few bars behind it."""
    block, age = np.array([computed[step.name][picked] for step in steps]), age[picked]
    warmups = np.array([step.warmup for step in steps])
    young = np.flatnonzero(age < warmups.max(initial=0))
    if len(young):
        early = age[young] < warmups[:, None]
        block[:, young] = np.where(early, np.nan, block[:, young])
    return block


def batches(bars: Bars, max_rows: int) -> Iterator[slice]:
    """The rows of consecutive symbols, together while they are `most` rows at most."""
    edges = [int(edge) for edge in bars.offsets]
    begin = 0
    for end, after in zip(edges[1:], [*edges[2:], None], strict=True):
        if end > begin and (after is None or after - begin > max_rows):
            yield slice(begin, end)
            begin = end


def panel_values(
    bars: Bars, steps: Plan, panel_inputs: dict[str, Array], members: NDArray[np.bool_]
) -> dict[str, Array]:
    """Every panel step as a column over the bars; the axis of time is the union of the members' bars.

    A bar is NaN where no member has a bar at its time, or where fewer than `warmup` bars lie before it on the axis or
    in its own series. Raises ContextMissing when no member has a bar at all.
    """
    of_members = members[bars.code]
    if not of_members.any():
        raise ContextMissing(
            f"Market features need bars of the {int(members.sum())} members of the market; none of the "
            f"{len(bars)} bars is theirs."
        )
    times = np.unique(bars.bar_end[of_members])
    at = np.minimum(np.searchsorted(times, bars.bar_end), len(times) - 1)
    on_axis = times[at] == bars.bar_end
    here = (at[on_axis], bars.code[on_axis])
    shape = (len(times), len(bars.symbols))
    history = np.minimum(at, bars.age)

    values: dict[str, Any] = {MEMBERS: members}
    columns: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        for step in steps.panel:
            for name in step.inputs:
                if name not in values:
                    values[name] = np.full(shape, np.nan)
                    values[name][here] = (panel_inputs[name] if name in panel_inputs else column(bars, name))[on_axis]
            computed = step.function(*[values[name] for name in step.inputs])
            values[step.name] = computed = windows.bounded(computed) if step.feature else computed
            columns[step.name] = np.full(len(bars), np.nan)
            columns[step.name][on_axis] = np.broadcast_to(computed, shape)[here]
            columns[step.name][history < step.warmup] = np.nan
    return columns


def column(bars: Bars, name: str) -> Any:
    """A bar column by name."""
    if name == "elapsed":
        return bars.slot * float(bars.timetable.seconds)
    return bars.age if name == "age" else getattr(bars, name)


def _add(step: Node, steps: dict[str, Node], above: tuple[str, ...]) -> None:
    if step.name in steps:
        return
    if step.name in above:
        raise TypeError(f"'{step.name}' needs itself, through {' and '.join(above)}.")
    for name in step.inputs:
        if name in COLUMNS or (name == MEMBERS and step.panel):
            continue
        needed = node(name)
        if needed.panel and not step.panel:
            raise TypeError(f"'{step.name}' sees one symbol; it can't ask for '{name}', which sees all.")
        _add(needed, steps, (*above, step.name))
    steps[step.name] = step
