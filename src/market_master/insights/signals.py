"""Signals of a symbol: what each source says now, with its own measured record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from market_master.artifact.track_record import CandidateRecord, EventRecord, EvidenceLevel, TrackRecord
from market_master.domain import Prediction
from market_master.insights import MarketView, insight
from market_master.insights.events import EVENTS

Measure = Literal["dir", "mean_return"]
SourceKind = Literal["champion", "candidate", "baseline", "pattern", "rule"]
SAYS = {1: "buy", -1: "sell", 0: "hold"}
NOT_KEPT = "It was compared, not kept: of a comparison only the winner answers."


@dataclass(frozen=True)
class SourceRecord:
    """What a source was worth on the bars the version learned from."""

    measure: Measure
    """dir: the share of the prior's RPS that knowing the direction saved; mean_return: mean log return in its direction"""
    value: float | None
    low: float | None
    """90 % interval"""
    high: float | None
    count: int | None
    """bars after which it was measured"""
    finding: EvidenceLevel


@dataclass(frozen=True)
class SourceSignal:
    """One source: what it says, why, and what that was worth."""

    source: str
    kind: SourceKind
    says: str | None
    """an action; null where the source can't be asked now"""
    reason: str
    record: SourceRecord


@insight
def source_signals(view: MarketView, symbol: str) -> tuple[SourceSignal, ...]:
    """All sources, the champion first. Raises UnknownSymbol, NoTrackRecord."""
    view.require_symbol(symbol)
    record = view.require_sources().record
    return (
        *_candidates(record, view.predictions.get(symbol)),
        *_events(record, view.event_values[symbol]),
    )


def _candidates(record: TrackRecord, prediction: Prediction | None) -> Iterable[SourceSignal]:
    """The winner of the comparison answers for itself; of the others only the record is left."""
    for one in sorted(record.candidates, key=lambda one: (one.candidate != record.winner, one.kind == "baseline")):
        if one.candidate != record.winner:
            kind: SourceKind = "baseline" if one.kind == "baseline" else "candidate"
            yield SourceSignal(one.candidate, kind, None, NOT_KEPT, _record_of_candidate(one))
        elif prediction is None:
            no_answer = "It has no prediction for this symbol."
            yield SourceSignal(one.candidate, "champion", None, no_answer, _record_of_candidate(one))
        else:
            reason = f"Expected score {prediction.expected_score:+.3f} of -2 to 2."
            yield SourceSignal(one.candidate, "champion", prediction.action, reason, _record_of_candidate(one))


def _events(record: TrackRecord, values: Mapping[str, float]) -> Iterable[SourceSignal]:
    """Every rule, and the patterns that are there."""
    records = {(kind, one.event): one for kind in ("pattern", "rule") for one in getattr(record, f"{kind}s")}
    for event in EVENTS:
        value = values[event.feature]
        present, side = bool(event.present(value)), int(event.sides(value))
        if event.kind == "pattern" and not present:
            continue
        known = bool(np.isfinite(value))
        reason = f"{event.feature} is {value:.4g}." if known else f"Too few bars for {event.feature}."
        says = SAYS[side] if known else None
        yield SourceSignal(event.name, event.kind, says, reason, _record_of_event(records[event.kind, event.name]))


def _record_of_event(one: EventRecord) -> SourceRecord:
    return SourceRecord("mean_return", one.mean_return, one.low, one.high, one.count, one.finding)


def _record_of_candidate(one: CandidateRecord) -> SourceRecord:
    finding: EvidenceLevel = "evidence" if one.dir_low is not None and one.dir_low > 0 else "no evidence"
    return SourceRecord("dir", one.dir, one.dir_low, one.dir_high, None, finding)
