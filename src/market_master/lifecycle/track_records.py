"""Track record of a comparison: events, regimes and candidates on the development bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from market_master import features
from market_master.artifact.track_record import (
    EVENTS_GRAPH_FILE,
    FINDS,
    TRACK_RECORD_FILE,
    CandidateRecord,
    EventRecord,
    RegimeRecord,
    TrackRecord,
)
from market_master.domain import Array, Scorecard, iso
from market_master.export.version_graph import feature_graph
from market_master.insights.events import EVENT_FEATURES, PATTERNS, RULES, Event
from market_master.stats.event_study import OutcomesByDay, holm
from market_master.stats.metrics import directional_skill
from market_master.stats.regimes import REGIMES, regimes
from market_master.training import Comparison, Experiment


def track_record_files(experiment: Experiment, comparison: Comparison) -> dict[str, bytes]:
    """The record, and the graph that sees events from raw bars, by file name."""
    return {
        TRACK_RECORD_FILE: track_record(experiment, comparison).to_bytes(),
        EVENTS_GRAPH_FILE: feature_graph(EVENT_FEATURES, experiment.market.bars.timetable.seconds),
    }


def track_record(experiment: Experiment, comparison: Comparison) -> TrackRecord:
    """What followed events on the development bars, and what the candidates knew there out of fold."""
    bars, labels = experiment.market.bars, experiment.dataset.labels
    rows = np.flatnonzero(experiment.dataset.zones.dev & labels.known)
    outcomes = OutcomesByDay(labels.forward_return[rows], bars.code[rows], bars.next_slot[rows], bars.session[rows])
    values = features.compute(bars, EVENT_FEATURES, members=experiment.market.members, only=rows)
    return TrackRecord(
        first=iso(bars.bar_end[rows].min()),
        last=iso(bars.bar_end[rows].max()),
        winner=comparison.winner,
        patterns=_event_records(PATTERNS, values, outcomes),
        rules=_event_records(RULES, values, outcomes),
        regimes=_regime_records(experiment, comparison),
        candidates=tuple(map(_candidate_record, comparison.leaderboard)),
    )


def _event_records(events: Sequence[Event], values: Array, outcomes: OutcomesByDay) -> tuple[EventRecord, ...]:
    studies = [outcomes.study(event.signs(values[:, EVENT_FEATURES.index(event.feature)])) for event in events]
    corrected = holm([study.p_value for study in studies])
    return tuple(
        EventRecord(
            event.name,
            study.count,
            study.days,
            study.mean,
            study.low,
            study.high,
            study.otherwise,
            study.p_value,
            p,
            "too few" if p is None else "evidence" if p < FINDS else "no evidence",
        )
        for event, study, p in zip(events, studies, corrected, strict=True)
    )


def _regime_records(experiment: Experiment, comparison: Comparison) -> tuple[RegimeRecord, ...]:
    bars, answers = experiment.market.bars, comparison.out_of_fold[comparison.winner]
    state, session = regimes(bars, experiment.market.members)[answers.rows], bars.session[answers.rows]
    records = []
    for regime in REGIMES:
        rows = np.flatnonzero(state == regime)
        if len(rows):
            share, error = directional_skill(
                answers.probabilities[rows], answers.prior[rows], answers.action[rows], session[rows]
            )
            records.append(RegimeRecord(regime, len(np.unique(session[rows])), len(rows), share, error))
    return tuple(records)


def _candidate_record(card: Scorecard) -> CandidateRecord:
    low, high = card.intervals.get("dir", (None, None))
    return CandidateRecord(card.candidate, card.kind, card.dir, low, high, card.rpss)
