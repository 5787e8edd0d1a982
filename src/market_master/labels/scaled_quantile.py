"""The default label: the next return in units of the usual one.

Of this symbol, at this hour and volatility.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from scipy.signal import lfilter

from market_master.domain import Array, Bars, Ints, Mask
from market_master.labels import Labels, LabelWindow, assign_labels, require_rows
from market_master.plugins import register

HALFLIFE = 70
"""bars; memory of the volatility estimate (method 1.3)"""
FIRST = 20
"""returns a symbol needs before it has a scale"""


@register("labels", "scaled_quantile")
@dataclass(frozen=True)
class ScaledQuantile:
    """Buy or sell beyond the `hold` quantile of |z|, strong beyond the `strong` one; z = return / scale known before.

    The scale is an EWMA of squared in-bar returns, freed of the time of day and multiplied by the factors of the slots
    to come. Thresholds in returns are never below the round-trip cost.
    """

    hold: float = 0.40
    strong: float = 0.80
    cost: float = 0.0
    """round trip, as a log return"""
    target: str = "open_to_close"
    horizon: int = 1
    slot_factor: dict[str, float] = field(default_factory=dict)
    """size of a slot's returns against all, by place * 100000 + seconds"""
    k1: float = float("nan")
    k2: float = float("nan")

    def fit(self, bars: Bars, train: Mask) -> ScaledQuantile:
        """Slot factors from the training rows' own returns, k1 and k2 from their forward |z|."""
        learned = replace(self, slot_factor=slot_factors(bars, train, self.target))
        size = np.abs(learned.window.returns(bars) / learned.scale(bars))[train]
        size = size[np.isfinite(size)]
        require_rows(len(size))
        k1, k2 = np.quantile(size, [self.hold, self.strong])
        return replace(learned, k1=float(k1), k2=float(max(k2, np.nextafter(k1, np.inf))))

    @property
    def window(self) -> LabelWindow:
        """Over what the label looks."""
        return LabelWindow(self.target, self.horizon)

    def scale(self, bars: Bars) -> Array:
        """Expected size of the return over the horizon, known at the bar's close; NaN before 20 returns."""
        return scale(bars, self.window, self.slot_factor)

    def transform(self, bars: Bars) -> Labels:
        """The action each bar's next bars called for."""
        scale, ahead = self.scale(bars), self.window.returns(bars)
        weak = np.maximum(self.k1 * scale, self.cost)
        strong = weak * (self.k2 / self.k1) if self.k1 else np.maximum(weak, self.k2 * scale)
        return assign_labels(bars, ahead / scale, ahead, weak, strong, self.window.end(bars))

    def state(self) -> dict[str, Any]:
        """Slot factors and thresholds."""
        return {"kind": "scaled_quantile", **asdict(self)}


def slot_factors(bars: Bars, train: Mask, target: str) -> dict[str, float]:
    """RMS of each slot's own returns over that of all, from training rows."""
    returns_within = LabelWindow(target).bar_returns(bars)
    used = train & np.isfinite(returns_within)
    require_rows(int(used.sum()))
    kinds = _slot_kind(bars.slot, bars.bar_end - bars.bar_start)
    overall = float(np.sqrt(np.mean(returns_within[used] ** 2)))
    return {
        str(kind): float(np.sqrt(np.mean(returns_within[used & (kinds == kind)] ** 2)) / overall)
        for kind in np.unique(kinds[used]).tolist()
        if (returns_within[used & (kinds == kind)] != 0).any()
    }


def scale(bars: Bars, window: LabelWindow, factors: dict[str, float]) -> Array:
    """Expected size of each bar's window: volatility so far times the factors of the slots to come."""
    spread = np.full(len(bars), np.nan)
    here = _factor(_slot_kind(bars.slot, bars.bar_end - bars.bar_start), factors)
    free = window.bar_returns(bars) / here
    for _, rows in bars:
        spread[rows] = _ewma_rms(free[rows])
    ahead = _factor(_slot_kind(bars.next_slot, bars.next_end - bars.next_start), factors)
    if window.horizon > 1:
        later = [np.append(here[step:], np.full(step, np.nan)) ** 2 for step in range(2, window.horizon + 1)]
        ahead = np.sqrt(ahead**2 + np.sum(later, axis=0))
    return np.where(spread > 0, spread * ahead, np.nan)


def _factor(kinds: Ints, factors: dict[str, float]) -> Array:
    unique, which = np.unique(kinds, return_inverse=True)
    return np.array([factors.get(str(kind), 1.0) for kind in unique.tolist()])[which]


def _slot_kind(slot: Ints, seconds: Ints) -> Ints:
    """A slot is its place and its length: the half-hour that ends a session is not an hour."""
    return slot * 100_000 + seconds


def _ewma_rms(returns: Array) -> Array:
    """Root of the exponentially weighted mean square up to each bar; gaps keep the last value."""
    known = np.isfinite(returns)
    decay = 0.5 ** (1 / HALFLIFE)
    squares = lfilter([1.0], [1.0, -decay], np.where(known, returns, 0.0)[known] ** 2)
    weights = lfilter([1.0], [1.0, -decay], np.ones(int(known.sum())))
    root = np.sqrt(squares / weights)
    root[: FIRST - 1] = np.nan
    newest = np.cumsum(known) - 1
    return np.where(newest >= 0, root[np.maximum(newest, 0)], np.nan) if len(root) else np.full(len(returns), np.nan)
