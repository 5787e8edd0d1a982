"""What must be computed, in which order, to have some features; and the computing of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.errors import ContextMissing
from market_master.features.engine import windows
from market_master.features.engine.declare import COLUMNS, MEMBERS, REACH, Node, node

WHOLE = slice(None)


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each finds its inputs: first for one symbol, then across the panel."""

    names: tuple[str, ...]
    own: tuple[Node, ...]
    panel: tuple[Node, ...]

    @cached_property
    def handed_over(self) -> tuple[Node, ...]:
        """Steps of single symbols that the panel needs."""
        asked = {name for step in self.panel for name in step.inputs}
        return tuple(step for step in self.own if step.name in asked)

    @cached_property
    def lent(self) -> frozenset[str]:
        """Features of single symbols that other steps ask for."""
        asked = {name for step in (*self.own, *self.panel) for name in step.inputs}
        return frozenset(step.name for step in self.own if step.feature and step.name in asked)

    @cached_property
    def wanted(self) -> dict[int, Node]:
        """The features that see one symbol, by their place among the names."""
        made = {step.name: step for step in self.own}
        return {number: made[name] for number, name in enumerate(self.names) if name in made}


@lru_cache(maxsize=64)
def plan(names: tuple[str, ...]) -> Plan:
    """The plan for some features; ConfigError for an unknown one, TypeError for inputs that can't be had."""
    placed: dict[str, Node] = {}
    for name in names:
        _place(node(name), placed, ())
    own = tuple(step for step in placed.values() if not step.panel)
    return Plan(names, own, tuple(step for step in placed.values() if step.panel))


def evaluate_by_symbol(bars: Bars, rows: slice, steps: Plan) -> dict[str, Array]:
    """Every step of one or several whole symbols, by name; what lies before a step's warm-up is not to be used.

    Symbols lie behind each other in one array, so that many short ones cost little more than one: no value after its
    warm-up looks back beyond it.
    """
    values: dict[str, Array] = {name: column(bars, name)[rows] for name in COLUMNS}
    with np.errstate(all="ignore"):
        for step in steps.own:
            made = step.function(*[values[name] for name in step.inputs])
            values[step.name] = windows.bounded(made) if step.name in steps.lent else made
    return values


def mask_warmup(made: dict[str, Array], steps: Collection[Node], age: Ints, picked: slice | Ints = WHOLE) -> Array:
    """Steps as rows of a matrix, of all bars or those picked, blanked where a symbol has too few bars behind it."""
    block, age = np.array([made[step.name][picked] for step in steps]), age[picked]
    young = np.flatnonzero(age < REACH)
    if len(young):
        early = age[young] < np.array([step.warmup for step in steps])[:, None]
        block[:, young] = np.where(early, np.nan, block[:, young])
    return block


def batches(bars: Bars, most: int) -> Iterator[slice]:
    """The rows of consecutive symbols, together while they are `most` rows at most."""
    edges = [int(edge) for edge in bars.offsets]
    begin = 0
    for end, after in zip(edges[1:], [*edges[2:], None], strict=True):
        if end > begin and (after is None or after - begin > most):
            yield slice(begin, end)
            begin = end


def panel_values(bars: Bars, steps: Plan, handed: dict[str, Array], members: NDArray[np.bool_]) -> dict[str, Array]:
    """Every panel step as a column over the bars; the axis of time is the union of the members' bars.

    A bar is NaN where no member has a bar at its time, or where fewer than `warmup` bars lie before it on the axis or
    in its own series. Raises ContextMissing when no member has a bar at all.
    """
    counted = members[bars.code]
    if not counted.any():
        raise ContextMissing(
            f"Market features need bars of the {int(members.sum())} members of the market; none of the "
            f"{len(bars)} bars is theirs."
        )
    times = np.unique(bars.bar_end[counted])
    at = np.minimum(np.searchsorted(times, bars.bar_end), len(times) - 1)
    on_axis = times[at] == bars.bar_end
    here = (at[on_axis], bars.code[on_axis])
    shape = (len(times), len(bars.symbols))
    behind = np.minimum(at, bars.age)

    values: dict[str, Any] = {MEMBERS: members}
    found: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        for step in steps.panel:
            for name in step.inputs:
                if name not in values:
                    values[name] = np.full(shape, np.nan)
                    values[name][here] = (handed[name] if name in handed else column(bars, name))[on_axis]
            made = step.function(*[values[name] for name in step.inputs])
            values[step.name] = made = windows.bounded(made) if step.feature else made
            found[step.name] = np.full(len(bars), np.nan)
            found[step.name][on_axis] = np.broadcast_to(made, shape)[here]
            found[step.name][behind < step.warmup] = np.nan
    return found


def column(bars: Bars, name: str) -> Any:
    """A bar column by name."""
    if name == "elapsed":
        return bars.slot * float(bars.timetable.seconds)
    return bars.age if name == "age" else getattr(bars, name)


def _place(step: Node, placed: dict[str, Node], above: tuple[str, ...]) -> None:
    if step.name in placed:
        return
    if step.name in above:
        raise TypeError(f"'{step.name}' needs itself, through {' and '.join(above)}.")
    for name in step.inputs:
        if name in COLUMNS or (name == MEMBERS and step.panel):
            continue
        needed = node(name)
        if needed.panel and not step.panel:
            raise TypeError(f"'{step.name}' sees one symbol; it can't ask for '{name}', which sees all.")
        _place(needed, placed, (*above, step.name))
    placed[step.name] = step
