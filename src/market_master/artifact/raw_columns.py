"""Raw columns: bars as the inputs of a bars graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.bars_graph import BAR_COLUMNS, BARS_AGO, HISTORY, MEMBER, SYMBOL, BarsGraph
from market_master.domain import UNSEEN, Bars, ContextMissing, Ints

NO_SLOT = -1.0
"""the slot of bars that only fill up a short history: no other bar's"""


def newest_rows(bars: Bars, until: int | None = None) -> Ints:
    """The row of each symbol's newest bar (that ended by an instant), -1 for a symbol without one."""
    if until is None or until >= bars.newest:
        rows = bars.offsets[1:] - 1
    else:
        spans = zip(bars.offsets[:-1].tolist(), bars.offsets[1:].tolist(), strict=True)
        rows = np.array([a + np.searchsorted(bars.bar_end[a:b], until, "right") - 1 for a, b in spans])
    return np.where(rows >= bars.offsets[:-1], rows, -1)


def raw_columns(
    graph: BarsGraph, bars: Bars, rows: Ints, *, known: Sequence[str] = (), members: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """The inputs of a graph for some bars, each with those before it: [rows, required_bars], oldest first.

    `known` are the card's symbols. For a graph with market features the rows are one of each symbol, the newest by an
    instant, and `members` make the market. Raises ContextMissing when no member has a bar.
    """
    windows = _Windows(bars, rows, graph.required_bars)
    columns: dict[str, NDArray[Any]] = {
        name: windows.of(bars.column(name)) for name in BAR_COLUMNS if name in graph.inputs
    }
    symbols = [bars.symbols[code] for code in bars.code[rows].tolist()]
    if SYMBOL in graph.inputs:
        place = {symbol: number for number, symbol in enumerate(known)}
        columns[SYMBOL] = np.array([[place.get(symbol, UNSEEN)] for symbol in symbols], dtype=np.int64)
    if graph.needs_market:
        member = np.array([symbol in members for symbol in symbols])
        if not member.any():
            raise ContextMissing(
                f"Market features need bars of the {len(members)} members of the market; none of the {len(bars)} bars is theirs."
            )
        columns |= {
            MEMBER: member[:, None],
            HISTORY: windows.history[:, None],
            BARS_AGO: _bars_ago(windows, bars, member),
        }
    if "slot" in columns and not windows.full:
        columns["slot"] = np.where(windows.real, columns["slot"], NO_SLOT)
    return columns


class _Windows:
    """The last bars of some rows; where a symbol has fewer, its first one fills up."""

    def __init__(self, bars: Bars, rows: Ints, length: int) -> None:
        first = bars.offsets[bars.code[rows]]
        self.history = rows - first + 1
        self.full = bool((self.history >= length).all())
        wanted = rows[:, None] + np.arange(1 - length, 1)
        self.real = wanted >= first[:, None]
        self.at = wanted if self.full else np.maximum(wanted, first[:, None])
        step = len(rows) * length == len(bars) and bool((np.diff(rows) == length).all()) and rows[0] == length - 1
        self._shape = (len(rows), length) if step else None

    def of(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """A column of the bars, float64; without a copy where the windows are all there is."""
        values = column[self.at] if self._shape is None else column.reshape(self._shape)
        return values.astype(np.float64, copy=False)


def _bars_ago(windows: _Windows, bars: Bars, member: NDArray[np.bool_]) -> Ints:
    """How many of the market's bars are newer than each; -1 for one that the market has not, or that only fills up."""
    ends = bars.bar_end[windows.at]
    if windows.full and (ends == ends[0]).all():
        return np.broadcast_to(np.arange(ends.shape[1] - 1, -1, -1), ends.shape)
    times = np.unique(ends[member][windows.real[member]])
    at = np.minimum(np.searchsorted(times, ends), len(times) - 1)
    return np.where(windows.real & (times[at] == ends), len(times) - 1 - at, -1)
