"""Completion of posted bars: what is missing before the newest is taken from the store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from market_master.domain import OHLCV, Bars, History, HistoryDisagrees, HistoryGap, NoBars, UnknownSymbol, iso
from market_master.prediction.window import BarSource

AGREEMENT = 1e-6
"""relative: what a vendor's rounding changes, and no adjustment of prices"""
MAX_LISTED = 20
"""bars in a refusal"""


def complete_history(posted: Bars, store: BarSource | None, required_bars: int) -> tuple[Bars, History]:
    """Posted bars of one symbol with stored ones before and between them, so many in all; and how many came from where.

    The store's fundamentals stand beside them. Whole histories are left as they are. Raises HistoryDisagrees for a bar that the
    store has with other values, and HistoryGap when bars of the calendar lie between what is stored and what was posted.
    """
    (symbol,) = posted.symbols
    if store and store.fundamentals:
        posted = replace(posted, fundamentals=store.fundamentals)
    stored = _stored(store, symbol, posted, required_bars) if store and len(posted) < required_bars else None
    if stored is None:
        return posted, History(min(len(posted), required_bars), 0)
    after = int(np.searchsorted(posted.bar_end, stored.newest, "right"))
    if after:
        _require_agreement(symbol, posted, stored)
    if not after or posted.bar_end[after - 1] != stored.newest:
        _require_adjoining(symbol, posted, stored, first=int(posted.bar_end[after]))
    _, rows = np.unique(np.concatenate([posted.bar_end, stored.bar_end]), return_index=True)
    newest = rows[-required_bars:]
    of_posted = int((newest < len(posted)).sum())
    return posted.beside(stored, newest), History(of_posted, len(newest) - of_posted)


def _stored(store: BarSource, symbol: str, posted: Bars, required_bars: int) -> Bars | None:
    """The store's bars of the symbol up to the newest posted one; None where it has none."""
    try:
        stored = store.bars((symbol,), last=required_bars, until=posted.newest)
    except (NoBars, UnknownSymbol):
        return None
    return stored if stored.timetable == posted.timetable else None


def _require_agreement(symbol: str, posted: Bars, stored: Bars) -> None:
    _, at_posted, at_stored = np.intersect1d(posted.bar_end, stored.bar_end, return_indices=True)
    rows = [
        {
            "bar_end": iso(posted.bar_end[here]),
            "field": name,
            "posted": float(getattr(posted, name)[here]),
            "stored": float(getattr(stored, name)[there]),
        }
        for here, there in zip(at_posted.tolist(), at_stored.tolist(), strict=True)
        for name in OHLCV
        if not np.isclose(getattr(posted, name)[here], getattr(stored, name)[there], rtol=AGREEMENT, atol=0.0)
    ]
    if rows:
        first = rows[0]
        raise HistoryDisagrees(
            f"{symbol}'s bar that ended {first['bar_end']} was posted with {first['field']} {first['posted']:.10g}, and the store "
            f"has {first['stored']:.10g}; post the whole history, or the bars that the store has.",
            rows=rows[:MAX_LISTED],
            differing=len(rows),
        )


def _require_adjoining(symbol: str, posted: Bars, stored: Bars, *, first: int) -> None:
    """Refuse a hole between the store's newest bar and the first posted one after it, which ends at `first`.

    Holes within the store, or within what was posted, are the symbol's own.
    """
    last = stored.newest
    ends = posted.timetable.between(last, first).end
    missing = ends[np.searchsorted(ends, last, "right") : np.searchsorted(ends, first)].tolist()
    if missing:
        raise HistoryGap(
            f"The store's bars of {symbol} end {iso(last)} and the first posted one after them ends {iso(first)}: {len(missing)} "
            f"bars of {posted.timetable.calendar} lie between, the first ends {iso(missing[0])}; post them too, or if {symbol} "
            f"did not trade then, its bar that ended {iso(last)}.",
            missing=[iso(end) for end in missing[:MAX_LISTED]],
            bars_missing=len(missing),
        )
