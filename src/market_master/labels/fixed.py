"""Label by fixed log-return thresholds.

Plain to read, though its class mix follows volatility.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from market_master.domain import Bars, Mask
from market_master.labels import Labels, LabelWindow, assign_labels, require_rows
from market_master.plugins import register


@register("labels", "fixed")
@dataclass(frozen=True)
class Fixed:
    """Buy or sell beyond a log return of `hold`, strong beyond `strong`; z is the return over the training RMS."""

    hold: float = 0.001
    strong: float = 0.004
    cost: float = 0.0
    target: str = "open_to_close"
    horizon: int = 1
    scale: float = float("nan")

    @property
    def window(self) -> LabelWindow:
        """Over what the label looks."""
        return LabelWindow(self.target, self.horizon)

    def fit(self, bars: Bars, train: Mask) -> Fixed:
        """The RMS of the training rows' own returns over the horizon, for z only."""
        returns = LabelWindow(self.target).bar_returns(bars)[train]
        returns = returns[np.isfinite(returns)]
        require_rows(len(returns))
        return replace(self, scale=float(np.sqrt(self.horizon * np.mean(returns**2))))

    def transform(self, bars: Bars) -> Labels:
        """The action each bar's next bars called for."""
        window = self.window
        ahead, weak = window.returns(bars), np.full(len(bars), max(self.hold, self.cost))
        return assign_labels(bars, ahead / self.scale, ahead, weak, np.maximum(weak, self.strong), window.end(bars))

    def state(self) -> dict[str, Any]:
        """The thresholds."""
        return {"kind": "fixed", **asdict(self)}
