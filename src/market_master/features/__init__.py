"""Features of closed bars: one call for training, serving, batch and backtest.

A feature is a function marked with `@feature` or `@panel_feature`; its parameters name bar columns or shared series. A
folder here is a feature set and is called like it; a file in it is a theme.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from market_master.domain import FIGURES, INTERVALS, Array, Bars, ConfigError, Ints
from market_master.features.engine.declare import (
    Node,
    feature,
    group_of,
    nearest,
    panel_feature,
    panel_series,
    plugin,
    series,
)
from market_master.features.engine.evaluate import PanelAxis, blanked, evaluate_by_symbol, evaluate_panel
from market_master.features.engine.fingerprint import combined, fingerprint
from market_master.features.engine.graph import plan
from market_master.features.engine.traced import trace
from market_master.features.engine.windows import BOUND
from market_master.plugins import load_family

__all__ = [
    "combined", "compute", "describe", "feature", "fingerprint", "left_out", "needs_market", "panel_feature",
    "panel_series", "select", "series", "trace", "warmup", "warmups",
]  # fmt: skip

ALL_ROWS = slice(None)
CLOCK = ("slot", "next_slot", "session", "elapsed")
ROWS_PER_SPAN = 30_000
"""bars computed at once: their arrays stay in a core's cache, and a call on one lasts long enough for a second thread"""
TIMES_PER_REACH = 4
"""times of the market computed at once, at least, to those before them that are computed again"""


def compute(
    bars: Bars,
    names: Sequence[str],
    *,
    members: Collection[str] | None = None,
    only: Ints | None = None,
    threads: int = 2,
) -> Array:
    """The features of every bar, float64 [bars, names], cut off at 8; NaN where a bar has too little behind it.

    `members` are the symbols that make the market (all, unless told); `only` the rows that are asked for, increasing.
    Memory: 8 bytes for each value, as much again for each column that market features look at, and a span's arrays (a few MB).
    Raises ConfigError for an unknown name, ContextMissing when a market feature is asked for and no member has a bar.
    """
    steps = plan(tuple(names))
    values = np.empty((len(names), len(bars) if only is None else len(only)))
    panel_inputs = {step.name: np.empty(len(bars)) for step in steps.panel_inputs}

    def compute_rows(rows: slice) -> None:
        begin = max(rows.start - steps.reach, 0)
        target, picked = _within(rows, only)
        ages = bars.age[rows]

        def write(step: Node, computed: Array) -> None:
            own = computed[rows.start - begin :]
            for number in steps.places.get(step.name, ()):
                out = own[picked].clip(-BOUND, BOUND, out=values[number, target])
                blanked(out, ages[picked], step.warmup)
            if step.name in panel_inputs:
                panel_inputs[step.name][rows] = own
                blanked(panel_inputs[step.name][rows], ages, step.warmup)

        evaluate_by_symbol(bars, slice(begin, rows.stop), steps, write)

    def compute_times(times: slice) -> None:
        target, picked = _among(axis.rows(times), only)

        def write(step: Node, computed: Array) -> None:
            for number in steps.places.get(step.name, ()):
                values[number, target] = computed[picked]

        evaluate_panel(axis, times, steps, panel_inputs, write)

    with ThreadPoolExecutor(threads) as pool:
        run = pool.map if threads > 1 and len(bars) > ROWS_PER_SPAN else map
        list(run(compute_rows, _cut(len(bars), ROWS_PER_SPAN)))
        if steps.panel:
            is_member = np.array([members is None or symbol in members for symbol in bars.symbols])
            axis = PanelAxis.of(bars, is_member)
            values[[number for step in steps.panel for number in steps.places.get(step.name, ())]] = np.nan
            count = max(ROWS_PER_SPAN // len(bars.symbols), int(TIMES_PER_REACH * steps.reach), 1)
            list(run(compute_times, _cut(len(axis.times), count)))
    return values.T


def select(sets: Sequence[str], interval: str) -> tuple[str, ...]:
    """The features of some sets that make sense on an interval: set by set, each in order of name.

    Raises ConfigError for an unknown set, naming the nearest.
    """
    return tuple(name for name in _all_of(sets) if not _misfit(name, interval))


def left_out(sets: Sequence[str], interval: str) -> dict[str, str]:
    """The features of the sets that `select` leaves out on this interval, each with the reason."""
    return {name: reason for name in _all_of(sets) if (reason := _misfit(name, interval))}


def warmup(names: Sequence[str]) -> int:
    """Earlier bars the neediest of the features needs, at most 499."""
    return max(warmups(names), default=0)


def warmups(names: Sequence[str]) -> list[int]:
    """Earlier bars that each of the features needs."""
    return [plugin(name).metadata["warmup"] for name in names]


def needs_market(names: Sequence[str]) -> bool:
    """Does any of the features look at other symbols?"""
    return any(plugin(name).metadata["panel"] for name in names)


def reads_no_bar(name: str) -> bool:
    """Is the feature made of calendar and companies' figures alone, so that no price or volume can move it?"""
    steps = plan((name,))
    computed = {step.name for step in (*steps.by_symbol, *steps.panel)}
    return all(
        column in (*CLOCK, *FIGURES, *computed) for step in (*steps.by_symbol, *steps.panel) for column in step.inputs
    )


def describe(names: Sequence[str]) -> list[dict[str, Any]]:
    """Name, set, unit, warm-up, meaning and group of each feature, as plain values."""
    plugins = [(name, plugin(name)) for name in names]
    return [
        {
            "name": name,
            **{fact: plug.metadata[fact] for fact in ("set", "unit", "warmup")},
            "summary": plug.summary,
            "group": group_of(name),
        }
        for name, plug in plugins
    ]


def _cut(length: int, size: int) -> list[slice]:
    """A length in pieces of a size at most."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _within(rows: slice, only: Ints | None) -> tuple[slice, slice | Ints]:
    """Where the rows asked for among some rows stand in the answer, and among those rows."""
    if only is None:
        return rows, ALL_ROWS
    first, end = np.searchsorted(only, (rows.start, rows.stop))
    return slice(first, end), only[first:end] - rows.start


def _among(rows: Ints, only: Ints | None) -> tuple[Ints, slice | Ints]:
    """The same for rows that don't lie behind each other."""
    if only is None:
        return rows, ALL_ROWS
    picked = np.flatnonzero(np.isin(rows, only))
    return np.searchsorted(only, rows[picked]), picked


def _all_of(sets: Sequence[str]) -> list[str]:
    known = {plug.metadata["set"] for plug in load_family("features").values()}
    for folder in sets:
        if folder not in known:
            raise ConfigError(f"There is no feature set '{folder}'; the nearest is '{nearest(folder, sorted(known))}'.")
    return [
        name
        for folder in dict.fromkeys(sets)
        for name, plug in load_family("features").items()
        if plug.metadata["set"] == folder
    ]


def _misfit(name: str, interval: str) -> str:
    """Why a feature makes no sense on an interval; empty when it does."""
    slots = plugin(name).metadata["slots"]
    if slots != "any" and interval == "1d":
        return "a daily bar is the only one of its session, so the slot says nothing"
    if slots == "same_slot" and INTERVALS[interval] < INTERVALS["30m"]:
        return f"bars of {interval} do not reach far enough into earlier sessions; it needs 30m or more"
    return ""
