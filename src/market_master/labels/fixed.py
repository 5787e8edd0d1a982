"""Fixed log-return thresholds: plain to read, though its class mix follows volatility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain.bars import Bars
from market_master.labels import Labels, cut, forward_return, own_return, require_rows
from market_master.plugins import mark


@mark("labels", "fixed")
@dataclass(frozen=True)
class Fixed:
    """Buy or sell beyond a log return of `hold`, strong beyond `strong`; z is the return over the training RMS."""

    hold: float = 0.001
    strong: float = 0.004
    cost: float = 0.0
    scale: float = float("nan")

    def fit(self, bars: Bars, train: NDArray[np.bool_]) -> Fixed:
        """The RMS of the training rows' own returns, for z only."""
        own = own_return(bars)[train]
        own = own[np.isfinite(own)]
        require_rows(len(own))
        return replace(self, scale=float(np.sqrt(np.mean(own**2))))

    def transform(self, bars: Bars) -> Labels:
        """The action each bar's next bar called for."""
        ahead = forward_return(bars)
        weak = np.full(len(bars), max(self.hold, self.cost))
        return cut(bars, ahead / self.scale, ahead, weak, np.maximum(weak, self.strong))

    def state(self) -> dict[str, Any]:
        """The thresholds."""
        return {"kind": "fixed", "hold": self.hold, "strong": self.strong, "cost": self.cost, "scale": self.scale}
