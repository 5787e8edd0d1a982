"""Events of a bar: candlestick patterns and technical rules, each seen by one feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from market_master.domain import Array

EventKind = Literal["pattern", "rule"]
BULLISH, BEARISH, UNDIRECTED = 1, -1, 0


@dataclass(frozen=True)
class Event:
    """An event: there when its feature is above the upper limit, or below the lower one."""

    name: str
    kind: EventKind
    feature: str
    upper: float
    upper_side: int
    lower: float = -np.inf
    lower_side: int = UNDIRECTED
    strength: str | None = None
    """feature from 0 to 1, of patterns"""

    def present(self, values: Array | float) -> Array:
        """Whether the event is there, by its feature's values."""
        return np.asarray((values > self.upper) | (values < self.lower))

    def sides(self, values: Array | float) -> Array:
        """Where it points: 1 up, -1 down; 0 where it is not there, or has no direction."""
        return np.where(values > self.upper, self.upper_side, np.where(values < self.lower, self.lower_side, 0))

    def signs(self, values: Array) -> Array:
        """What an outcome after it counts times: its side, 1 for an event without direction, 0 where it is not there."""
        return np.where(self.present(values) & (self.sides(values) == 0), 1, self.sides(values)).astype(float)


def _pattern(name: str, side: int, *, signed: bool = False, feature: str | None = None) -> Event:
    seen_by = feature or name
    lower = (-0.5, -side) if signed else (-np.inf, UNDIRECTED)
    return Event(name, "pattern", seen_by, 0.5, side, *lower, strength=f"{seen_by}_strength")


PATTERNS = (
    _pattern("doji", UNDIRECTED),
    _pattern("marubozu", BULLISH, signed=True),
    _pattern("hammer", BULLISH),
    _pattern("shooting_star", BEARISH, feature="shooting_star_intraday"),
    _pattern("engulfing_bullish", BULLISH),
    _pattern("engulfing_bearish", BEARISH),
    _pattern("harami", BULLISH, signed=True),
    _pattern("piercing_line", BULLISH, feature="piercing_line_intraday"),
    _pattern("dark_cloud_cover", BEARISH, feature="dark_cloud_cover_intraday"),
    _pattern("morning_star", BULLISH, feature="morning_star_intraday"),
    _pattern("evening_star", BEARISH, feature="evening_star_intraday"),
    _pattern("three_white_soldiers", BULLISH),
    _pattern("three_black_crows", BEARISH),
    _pattern("tweezer_top", BEARISH),
    _pattern("tweezer_bottom", BULLISH),
)
"""the fifteen of the feature set `patterns`; those that need a gap in the variant that does without"""
RULES = (
    Event("rsi", "rule", "rsi_wilder", 0.7, BEARISH, 0.3, BULLISH),
    Event("williams_r", "rule", "williams_r", -0.2, BEARISH, -0.8, BULLISH),
    Event("money_flow", "rule", "mfi", 0.8, BEARISH, 0.2, BULLISH),
    Event("macd", "rule", "macd_divergence", 0.0, BULLISH, 0.0, BEARISH),
    Event("moving_average", "rule", "sma_distance_200", 0.0, BULLISH, 0.0, BEARISH),
    Event("momentum", "rule", "roc_20", 0.0, BULLISH, 0.0, BEARISH),
    Event("donchian_breakout", "rule", "donchian_breakout", 1.0, BULLISH, 0.0, BEARISH),
    Event("keltner_breakout", "rule", "keltner_position", 1.0, BULLISH, -1.0, BEARISH),
)
"""textbook rules on the feature set `classic`"""
EVENTS = PATTERNS + RULES
EVENT_FEATURES = tuple(
    dict.fromkeys(name for event in EVENTS for name in (event.feature, event.strength) if name is not None)
)
"""what a version's graph of events gives, in this order"""
