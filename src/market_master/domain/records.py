"""Records that leave the system: scorecards, verdicts, predictions, signals.

Field names are the JSON names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Scorecard:
    """Out-of-sample numbers of one candidate or baseline; skill numbers are shares of the prior's RPS."""

    candidate: str
    kind: str
    """model or baseline"""
    rps: float
    rpss: float
    vol: float
    dir: float
    dir_t: float
    ic: float
    ic_t: float
    log_loss: float
    macro_f1: float
    accuracy: float
    ece: float
    fit_seconds: float
    folds: int
    macro_f1_null: float | None = None
    """macro-F1 of the same action shares dealt out at random"""
    accuracy_null: float | None = None
    macro_f1_argmax: float | None = None
    rank_ic: float | None = None
    """mean over instants of the Spearman correlation across symbols; None without any to rank"""
    sign_accuracy: float | None = None
    sign_base: float | None = None
    """share of the more frequent sign"""
    wss_ic: float | None = None
    """correlation over time of the index's expected score with its next z, both weighted"""
    wss_ic_t: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """90 % band of each number, from a bootstrap of days"""


@dataclass(frozen=True)
class Trades:
    """What some actions would have earned, as simple returns of an equal-weight basket, costs taken off in `net`."""

    net: float
    """mean a session"""
    net_se: float
    gross: float
    turnover: float
    """traded share of capital a session"""
    drawdown: float
    """largest fall of the compounded net return from its high, as a share of it"""
    random_95: float
    """the net that 95 of 100 paths of the same positions, dealt to other days, stay below"""


@dataclass(frozen=True)
class Verdict:
    """One rule's answer: what was measured, the limit, and why; a failed `block` stops the promotion."""

    rule: str
    passed: bool
    severity: str
    """block or warn"""
    value: float | str | None
    limit: float | str | None
    reason: str


@dataclass(frozen=True)
class Span:
    """The start and end of a bar, ISO 8601 in UTC."""

    start: str
    end: str


@dataclass(frozen=True)
class ModelRef:
    """Which model version answered."""

    name: str
    version: str
    alias: str
    run_id: str
    provisional: bool


@dataclass(frozen=True)
class ActedPolicy:
    """The rule that made the action, and whether the confidence filter let it act."""

    rule: str
    acted: bool


@dataclass(frozen=True)
class History:
    """How many bars of its symbol a prediction was made of: sent by the client, and taken from the store."""

    posted: int
    stored: int


@dataclass(frozen=True)
class Provenance:
    """Where the bars came from and how old the newest one was."""

    provider: str
    staleness_seconds: int
    history: History


@dataclass(frozen=True)
class Prediction:
    """What to do with one symbol over its next bar."""

    symbol: str
    action: str
    expected_score: float
    confidence: float
    probabilities: dict[str, float]
    as_of: str
    predicts_for: Span
    model: ModelRef
    policy: ActedPolicy
    provenance: Provenance
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Constituent:
    """One symbol's part in the index signal; `contribution` is weight over covered weight, times score."""

    symbol: str
    weight: float
    action: str
    score: int
    expected_score: float
    confidence: float
    contribution: float


@dataclass(frozen=True)
class Missing:
    """A constituent without a fresh action, and why."""

    symbol: str
    weight: float
    reason: str


@dataclass(frozen=True)
class Thresholds:
    """WSS at or above `buy` is BUY, at or below `sell` is SELL."""

    buy: float
    sell: float


@dataclass(frozen=True)
class Move:
    """What one symbol did to WSS since the bar before, and which features moved its expected score."""

    symbol: str
    score_before: int | None
    """null where it had no fresh action"""
    score: int | None
    move: float
    """change of its contribution; `by_score` + `by_weight`"""
    by_score: float
    by_weight: float
    """what its share of the covered weight did: all of it for a symbol that enters or leaves"""
    expected_move: float | None
    """change of its expected score; null where it has none at both bars"""
    by_group: dict[str, float]
    """Shapley values of the feature groups, which sum to `expected_move`"""


@dataclass(frozen=True)
class Explanation:
    """Why WSS is not what it was at the bar before: the moves of all symbols sum to `wss_move`."""

    since: str | None = None
    """end of the bar before; null where it had no signal to compare with, and `reason` says why"""
    signal_before: str | None = None
    wss_before: float | None = None
    wss_move: float | None = None
    wss_expected_before: float | None = None
    moves: tuple[Move, ...] = ()
    """the largest first"""
    reason: str = ""


@dataclass(frozen=True)
class IndexSignal:
    """What to do with the index over its next bar, and out of what it was made."""

    index: str
    signal_for: str
    signal: str
    """BUY, HOLD or SELL"""
    wss: float
    wss_expected: float
    coverage: float
    as_of: str
    predicts_for: Span
    thresholds: Thresholds
    missing: tuple[Missing, ...]
    weights_as_of: str | None
    constituents: tuple[Constituent, ...]
    index_share: float
    wss_z: float | None
    model: ModelRef
    paper: bool
    warnings: tuple[str, ...] = ()
    filter_coverage: float | None = None
    """weight that the confidence filter let act, of what wanted to; None without a filter, or where nothing wanted to"""
    wss_expected_interval: tuple[float, float] | None = None
    """90 %: where the level that comes lies on average when this one is claimed; null without past answers to learn it from"""
    explanation: Explanation | None = None
    """only where it was asked for"""


@dataclass(frozen=True)
class JournalEntry:
    """One line of the append-only book of decisions; each carries the hash of the one before."""

    id: str
    time: str
    event: str
    from_version: str | None
    to_version: str | None
    by: str
    reason: str
    verdicts: tuple[Verdict, ...] = ()
    data_hash: str | None = None
    feature_fingerprint: str | None = None
    code_commit: str | None = None
    previous_entry_hash: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


def as_json(record: Any) -> Any:
    """A record, or a list or tuple of them, as plain JSON values."""
    if isinstance(record, (list, tuple)):
        return [as_json(item) for item in record]
    return asdict(record)


PredictionObserver = Callable[[list[Prediction], np.ndarray], None]


NEW_RECIPE, REFRESH = "new_recipe", "refresh"
