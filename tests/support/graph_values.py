"""What the bars graph makes of a whole series, bar by bar, beside what NumPy makes of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from market_master.export.version_graph import feature_graph

ROWS_AT_ONCE = 5_000


def graph_of(names: Sequence[str], bars: Bars) -> BarsGraph:
    """The graph of some features for bars of an interval."""
    return BarsGraph(feature_graph(names, bars.timetable.seconds))


def graph_values(graph: BarsGraph, bars: Bars, members: Collection[str], every: int = 1) -> Array:
    """The features of each bar as the graph makes them when it is the newest; NaN before warm-up, and where it was not asked.

    With market features `every` n-th instant is asked about, for all symbols.
    """
    values = np.full((len(bars), len(graph.features)), np.nan)
    if not graph.needs_market:
        rows = np.flatnonzero(bars.age >= graph.required_bars - 1)
        for part in np.array_split(rows, len(rows) // ROWS_AT_ONCE + 1):
            values[part] = graph.feature_values(raw_columns(graph, bars, part))
        return values
    for instant in np.unique(bars.bar_end)[::every].tolist():
        present = newest_rows(bars, instant)
        present = present[present >= 0]
        if set(members) & {bars.symbols[code] for code in bars.code[present].tolist()}:
            now = np.flatnonzero(bars.bar_end[present] == instant)
            values[present[now]] = graph.feature_values(raw_columns(graph, bars, present, members=members))[now]
    return values
