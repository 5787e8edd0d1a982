"""What came next: an action cut from the return of the next bar. Training only; predicting may not import this room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from market_master.domain.bars import Array, Bars
from market_master.domain.errors import TooFewBars
from market_master.domain.sessions import Ints

STALE_JUMP = 0.25
"""A bar's return beyond this, with no corporate action on record, is not trusted as a label."""


@dataclass(frozen=True, eq=False)
class Labels:
    """For each bar, what its next bar brought; `action` is -1 and the floats NaN where there is none."""

    action: NDArray[np.int8]
    z: Array
    """forward return in units of the scale known at the bar"""
    forward_return: Array
    """ln(close / open) of the next bar"""
    label_end: Ints
    """when the label was known: the next bar's end"""
    crosses_session: NDArray[np.bool_]
    """the next bar opens another session"""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows that have a label."""
        return self.action >= 0


class Labeler(Protocol):
    """Learns thresholds on training rows; cuts actions for any rows."""

    def fit(self, bars: Bars, train: NDArray[np.bool_]) -> Labeler:
        """A labeler whose state comes from the training rows (a mask over the bars) only."""
        ...

    def transform(self, bars: Bars) -> Labels:
        """Labels of all rows; the last bar of each symbol has none."""
        ...

    def state(self) -> dict[str, Any]:
        """What was learned, as plain values for the model card."""
        ...


def forward_return(bars: Bars) -> Array:
    """ln(close / open) of each bar's next bar; NaN where the symbol has no bar in the calendar's next slot.

    A trade at the next open, left at that bar's close, earns just this. Stale bars (no volume, no range) and jumps
    beyond 25 % are not trusted.
    """
    own = own_return(bars)
    follows = np.zeros(len(bars), dtype=bool)
    follows[:-1] = (bars.code[1:] == bars.code[:-1]) & (bars.bar_end[1:] == bars.next_end[:-1])
    ahead = np.full(len(bars), np.nan)
    ahead[:-1] = own[1:]
    return np.where(follows, ahead, np.nan)


def own_return(bars: Bars) -> Array:
    """ln(close / open) of each bar itself; NaN for stale bars and untrusted jumps."""
    value = np.log(bars.close / bars.open)
    stale = (bars.volume == 0) & (bars.high == bars.low)
    return np.where(stale | (np.abs(value) > STALE_JUMP), np.nan, value)


def cut(bars: Bars, z: Array, ahead: Array, weak: Array, strong: Array) -> Labels:
    """Labels from forward returns and two thresholds (log returns) for each row: symmetric, ties go to hold."""
    known = np.isfinite(ahead) & np.isfinite(z) & np.isfinite(weak)
    size = (np.abs(ahead) > weak).astype(np.int8) + (np.abs(ahead) > strong)
    action = np.where(known, 2 + np.sign(np.where(known, ahead, 0)) * size, -1).astype(np.int8)
    return Labels(
        action=action,
        z=np.where(known, z, np.nan),
        forward_return=np.where(known, ahead, np.nan),
        label_end=bars.next_end,
        crosses_session=known & (bars.next_slot == 0),
    )


def require_rows(count: int, needed: int = 100) -> None:
    """Refuse to learn thresholds from too few returns."""
    if count < needed:
        raise TooFewBars(
            f"Label thresholds need at least {needed} scaled returns, {count} were given.", given=count, needed=needed
        )
