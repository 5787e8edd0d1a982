"""Candlestick patterns of a symbol's newest bar, each with what followed it."""

from __future__ import annotations

from dataclasses import dataclass

from market_master.artifact.track_record import EventRecord
from market_master.domain import iso
from market_master.insights import MarketView, insight
from market_master.insights.events import PATTERNS, Event

POINTS = {1: "up", -1: "down", 0: "nowhere"}


@dataclass(frozen=True)
class Pattern:
    """A pattern that is there now."""

    pattern: str
    points: str
    """up, down or nowhere, by its name"""
    strength: float
    """0 to 1"""
    record: EventRecord
    """what followed it on the bars the version learned from"""


@dataclass(frozen=True)
class Patterns:
    """The patterns of the newest bar, of fifteen that are looked for."""

    as_of: str
    detected: tuple[Pattern, ...]
    looked_for: int
    learned_first: str
    learned_last: str
    summary: str


@insight
def patterns(view: MarketView, symbol: str) -> Patterns:
    """The patterns that are there now, and the evidence for each. Raises UnknownSymbol, NoTrackRecord."""
    view.require_symbol(symbol)
    record, values = view.require_sources().record, view.event_values[symbol]
    records = {one.event: one for one in record.patterns}
    detected = tuple(
        Pattern(
            event.name, POINTS[_side(event, values[event.feature])], values[str(event.strength)], records[event.name]
        )
        for event in PATTERNS
        if event.present(values[event.feature])
    )
    proven = [one.pattern for one in detected if one.record.finding == "evidence"]
    return Patterns(
        as_of=iso(int(view.bars.bar_end[view.bars.rows(symbol)][-1])),
        detected=detected,
        looked_for=len(PATTERNS),
        learned_first=record.first,
        learned_last=record.last,
        summary=_summary(len(detected), proven),
    )


def _side(event: Event, value: float) -> int:
    return int(event.sides(value))


def _summary(count: int, proven: list[str]) -> str:
    if not count:
        return "No pattern is there."
    if proven:
        return f"{len(proven)} of {count} patterns were followed by other bars than usual: {', '.join(proven)}."
    return f"{count} patterns are there; for none is there evidence that other bars than usual follow."
