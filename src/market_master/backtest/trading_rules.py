"""Trading rules of a simulation: costs, caps and exits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, ConfigError

EXITS = ("next_decision", "bar_close")


@dataclass(frozen=True)
class Rules:
    """How targets are traded. Shares are of capital, of the traded value, or of the entry price; costs are on by default.

    Fee, half spread and slippage make 2 bp one way, as for US large caps. Raises ConfigError for a value that can't be.
    """

    cost: float = 0.00015
    """fee and half the spread, one way, share of the traded value"""
    slippage: float = 0.00005
    """how much worse than the open, or than the stop, a fill is; share of the price"""
    symbol_cap: float = 1.0
    """most that one instrument may have, share of capital"""
    gross_cap: float = 1.0
    """most that all may have together, long and short; targets beyond it are scaled down alike"""
    stop_loss: float | None = None
    """share of the entry price"""
    take_profit: float | None = None
    flat_by_close: bool = False
    """leave everything at the close of the session's last bar, and pay for it"""
    daily_loss_stop: float | None = None
    """a session's loss at a bar's close, share of capital, after which all is left at the next open until the next session"""
    exit: str = "next_decision"
    """`next_decision`: held until the next decision's fill; `bar_close`: left at the bar's close, the label's twin"""

    def __post_init__(self) -> None:
        self._require("cost", self.cost, minimum=0.0, below=1.0)
        self._require("slippage", self.slippage, minimum=0.0, below=1.0 - self.cost)
        for name in ("symbol_cap", "gross_cap"):
            self._require(name, getattr(self, name), minimum=0.0, below=np.inf)
        for name, below in (("stop_loss", 1.0), ("take_profit", np.inf), ("daily_loss_stop", 1.0)):
            if getattr(self, name) is not None:
                self._require(name, getattr(self, name), minimum=1e-6, below=below)
        if self.exit not in EXITS:
            raise ConfigError(f"A backtest's exit is one of {', '.join(EXITS)}; '{self.exit}' was given.")

    @property
    def rate(self) -> float:
        """What a trade costs in all, one way, share of the traded value."""
        return self.cost + self.slippage

    @property
    def has_stops(self) -> bool:
        """A rule depends on prices since the position was opened, so bars have to be walked through one by one."""
        return not (self.stop_loss is None and self.take_profit is None and self.daily_loss_stop is None)

    def capped(self, target: Array) -> Array:
        """Target shares [..., instruments] within both caps."""
        clipped = np.clip(target, -self.symbol_cap, self.symbol_cap)
        gross = np.abs(clipped).sum(axis=-1, keepdims=True)
        return clipped * (self.gross_cap / np.maximum(gross, max(self.gross_cap, 1e-300)))

    def _require(self, name: str, value: float, *, minimum: float, below: float) -> None:
        if not minimum <= value < below:
            raise ConfigError(f"A backtest's {name} is at least {minimum:g} and below {below:g}; {value} was given.")
