"""Label by the barrier that the price touches first.

For horizons of five bars or more, where the path matters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from market_master.domain import Array, Bars, ConfigError, Mask
from market_master.labels import Labels, LabelWindow, labels_of, require_rows
from market_master.labels.scaled_quantile import scale, slot_factors
from market_master.plugins import register

MIN_HORIZON = 5


@register("labels", "triple_barrier", min_horizon=MIN_HORIZON)
@dataclass(frozen=True)
class TripleBarrier:
    """Strong when a barrier at k2 x scale is touched first; else by the return at the horizon, hold within k1 x scale.

    k2 is the `strong` quantile of the largest excursion, k1 the `hold` quantile of |z|, on training rows. Both barriers
    touched in one bar: the order is not known, either side would have been stopped, so hold. The label's end is the
    touch, and feeds the purge. Lopez de Prado, Advances in Financial Machine Learning, ch. 3.
    """

    hold: float = 0.40
    strong: float = 0.80
    cost: float = 0.0
    """round trip, as a log return"""
    target: str = "open_to_close"
    horizon: int = MIN_HORIZON
    slot_factor: dict[str, float] = field(default_factory=dict)
    k1: float = float("nan")
    k2: float = float("nan")

    def __post_init__(self) -> None:
        if self.horizon < MIN_HORIZON:
            raise ConfigError(
                f"label.kind triple_barrier needs label.horizon of at least {MIN_HORIZON} bars, {self.horizon} is set; "
                "within fewer, bars can't order high and low."
            )

    def fit(self, bars: Bars, train: Mask) -> TripleBarrier:
        """Slot factors, k1 and k2 from the training rows."""
        learned = replace(self, slot_factor=slot_factors(bars, train, self.target))
        width, ahead = scale(bars, learned.window, learned.slot_factor), learned.window.returns(bars)
        up, down = learned._reach(bars)
        farthest = np.maximum(up.max(axis=0), -down.min(axis=0)) / width
        used = train & np.isfinite(ahead) & np.isfinite(farthest)
        require_rows(int(used.sum()))
        k1 = float(np.quantile(np.abs(ahead / width)[used], self.hold))
        return replace(
            learned, k1=k1, k2=float(max(np.quantile(farthest[used], self.strong), np.nextafter(k1, np.inf)))
        )

    @property
    def window(self) -> LabelWindow:
        """Up to the last barrier, that of time."""
        return LabelWindow(self.target, self.horizon)

    def transform(self, bars: Bars) -> Labels:
        """The action each bar's path called for."""
        width, ahead = scale(bars, self.window, self.slot_factor), self.window.returns(bars)
        known = np.isfinite(width) & np.isfinite(ahead)
        up, down = self._reach(bars)
        barrier = np.maximum(self.k2 * width, self.cost)
        with np.errstate(invalid="ignore"):
            above, below = up >= barrier, down <= -barrier
        touched = above | below
        first, some = touched.argmax(axis=0), touched.any(axis=0)
        rows = np.arange(len(bars))
        rose, fell = above[first, rows] & some, below[first, rows] & some
        side = rose.astype(np.int8) - fell
        weak = np.abs(ahead) > np.maximum(self.k1 * width, self.cost)
        score = np.where(some, 2 * side, np.sign(np.where(known, ahead, 0)) * weak)
        reached = np.where(some & (side != 0), side * barrier, ahead)
        decided = np.minimum(rows + 1 + first, len(bars) - 1)
        end = np.where(some & known, bars.bar_end[decided], self.window.end(bars))
        return labels_of(bars, np.where(known, 2 + score, -1).astype(np.int8), reached / width, reached, end)

    def state(self) -> dict[str, Any]:
        """Slot factors and barriers."""
        return {"kind": "triple_barrier", **asdict(self)}

    def _reach(self, bars: Bars) -> tuple[Array, Array]:
        """Log return from the entry to the high and to the low of each bar of the window: [horizon, bars] each."""
        entry = bars.close if self.target == "close_to_close" else np.append(bars.open[1:], np.nan)
        ahead = [np.minimum(np.arange(len(bars)) + step, len(bars) - 1) for step in range(1, self.horizon + 1)]
        return np.log(bars.high[ahead] / entry), np.log(bars.low[ahead] / entry)
