"""Track record beside a version: what its sources were worth on the bars it learned from.

The sources are candlestick patterns, technical rules, and the candidates of the comparison; nothing here has seen the hold-out.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from market_master.domain import ModelError

TRACK_RECORD_FILE = "track_record.json"
EVENTS_GRAPH_FILE = "events.onnx"
"""from raw bars to the features that events are seen by"""
FINDS = 0.05
"""corrected p-value below which there is evidence"""
EvidenceLevel = Literal["evidence", "no evidence", "too few"]


@dataclass(frozen=True)
class EventRecord:
    """What followed an event, as log returns over the label's window in the event's direction."""

    event: str
    count: int
    days: int
    mean_return: float | None
    low: float | None
    """90 % interval of the mean, from a bootstrap of days"""
    high: float | None
    mean_otherwise: float | None
    """of the same symbols and times on other days"""
    p_value: float | None
    p_corrected: float | None
    """by Holm, for all events of its kind"""
    finding: EvidenceLevel


@dataclass(frozen=True)
class RegimeRecord:
    """What the champion knew of the direction in sessions of one regime, out of fold; shares of the prior's RPS."""

    regime: str
    sessions: int
    bars: int
    dir: float
    dir_se: float | None


@dataclass(frozen=True)
class CandidateRecord:
    """What a candidate of the comparison knew, out of fold; shares of the prior's RPS, with their 90 % interval."""

    candidate: str
    kind: str
    dir: float
    dir_low: float | None
    dir_high: float | None
    rpss: float


@dataclass(frozen=True)
class TrackRecord:
    """All of it, and over which bars."""

    first: str
    last: str
    winner: str
    """of the comparison: the candidate that the version is"""
    patterns: tuple[EventRecord, ...]
    rules: tuple[EventRecord, ...]
    regimes: tuple[RegimeRecord, ...]
    candidates: tuple[CandidateRecord, ...]

    def to_bytes(self) -> bytes:
        """As a file's content."""
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def read(cls, folder: Path) -> TrackRecord | None:
        """What lies beside a version; None where it has none. Raises ModelError when it can't be read."""
        kinds = {
            "patterns": EventRecord, "rules": EventRecord, "regimes": RegimeRecord, "candidates": CandidateRecord
        }  # fmt: skip
        try:
            values = json.loads((folder / TRACK_RECORD_FILE).read_bytes())
            lists = {name: tuple(kind(**row) for row in values[name]) for name, kind in kinds.items()}
            return cls(**{**values, **lists})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The version's {TRACK_RECORD_FILE} can't be read: {error!r}; train anew.") from error
