"""The default label: the next bar's return against what this symbol, at this hour and volatility, usually does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from market_master.domain.bars import Array, Bars
from market_master.domain.sessions import Ints
from market_master.labels import Labels, cut, forward_return, own_return, require_rows
from market_master.plugins import mark

HALFLIFE = 70
"""bars; memory of the volatility estimate (method 1.3)"""
FIRST = 20
"""returns a symbol needs before it has a scale"""


@mark("labels", "scaled_quantile")
@dataclass(frozen=True)
class ScaledQuantile:
    """Buy or sell beyond the `hold` quantile of |z|, strong beyond the `strong` one; z = return / scale known before.

    The scale is an EWMA of squared in-bar returns, freed of the time of day and multiplied by the next slot's factor.
    Thresholds in returns are never below the round-trip cost.
    """

    hold: float = 0.40
    strong: float = 0.80
    cost: float = 0.0
    """round trip, as a log return"""
    slot_factor: dict[int, float] | None = None
    k1: float = float("nan")
    k2: float = float("nan")

    def fit(self, bars: Bars, train: NDArray[np.bool_]) -> ScaledQuantile:
        """Slot factors from the training rows' own returns, k1 and k2 from their forward |z|."""
        own = own_return(bars)
        used = train & np.isfinite(own)
        require_rows(int(used.sum()))
        kinds = _slot_kind(bars.slot, bars.bar_end - bars.bar_start)
        overall = float(np.sqrt(np.mean(own[used] ** 2)))
        factor = {
            int(kind): float(np.sqrt(np.mean(own[used & (kinds == kind)] ** 2)) / overall)
            for kind in np.unique(kinds[used])
            if (own[used & (kinds == kind)] != 0).any()
        }
        learned = replace(self, slot_factor=factor)
        size = np.abs(forward_return(bars) / learned.scale(bars))[train]
        size = size[np.isfinite(size)]
        require_rows(len(size))
        k1, k2 = np.quantile(size, [self.hold, self.strong])
        return replace(learned, k1=float(k1), k2=float(max(k2, np.nextafter(k1, np.inf))))

    def scale(self, bars: Bars) -> Array:
        """Expected size of the next bar's return, known at the bar's close; NaN before 20 returns."""
        assert self.slot_factor is not None
        spread = np.full(len(bars), np.nan)
        free = own_return(bars) / self._factor(_slot_kind(bars.slot, bars.bar_end - bars.bar_start))
        for _, rows in bars:
            spread[rows] = _ewma_rms(free[rows])
        ahead = self._factor(_slot_kind(bars.next_slot, bars.next_end - bars.next_start))
        return np.where(spread > 0, spread * ahead, np.nan)

    def transform(self, bars: Bars) -> Labels:
        """The action each bar's next bar called for."""
        scale, ahead = self.scale(bars), forward_return(bars)
        weak = np.maximum(self.k1 * scale, self.cost)
        strong = weak * (self.k2 / self.k1) if self.k1 else np.maximum(weak, self.k2 * scale)
        return cut(bars, ahead / scale, ahead, weak, strong)

    def state(self) -> dict[str, Any]:
        """Slot factors and thresholds."""
        return {
            "kind": "scaled_quantile", "hold": self.hold, "strong": self.strong, "cost": self.cost,
            "k1": self.k1, "k2": self.k2, "slot_factor": {str(k): v for k, v in (self.slot_factor or {}).items()},
        }  # fmt: skip

    def _factor(self, kinds: Ints) -> Array:
        assert self.slot_factor is not None
        unique, place = np.unique(kinds, return_inverse=True)
        return np.array([self.slot_factor.get(int(kind), 1.0) for kind in unique])[place]


def _slot_kind(slot: Ints, seconds: Ints) -> Ints:
    """A slot is its place and its length: the half-hour that ends a session is not an hour."""
    return slot * 100_000 + seconds


def _ewma_rms(returns: Array) -> Array:
    """Root of the exponentially weighted mean square up to each bar; gaps keep the last value."""
    seen = np.isfinite(returns)
    decay = 0.5 ** (1 / HALFLIFE)
    squares = lfilter([1.0], [1.0, -decay], np.where(seen, returns, 0.0)[seen] ** 2)
    weights = lfilter([1.0], [1.0, -decay], np.ones(int(seen.sum())))
    root = np.sqrt(squares / weights)
    root[: FIRST - 1] = np.nan
    place = np.cumsum(seen) - 1
    return np.where(place >= 0, root[np.maximum(place, 0)], np.nan) if len(root) else np.full(len(returns), np.nan)
